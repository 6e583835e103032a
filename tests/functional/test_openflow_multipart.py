# SPDX-License-Identifier: Apache-2.0
"""Multipart requests and replies of many parts.

    sessions ---- br0.mgmt
"""
import struct

import pytest
from evslib import Lab
from evslib import ofraw as of
from evslib.ofctl import ERROR, MULTIPART, MULTIPART_REPLY, Session, match, message, oxm

FLOW, AGGREGATE, TABLE, GROUP, GROUP_DESC, METER, METER_CONFIG, TABLE_FEATURES = 1, 2, 3, 6, 7, 9, 10, 12
MORE, ANY, ALL = 1, 0xFFFFFFFF, 0xFF
OVERFLOW = (1, 13)


@pytest.fixture(scope="module")
def evsd():
    lab = Lab()
    try:
        yield lab.evsd()
    finally:
        lab.close()


@pytest.fixture
def session(evsd):
    session = Session(evsd.run_dir / "br0.mgmt")
    yield session
    session.close()


def request(kind, body=b"", flags=0, xid=5):
    return message(MULTIPART, struct.pack("!HHxxxx", kind, flags) + body, xid)


def replies(session, kind, body=b"", xid=5):
    """The bodies of all parts of a reply."""
    session.send(request(kind, body, xid=xid))
    bodies = []
    while True:
        got = session.wait(MULTIPART_REPLY, xid)
        told, flags = struct.unpack_from("!HH", got, 8)
        assert told == kind
        bodies.append(got[16:])
        if not flags & MORE:
            return bodies


def flows(table=ALL, *fields, cookie=0, mask=0):
    return struct.pack("!BxxxIIxxxxQQ", table, ANY, ANY, cookie, mask) + match(*fields)


def elements(body):
    """Elements that begin with their length."""
    while body:
        size = struct.unpack_from("!H", body)[0]
        yield body[:size]
        body = body[size:]


def rename(features, name):
    return features[:8] + name.ljust(32, b"\0") + features[40:]


def name_of(features):
    return features[8:40].rstrip(b"\0")


def features(session):
    return list(elements(b"".join(replies(session, TABLE_FEATURES))))


def set_features(session, *tables, xid=70):
    """What a request that is longer than a message answers: the tables of the pipeline, or an error."""
    body = b"".join(tables)
    while len(body) > 60000:
        size = sum(len(table) for table in list(elements(body))[:30])
        session.send(request(TABLE_FEATURES, body[:size], MORE, xid))
        body = body[size:]
    session.send(request(TABLE_FEATURES, body, xid=xid))
    got = b""
    while True:
        part = session.message()
        assert struct.unpack_from("!I", part, 4)[0] == xid
        if part[1] == ERROR:
            return struct.unpack_from("!HH", part, 8)
        got += part[16:]
        if not struct.unpack_from("!H", part, 10)[0] & MORE:
            return list(elements(got))


def test_table_features_in_parts(session):
    """Two tables are renamed by a request of several messages; nothing happens before the last."""
    tables = features(session)
    assert [table[2] for table in tables] == list(range(254))
    assert tables[7] == tables[7][:8] + b"table7".ljust(32, b"\0") + tables[7][40:]
    session.send(request(TABLE_FEATURES, tables[0] + rename(tables[7], b"seven"), MORE, xid=70))
    session.send(request(TABLE_FEATURES, b"", MORE, xid=70))
    # Another request in between is answered, another one of several parts is not.
    assert name_of(features(session)[7]) == b"table7"
    session.send(request(TABLE_FEATURES, tables[9], MORE, xid=71))
    session.barrier()
    assert session.errors == [OVERFLOW]
    session.errors.clear()
    rest = [rename(tables[8], b"eight") if table[2] == 8 else table for table in tables[1:] if table[2] != 7]
    got = set_features(session, *rest)
    assert [name_of(table) for table in got][6:10] == [b"table6", b"seven", b"eight", b"table9"] and len(got) == 254
    # An error in one of the parts refuses the whole.
    session.send(request(TABLE_FEATURES, tables[0] + rename(tables[7], b"back"), MORE, xid=72))
    session.send(request(TABLE_FEATURES, tables[8][:40], xid=72))
    assert struct.unpack_from("!HH", session.wait(ERROR, 72), 8) == (13, 3)
    assert name_of(features(session)[7]) == b"seven"
    assert len(set_features(session, *tables)) == 254


def refused(session, message_):
    session.errors.clear()
    session.send(message_)
    session.barrier()
    return session.errors[-1] if session.errors else None


