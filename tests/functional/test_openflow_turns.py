# SPDX-License-Identifier: Apache-2.0
"""Changes of very many rules take turns with everything else that the control thread does.

    A, B (sessions), RPC ---- evsd: br0 with 100,000 rules
"""
import functools
import select
import struct
import threading

import pytest
from evslib import Lab, RpcError, wait_for
from evslib import ofraw as of
from evslib.ofctl import BARRIER, BARRIER_REPLY, ECHO_REPLY, ECHO_REQUEST, ERROR, MULTIPART, MULTIPART_REPLY, Session, match, message, oxm

N, MANY = 20000, 100000
UDP, ARP = [oxm(5, b"\x08\0"), oxm(10, b"\x11")], [oxm(5, b"\x08\x06")]
AGGREGATE, TABLE = 2, 3


@pytest.fixture(scope="module")
def evsd():
    lab = Lab()
    try:
        yield lab.evsd()
    finally:
        lab.close()


@pytest.fixture
def a(evsd):
    session = Session(evsd.run_dir / "br0.mgmt")
    yield session
    session.close()


@pytest.fixture
def b(evsd):
    session = Session(evsd.run_dir / "br0.mgmt")
    yield session
    session.close()


@functools.cache
def thousand(i):
    return b"".join(of.flow([*UDP, oxm(11, struct.pack("!I", 1000 * i + k))], of.actions(of.output(1))) for k in range(1000))


def fill(session, n=N):
    for i in range(n // 1000):
        session.send(thousand(i))
    session.barrier()
    assert session.errors == []


def count(session, port=0xFFFFFFFF):
    """Rules, of those that output to a port."""
    session.send(message(MULTIPART, struct.pack("!HHxxxxBxxxIIxxxxQQ", AGGREGATE, 0, 255, port, 0xFFFFFFFF, 0, 0) + match(), 5))
    return struct.unpack_from("!I", session.wait(MULTIPART_REPLY, 5), 32)[0]


def delete_all():
    return of.flow([], command=of.DELETE, table=255)


def answers_meanwhile(a, b, change):
    """How many echoes of b are answered before a's barrier behind a change is."""
    a.send(change + message(BARRIER, xid=77))
    n = 0
    while not select.select([a.socket], [], [], 0)[0]:
        b.send(message(ECHO_REQUEST, xid=n))
        b.wait(ECHO_REPLY, n)
        n += 1
    a.wait(BARRIER_REPLY, 77)
    return n


def grow(had_turns):
    """Tries it with more and more rules: who has turns gets more of them, however quick the machine is; who has none, none."""
    for n in (MANY, 2 * MANY, 4 * MANY, 8 * MANY):
        if had_turns(n):
            return n
    return pytest.fail("nobody else had a turn")


@pytest.mark.parametrize("change", ["delete", "modify"])
def test_others_are_answered(a, b, change):
    what = {"delete": delete_all(), "modify": of.flow([], of.actions(of.output(2)), command=of.MODIFY)}[change]

    def had_turns(n):
        fill(a, n)
        return answers_meanwhile(a, b, what) >= 8

    n = grow(had_turns)
    assert count(b, port=1) == 0 and count(b) == (0 if change == "delete" else n)


def test_changes_of_others_wait(a, b):
    """What b adds while a deletes is there afterwards, and so is what follows the deletion in a itself."""
    fill(a)
    a.send(of.flow([], command=of.DELETE, table=255) + of.flow(ARP, of.actions(of.output(3)), cookie=3))
    b.send(of.flow([oxm(5, b"\x86\xdd")], of.actions(of.output(4)), cookie=4, priority=9))
    b.barrier()
    a.barrier()
    assert count(a, port=3) == 1 and count(a, port=1) == 0
    assert count(a) - count(a, port=4) == 1  # b's was first, or last: it is whole or gone
    assert a.errors == b.errors == []


def test_those_who_wait_come_first(a, b):
    """a asks for one long search after the other; b gets its turn after the first, not after the last."""
    nothing = of.flow([], command=of.DELETE, table=255, cookie=1, cookie_mask=0xFFFFFFFFFFFFFFFF)

    def came_first(n):
        fill(a, n)
        a.send(nothing * 20 + message(BARRIER, xid=79))
        b.send(of.flow(ARP, of.actions(of.output(3))))
        b.barrier()
        first = not select.select([a.socket], [], [], 0)[0]
        a.wait(BARRIER_REPLY, 79)
        return first

    grow(came_first)
    assert count(b, port=3) == 1 and a.errors == b.errors == []


def test_a_late_error_names_the_message(a):
    """Ports can not be set in ARP: nothing changes, and the error carries the message and its xid."""
    a.send(delete_all())
    fill(a)
    a.send(of.flow(ARP, of.actions(of.output(1))))
    change = of.flow([], of.actions(of.set_field(oxm(15, b"\0\7")), of.output(2)), command=of.MODIFY)
    change = change[:4] + struct.pack("!I", 4711) + change[8:]
    a.send(change + message(BARRIER, xid=78))
    error = a.wait(ERROR)
    assert struct.unpack_from("!I", error, 4)[0] == 4711
    assert struct.unpack_from("!HH", error, 8)[0] == 2  # OFPET_BAD_ACTION
    assert change.startswith(error[12:]) and len(error) >= 12 + 64
    a.wait(BARRIER_REPLY, 78)
    assert count(a, port=1) == N + 1 and count(a, port=2) == 0


def test_the_one_who_asked_leaves(evsd, a):
    fill(a)
    leaver = Session(evsd.run_dir / "br0.mgmt")
    leaver.send(delete_all())
    leaver.close()
    wait_for(lambda: count(a) == 0, "the deletion goes on to its end")


def test_groups_and_meters_take_their_rules(a, b):
    a.send(delete_all())
    a.send(message(15, struct.pack("!HBxI", 0, 0, 5) + struct.pack("!HHIIxxxx", 16, 0, 0xFFFFFFFF, 0xFFFFFFFF)))
    a.send(message(29, struct.pack("!HHI", 0, 1, 6) + struct.pack("!HHIIxxxx", 1, 16, 1000, 0)))
    for i in range(0, 4000, 1000):
        a.send(b"".join(of.flow([*UDP, oxm(11, struct.pack("!I", k))], struct.pack("!HHI", of.METER, 8, 6) if k % 2 else of.actions(of.long(22, 5)))
                        for k in range(i, i + 1000)))
    a.barrier()
    assert a.errors == [] and count(a) == 4000
    a.send(message(15, struct.pack("!HBxI", 2, 0, 0xFFFFFFFC)))
    a.barrier()
    assert count(b) == 2000
    a.send(message(29, struct.pack("!HHI", 2, 0, 0xFFFFFFFF)))
    a.barrier()
    assert a.errors == [] and count(b) == 0


def test_replace_beside_a_controller(evsd, a):
    """Lists of 3,000 rules one after the other, while a controller deletes and adds: one of both was last, whole."""
    lines = [f"priority=7,udp,nw_src=10.1.{i >> 8}.{i & 255},actions=output:5" for i in range(3000)]
    errors, done = [], threading.Event()

    def controller():
        try:
            while not done.is_set():
                a.send(b"".join(of.flow([*UDP, oxm(11, struct.pack("!I", k))], of.actions(of.output(1))) for k in range(3000)))
                a.send(delete_all())
                a.barrier()
        except Exception as error:  # pylint: disable=broad-exception-caught
            errors.append(error)

    thread = threading.Thread(target=controller)
    thread.start()
    try:
        for _ in range(20):
            evsd.call("flow.replace", bridge="br0", flows=lines)
    finally:
        done.set()
        thread.join(60)
    assert errors == [] and a.errors == []
    evsd.call("flow.replace", bridge="br0", flows=lines)
    assert count(a) == count(a, port=5) == 3000


def active(session):
    """Rules of table 0, as its statistics say."""
    session.send(message(MULTIPART, struct.pack("!HHxxxx", TABLE, 0), 6))
    return struct.unpack_from("!I", session.wait(MULTIPART_REPLY, 6), 20)[0]


def test_nobody_sees_half_of_a_list(evsd, a, b):
    """Beside a list that takes the place of another, and one whose last line is refused."""
    a.send(delete_all())
    fill(a)
    lists = [[f"priority=7,udp,nw_src=10.{net}.{i >> 8}.{i & 255},actions=output:5" for i in range(n)] for net, n in ((1, 12000), (2, 9000))]
    refused = [*(line.replace("output:5", "output:6") for line in lists[0]), "priority=7,tcp,actions=group:77"]
    seen, done = set(), threading.Event()

    def changes():
        try:
            for _ in range(5):
                for lines in lists:
                    evsd.call("flow.replace", bridge="br0", flows=lines)
                with pytest.raises(RpcError):
                    evsd.call("flow.add", bridge="br0", flows=refused)
        finally:
            done.set()

    thread = threading.Thread(target=changes)
    thread.start()
    while not done.is_set():
        seen.add(active(b))
        assert count(b, port=6) == 0
    thread.join(60)
    assert seen <= {N, 12000, 9000} and active(b) == count(b, port=5) == 9000


def test_a_bridge_goes_in_the_middle(evsd, a):
    evsd.call("bridge.add", name="br9")
    session = Session(evsd.run_dir / "br9.mgmt")
    fill(session)
    session.send(delete_all())
    evsd.call("bridge.del", name="br9")
    with pytest.raises(ConnectionError):
        while True:
            session.message()
    assert count(a) >= 0


def test_a_bridge_goes_beside_a_change(evsd, a):
    """Its port takes a while to leave; a change of another bridge that has begun by then is ended first."""
    for _ in range(8):
        evsd.call("bridge.add", name="br9", internal=False)
        evsd.call("port.add", bridge="br9", name="p9", type="dpdk", devargs="net_null_9")
        fill(a)
        thread = threading.Thread(target=evsd.call, args=("bridge.del",), kwargs={"name": "br9"})
        thread.start()
        a.send(delete_all())
        thread.join(60)
        assert count(a) == 0
    assert [bridge["name"] for bridge in evsd.call("bridge.show")] == ["br0"]


def test_a_large_bridge_goes_in_turns(evsd, a):
    """The answers to echoes come while a bridge with very many rules is deleted."""
    def had_turns(n_rules):
        evsd.call("bridge.add", name="br9", internal=False)
        fill(Session(evsd.run_dir / "br9.mgmt"), n_rules)
        thread = threading.Thread(target=evsd.call, args=("bridge.del",), kwargs={"name": "br9"})
        thread.start()
        n = 0
        while thread.is_alive():
            a.send(message(ECHO_REQUEST, xid=n))
            a.wait(ECHO_REPLY, n)
            n += 1
        return n >= 8

    grow(had_turns)