def test_tables_leave_the_pipeline(session):
    """What a request does not name is no table any more; its rules go without a word, and so do those that lead there."""
    tables = features(session)
    some = [tables[i] for i in (0, 1, 2, 9, 253)]
    rules = [of.flow([], of.goto(9), cookie=1, flags=1), of.flow([], of.goto(7), priority=3, cookie=2, flags=1),
             of.flow([], of.goto(8), table=7, cookie=3, flags=1), of.flow([], of.actions(of.output(1)), table=9, cookie=4, flags=1)]
    session.send(message(2) + of.flow([], command=of.DELETE, table=ALL) + message(9, struct.pack("!HH", 0, 128)) + b"".join(rules))
    session.barrier()
    session.others.clear()
    got = set_features(session, *some)
    assert [table[2] for table in got] == [0, 1, 2, 9, 253] == [table[2] for table in features(session)]
    # The next tables that a table tells are those that are there (property 2).
    at = 64
    while struct.unpack_from("!H", got[1], at)[0] != 2:
        at += (struct.unpack_from("!H", got[1], at + 2)[0] + 7) // 8 * 8
    assert got[1][at:at + 7] == struct.pack("!HHBBB", 2, 7, 2, 9, 253)
    assert sorted(struct.unpack_from("!Q", flow, 24)[0] for body in replies(session, FLOW, flows())
                  for flow in elements(body)) == [1, 4]
    assert [body[i] for body in replies(session, TABLE) for i in range(0, len(body), 24)] == [0, 1, 2, 9, 253]
    session.barrier()
    assert not [told for told in session.others if told[1] == 11]
    for bad, error in [(of.flow([], table=7), (5, 2)), (of.flow([], table=7, command=of.DELETE), (5, 2)),
                       (of.flow([], of.goto(7)), (3, 2)), (request(FLOW, flows(7)), (1, 9)),
                       (message(17, struct.pack("!BxxxI", 7, 0)), (8, 0))]:
        assert refused(session, bad) == error
    # Requests for what there can not be change nothing.
    many = struct.pack("!I", 0xFFFFFFFF)
    prop = lambda kind, body: struct.pack("!HH", kind, 4 + len(body)) + body + bytes(-(4 + len(body)) % 8)  # noqa: E731
    bare = lambda table, *props: struct.pack("!HB", 64 + sum(map(len, props)), table) + tables[0][3:64] + b"".join(props)  # noqa: E731
    for bad, error in [([tables[1]], (13, 0)),                                       # without the first
                       ([tables[0], tables[1], tables[1]], (13, 0)),
                       ([bare(0), bare(254)], (13, 0)), ([bare(0), bare(255)], (13, 0)),
                       ([bare(0)[:60] + many], (13, 4)),                             # entries
                       ([bare(0, prop(2, b"\0"))], (13, 4)),                         # next: itself
                       ([bare(0, prop(2, b"\xfe"))], (13, 4)),
                       ([bare(0, prop(0, struct.pack("!HH", 77, 4)))], (13, 4)),     # instruction
                       ([bare(0, prop(4, struct.pack("!HH", 77, 4)))], (13, 4)),     # action
                       ([bare(0, prop(8, struct.pack("!HBB", 0x8000, 77 << 1, 4)))], (13, 4)),
                       ([bare(0, prop(8, struct.pack("!HBB", 0x8000, 5 << 1 | 1, 4)))], (13, 4)),   # eth_type, masked
                       ([bare(0, prop(12, struct.pack("!HBB", 0x8000, 0, 4)))], (13, 4)),           # set in_port
                       ([bare(0, prop(99, b""))], (13, 2)), ([bare(0, prop(9, b""))], (13, 2)),
                       ([bare(0, prop(2, b"\1"), prop(2, b"\1"))], (13, 4)),
                       ([bare(0, struct.pack("!HHxxxx", 2, 80))], (13, 3)),
                       ([bare(0, prop(8, b"\x80"))], (13, 3))]:
        assert set_features(session, *bad) == error, bad
        assert [table[2] for table in features(session)] == [0, 1, 2, 9, 253]
    # Back to all of them.
    assert [table[2] for table in set_features(session, *tables)] == list(range(254))
    assert refused(session, of.flow([], of.goto(8), table=7)) is None
    assert features(session) == tables


def test_requests_have_a_bound(session):
    part = request(TABLE_FEATURES, bytes(60000), MORE, xid=80)
    for _ in range(20):
        session.send(part)
    session.barrier()
    assert session.errors[0] == OVERFLOW
    assert len(replies(session, TABLE, xid=81)) == 1


def test_other_requests_in_parts(session):
    """Bodies of a fixed size are what they are, in however many messages they come."""
    body = flows(0)
    session.send(request(AGGREGATE, body[:20], MORE, xid=82) + request(AGGREGATE, body[20:], xid=82))
    assert len(session.wait(MULTIPART_REPLY, 82)) == 16 + 24
    session.send(request(TABLE, b"", MORE, xid=83) + request(TABLE, bytes(8), xid=83))
    assert struct.unpack_from("!HH", session.wait(ERROR, 83), 8) == (1, 6)


def test_bad_requests(session):
    for kind, body, error in [(99, b"", (1, 2)), (0xFFFF, bytes(8), (1, 3)), (FLOW, flows(254), (1, 9)),
                              (AGGREGATE, flows(254), (1, 9)), (4, struct.pack("!Ixxxx", 77), (1, 11)),
                              (METER, struct.pack("!Ixxxx", 77), (12, 3)),
                              (METER_CONFIG, struct.pack("!Ixxxx", 77), (12, 3)),
                              (5, struct.pack("!II", 77, ANY), (9, 0)), (5, struct.pack("!II", ANY, 77), (9, 1))]:
        session.errors.clear()
        session.send(request(kind, body))
        session.barrier()
        assert session.errors == [error], kind
    assert replies(session, GROUP, struct.pack("!Ixxxx", 77)) == [b""]


def test_statistics_hold_up_nobody(session, evsd):
    """One asks for 60,000 rules ten times and does not read; another one is served meanwhile, and the first one in the end."""
    n = 60000
    rules = [of.flow([oxm(5, b"\x08\0"), oxm(11, struct.pack("!I", i))], of.actions(of.output(1)), cookie=i) for i in range(n)]
    session.send(of.flow([], command=of.DELETE, table=ALL))
    for i in range(0, n, 1000):
        session.send(b"".join(rules[i:i + 1000]))
    session.barrier()
    assert session.errors == []
    lazy = Session(evsd.run_dir / "br0.mgmt")
    lazy.send(b"".join(request(FLOW, flows(), xid=100 + i) for i in range(10)))
    for i in range(20):
        session.send(message(2, b"still there?", xid=i))
        assert session.wait(3, i)[8:] == b"still there?"
        session.barrier()
    session.send(of.flow([oxm(5, b"\x08\x06")], cookie=n))
    session.barrier()
    assert sum(len(list(elements(body))) for body in replies(session, FLOW, flows())) == n + 1
    told = []
    for i in range(10):
        more, cookies = 1, set()
        while more:
            part = lazy.wait(MULTIPART_REPLY, 100 + i)
            more = struct.unpack_from("!H", part, 10)[0] & MORE
            cookies |= {struct.unpack_from("!Q", flow, 24)[0] for flow in elements(part[16:])}
        told.append(cookies)
    assert all(set(range(n)) <= cookies <= set(range(n + 1)) for cookies in told) and n in told[-1]
    lazy.close()
    session.send(of.flow([], command=of.DELETE, table=ALL))
    session.barrier()


def test_many(session):
    """What takes many slices and parts is told whole, and once."""
    n = 20000
    rules = [of.flow([oxm(5, b"\x08\0"), oxm(11, struct.pack("!I", i))], table=i % 3, cookie=i) for i in range(n)]
    groups = [message(15, struct.pack("!HBxI", 0, 0, i)) for i in range(5000)]
    meters = [message(29, struct.pack("!HHI", 0, 1, i) + struct.pack("!HHIIxxxx", 1, 16, 1000, 0)) for i in range(1, 3001)]
    session.send(of.flow([], command=of.DELETE, table=ALL) + b"".join(rules + groups + meters))
    session.barrier()
    assert session.errors == []
    told = [flow for body in replies(session, FLOW, flows()) for flow in elements(body)]
    assert sorted(struct.unpack_from("!Q", flow, 24)[0] for flow in told) == list(range(n))
    count = lambda *args, **kw: struct.unpack_from("!I", replies(session, AGGREGATE, flows(*args, **kw))[0], 16)[0]  # noqa: E731
    assert count() == n and count(2) == n // 3 and count(77) == 0
    assert count(ALL, cookie=1, mask=1) == n // 2
    assert count(ALL, oxm(5, b"\x08\0"), oxm(11, b"\0\0\x10\0", b"\xff\xff\xf0\0")) == 4096
    every = struct.pack("!Ixxxx", 0xFFFFFFFC)
    told = [group for body in replies(session, GROUP, every) for group in elements(body)]
    assert sorted(struct.unpack_from("!I", group, 4)[0] for group in told) == list(range(5000))
    assert sum(len(list(elements(body))) for body in replies(session, GROUP_DESC)) == 5000
    every = struct.pack("!Ixxxx", 0xFFFFFFFF)
    assert sum(len(list(elements(body))) for body in replies(session, METER_CONFIG, every)) == 3000
    assert sum(len(body) for body in replies(session, METER, every)) == 3000 * 56
    session.send(of.flow([], command=of.DELETE, table=ALL) + message(15, struct.pack("!HBxI", 2, 0, 0xFFFFFFFC)) +
                 message(29, struct.pack("!HHI", 2, 0, ANY)))
    session.barrier()
    assert session.errors == [] and count() == 0
