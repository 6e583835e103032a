# SPDX-License-Identifier: Apache-2.0
"""The switch around the tables: packet-out to every port there is, port-mod, fail-over, weights, what rules leave behind.

    w1, w2, w3 (tap, raw frames) ---- br0 ---- its internal port
"""
import itertools
import json
import struct

from evslib import wait_for
from evslib import ofraw as of
from evslib.netns import sh
from evslib.ofctl import (ERROR, FLOW_MOD, FLOW_REMOVED, GET_CONFIG, GET_CONFIG_REPLY, MULTIPART, MULTIPART_REPLY, PACKET_IN, PORT_MOD,
                          PORT_STATUS, SET_CONFIG, Session, match, message, oxm)
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
FRAME = Ether(src=A, dst=B) / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / UDP(sport=1, dport=2) / bytes(range(40))
ANY, PACKET_OUT, GROUP_MOD, METER_MOD = 0xFFFFFFFF, 13, 15, 29
DOWN, NO_RECV, NO_FWD, NO_PACKET_IN = 0x01, 0x04, 0x20, 0x40


def packet_out(bench, *acts, in_port=of.CONTROLLER, frame=FRAME):
    acts = b"".join(acts)
    bench.session.send(message(PACKET_OUT, struct.pack("!IIHxxxxxx", ANY, in_port, len(acts)) + acts + bytes(frame)))


def outs(bench, n):
    """The wires at which n copies come out."""
    return sorted(of.receive(bench.wires)[0] for _ in range(n))


def nothing_more(bench):
    bench.session.barrier()
    assert bench.nothing() and bench.session.errors == []


def test_packet_out(bench):
    bench.rules(of.flow([oxm(0, struct.pack("!I", 1))], of.actions(of.output(3))),
                of.flow([oxm(0, struct.pack("!I", of.CONTROLLER))], of.actions(of.output(2))),
                message(GROUP_MOD, struct.pack("!HBxI", 0, 0, 5) + struct.pack("!HHIIxxxx", 32, 0, ANY, ANY) + of.output(1)))
    for acts, in_port, want in [
            ([of.output(2)], of.CONTROLLER, [1]),
            ([of.output(1), of.output(3)], of.CONTROLLER, [0, 2]),
            ([of.output(of.ALL)], of.CONTROLLER, [0, 1, 2]),
            ([of.output(of.ALL)], 2, [0, 2]),
            ([of.output(of.FLOOD)], 1, [1, 2]),
            ([of.output(of.NORMAL)], of.CONTROLLER, [0, 1, 2]),
            ([of.output(of.IN_PORT)], 3, [2]),
            ([of.output(3)], 3, []),  # only IN_PORT sends back
            ([of.output(of.TABLE)], 1, [2]),
            ([of.output(of.TABLE)], of.CONTROLLER, [1]),
            ([of.output(of.LOCAL)], 1, []),  # there is none
            ([of.long(22, 5)], of.CONTROLLER, [0])]:
        bench.evsd.call("fdb.flush", bridge="br0")
        packet_out(bench, *acts, in_port=in_port)
        assert outs(bench, len(want)) == want, (acts, in_port)
        nothing_more(bench)
    # What goes through the tables counts there.
    body = struct.pack("!HHxxxxBxxxIIxxxxQQ", 1, 0, 0, 3, ANY, 0, 0) + match()
    assert struct.unpack_from("!QQ", bench.session.ask(MULTIPART, body, MULTIPART_REPLY), 16 + 32) == (1, len(FRAME))
    # To the controller: it is told why, and where from.
    packet_out(bench, of.output(of.CONTROLLER, 20), in_port=2)
    got = bench.told(PACKET_IN)
    assert got.endswith(b"\0\0" + bytes(FRAME)[:20]) and struct.unpack_from("!HB", got, 12) == (len(FRAME), 1)
    assert oxm(0, struct.pack("!I", 2)) in got
    # Edits happen in order, to what follows.
    packet_out(bench, of.output(1), of.plain(24), of.output(2))
    got = dict(of.receive(bench.wires) for _ in range(2))
    assert got[0][22] == 9 and got[1][22] == 8


def test_packets_are_kept(bench):
    """A packet-in that tells the beginning of a packet names the rest, for a packet-out or a flow-mod, once."""
    bench.rules(of.flow([], of.actions(of.output(of.CONTROLLER, 30)), priority=0))

    def packet_in(frame):
        bench.wires[0].send(frame)
        got = bench.told(PACKET_IN)
        buffer_id, total = struct.unpack_from("!IH", got, 8)
        return buffer_id, total, got[got.index(b"\0\0" + bytes(frame)[:14]) + 2:]

    def send(buffer_id, *acts, rule=False, command=0):
        acts = b"".join(acts)
        body = struct.pack("!IIHxxxxxx", buffer_id, 1, len(acts)) + acts
        if rule:
            body = struct.pack("!QQBBHHHIIIHxx", 0, 0, 0, command, 0, 0, 5, buffer_id, ANY, ANY, 0) + match() + of.actions(acts)
        bench.session.errors.clear()
        bench.session.send(message(FLOW_MOD if rule else PACKET_OUT, body))
        bench.session.barrier()
        return bench.session.errors[-1] if bench.session.errors else None
    frames = [bytes(FRAME) + bytes([i]) for i in range(5)]
    told = [packet_in(frame) for frame in frames]
    assert [(total, data) for _, total, data in told] == [(len(frame), frame[:30]) for frame in frames]
    ids = [buffer_id for buffer_id, _, _ in told]
    assert ANY not in ids and len(set(ids)) == 5
    assert send(ids[2], of.output(2)) is None and of.receive(bench.wires) == (1, frames[2])
    assert send(ids[0], of.output(3)) is None and of.receive(bench.wires) == (2, frames[0])
    assert send(ids[0], of.output(3)) == (1, 7)  # empty
    assert send(ids[4] + 1, of.output(3)) == (1, 8)  # unknown
    assert send(ids[1]) is None  # dropped: no action
    assert send(ids[1], of.output(3)) == (1, 7)
    # With a flow-mod it goes through the tables as they are then; not with one that deletes.
    assert send(ids[3], of.output(2), rule=True, command=4) is None
    assert send(ids[3], of.output(2), rule=True) is None and of.receive(bench.wires) == (1, frames[3])
    assert send(ids[3], of.output(3), rule=True) == (1, 7)
    assert bench.through(FRAME)[0] == 2  # but the rule is there
    # What fits is told whole and not kept, and so is what finds no place.
    bench.rules(of.flow([], of.actions(of.output(of.CONTROLLER, 200)), priority=0))
    assert packet_in(frames[0]) == (ANY, len(frames[0]), frames[0])
    bench.rules(of.flow([], of.actions(of.output(of.CONTROLLER, 0)), priority=0))
    got = []
    other = Session(bench.evsd.run_dir / "br0.mgmt")
    other.send(message(SET_CONFIG, struct.pack("!HH", 0, 128)))
    other.barrier()
    while len(got) < 300 and (not got or got[-1][0] != ANY):  # places are given anew after some seconds
        bench.wires[0].send(frames[1])
        message_ = other.wait(PACKET_IN)
        got.append((struct.unpack_from("!I", message_, 8)[0], message_.endswith(b"\0\0" + frames[1])))
    assert all(whole == (buffer_id == ANY) for buffer_id, whole in got)
    assert struct.unpack_from("!I", bench.session.ask(5, b"", 6), 16)[0] == 256
    other.close()
    bench.session.close()
    bench.session = Session(bench.evsd.run_dir / "br0.mgmt")  # with places of its own
    bench.session.send(message(SET_CONFIG, struct.pack("!HH", 0, 0xFFFF)))
    nothing_more(bench)


def test_packet_out_refused(bench):
    bench.rules()
    for acts, in_port, error in [([of.output(ANY)], of.CONTROLLER, (2, 4)), ([of.output(0)], of.CONTROLLER, (2, 4)),
                                 ([of.long(22, 77)], of.CONTROLLER, (2, 9)), ([of.output(1)], 99, (1, 11)),
                                 ([struct.pack("!HHI", 99, 8, 0)], of.CONTROLLER, (2, 0))]:
        packet_out(bench, *acts, in_port=in_port)
        assert struct.unpack_from("!HH", bench.session.wait(ERROR), 8) == error


def desc(bench, port):
    got = bench.session.ask(MULTIPART, struct.pack("!HHxxxx", 13, 0), MULTIPART_REPLY)[16:]
    return next(row for row in (got[i:i + 64] for i in range(0, len(got), 64)) if struct.unpack_from("!I", row)[0] == port)


def port_mod(bench, port, config, mask, hw=None):
    hw = hw or desc(bench, port)[8:14]
    bench.session.errors.clear()
    bench.session.send(message(PORT_MOD, struct.pack("!Ixxxx6sxxIIIxxxx", port, hw, config, mask, 0)))
    bench.session.barrier()
    return bench.session.errors[-1] if bench.session.errors else None


def test_port_mod(bench):
    numbers = itertools.count()
    to2, to3 = of.actions(of.output(2)), of.actions(of.output(3))
    bench.rules(of.flow([oxm(0, struct.pack("!I", 1))], to2), of.flow([oxm(0, struct.pack("!I", 2))], to3),
                of.flow([], of.actions(of.output(of.CONTROLLER)), priority=0))
    assert port_mod(bench, 77, 0, DOWN, hw=bytes(6)) == (7, 0)
    assert port_mod(bench, 1, 0, DOWN, hw=bytes(6)) == (7, 1)
    assert port_mod(bench, 1, 0x100, 0x100) == (7, 2)
    for config, port, sent, comes in [(NO_RECV, 1, 0, None), (NO_RECV, 2, 0, 1), (NO_FWD, 2, 0, None), (NO_FWD, 1, 0, 1),
                                      (DOWN, 2, 0, None), (DOWN, 1, 0, None), (NO_PACKET_IN, 1, 0, 1)]:
        assert bench.through(FRAME, wire=sent)[0] == 1
        bench.session.others.clear()
        assert port_mod(bench, port, config, 0xFF & config) is None
        told = [got[8:9] + got[16:20] + got[48:52] for got in bench.session.others if got[1] == PORT_STATUS]
        assert struct.pack("!BII", 2, port, config) in told
        assert struct.unpack_from("!I", desc(bench, port), 32)[0] == config
        if comes is None:
            bench.wires[sent].send(FRAME)
            assert of.receive(bench.wires, 0.1) == (None, None), (config, port)
        else:
            assert bench.through(FRAME, wire=sent)[0] == comes, (config, port)
        assert port_mod(bench, port, 0, config) is None

        def passes():  # a link that was taken down needs a moment; what it lost is lost
            frame = bytes(FRAME) + struct.pack("!I", next(numbers))
            bench.wires[sent].send(frame)
            at = got = 0
            while at is not None and got != frame:  # what comes before it is of earlier tries
                at, got = of.receive(bench.wires, 0.2)
            return at == 1
        wait_for(passes, "packets pass again")
        bench.recount()
    # No packet-ins of table-miss from a port that is told so.
    bench.session.others.clear()
    bench.wires[2].send(FRAME)
    assert oxm(0, struct.pack("!I", 3)) in bench.told(PACKET_IN)
    assert port_mod(bench, 3, NO_PACKET_IN, NO_PACKET_IN) is None
    bench.wires[2].send(FRAME)
    assert bench.through(FRAME)[0] == 1
    bench.session.barrier()
    assert not [got for got in bench.session.others if got[1] == PACKET_IN]
    assert port_mod(bench, 3, 0, NO_PACKET_IN) is None


def test_miss_send_len(bench):
    """How much of a packet is told that no action asks for: one whose TTL ran out."""
    bench.rules(of.flow([oxm(5, b"\x08\0")], of.actions(of.plain(24), of.output(2))))
    dying = FRAME.copy()
    dying[IP].ttl = 1
    del dying[IP].chksum
    for size in (20, 0xFFFF):
        bench.session.send(message(SET_CONFIG, struct.pack("!HH", 0, size)))
        got = bench.session.ask(GET_CONFIG, b"", GET_CONFIG_REPLY)
        assert struct.unpack_from("!HH", got, 8) == (0, size)
        bench.wires[0].send(dying)
        got = bench.told(PACKET_IN)
        assert got[14] == 2 and got.endswith(b"\0\0" + bytes(dying)[:size])


def group(group_id, kind, *buckets):
    body = b""
    for weight, port, out in buckets:
        body += struct.pack("!HHIIxxxx", 32, weight, port, ANY) + of.output(out)
    return message(GROUP_MOD, struct.pack("!HBxI", 0, kind, group_id) + body)


def test_fast_failover_by_link(bench):
    """The far end of a wire goes down: packets take the next, without a word of the controller; and come back."""
    lab = bench.lab
    guest, iface = lab.veth_guest(bench.evsd, "v4", quiet=True)
    try:
        wires = [*bench.wires, of.Wire(guest, iface)]
        bench.rules(group(1, 3, (0, 4, 4), (0, 3, 3)), of.flow([], of.actions(of.long(22, 1))))

        def goes_to():
            for wire in wires[1:]:
                wire.drain()
            wires[0].send(FRAME)
            return of.receive(wires)[0]
        assert goes_to() == 3
        for state, where in (("down", 2), ("up", 3), ("down", 2), ("up", 3)):
            sh(*guest.argv("ip", "link", "set", iface, state))
            wait_for(lambda: struct.unpack_from("!I", desc(bench, 4), 36)[0] == (1 if state == "down" else 4),
                     "the link is told")
            assert goes_to() == where
    finally:
        bench.evsd.call("port.del", name="v4")


def test_select_weights(bench):
    """Ten thousand flows over buckets of weight 1 to 4: each has its share within 2 % of all."""
    weights, n = (1, 2, 3, 4), 10000
    bench.rules(group(1, 1, *[(weight, ANY, 2 + i % 2) for i, weight in enumerate(weights)]),
                of.flow([], of.actions(of.long(22, 1))))
    frame = bytearray(bytes(FRAME))

    def buckets():
        got = bench.session.ask(MULTIPART, struct.pack("!HHxxxx", 6, 0) + struct.pack("!Ixxxx", 1), MULTIPART_REPLY)[16:]
        return [struct.unpack_from("!Q", got, 40 + 16 * i)[0] for i in range(4)]
    for i in range(0, n, 50):
        for k in range(i, i + 50):
            frame[34:38] = struct.pack("!HH", k, 7 * k & 0xFFFF)
            bench.wires[0].send(frame)
        wait_for(lambda: sum(buckets()) >= i + 50, "they have passed")
        for wire in bench.wires:
            wire.drain()
    counts = buckets()
    assert sum(counts) == n
    for weight, count in zip(weights, counts):
        assert abs(count / n - weight / 10) < 0.02, counts


def removed(bench, n):
    """{cookie: (priority, reason, table, idle, hard, packets, bytes, match)} of n messages."""
    told = {}
    while len(told) < n:
        got = bench.told(FLOW_REMOVED)
        cookie, priority, reason, table, _, _, idle, hard, packets, size = struct.unpack_from("!QHBBIIHHQQ", got, 8)
        told[cookie] = (priority, reason, table, idle, hard, packets, size, got[48:])
    return told


def test_flow_removed(bench):
    """Told of whatever way a rule ends, with final counters, when the rule asked for it."""
    drop = message(METER_MOD, struct.pack("!HHI", 0, 1, 9) + struct.pack("!HHIIxxxx", 1, 16, 10 ** 6, 0))
    port = lambda n: oxm(0, struct.pack("!I", n))  # noqa: E731
    bench.rules(drop, group(5, 0, (0, ANY, 2)),
                of.flow([port(1)], of.goto(3), flags=1, cookie=1, priority=7),
                of.flow([], struct.pack("!HHI", of.METER, 8, 9), of.actions(of.output(2)), table=3, flags=1, cookie=2),
                of.flow([port(2)], of.actions(of.long(22, 5)), flags=1, cookie=3),
                of.flow([port(3)], of.actions(of.output(1)), cookie=5, table=9))
    for _ in range(3):
        assert bench.through(FRAME)[0] == 1
    size = len(FRAME)
    told = {}
    while not told:
        bench.session.send(of.flow([port(3)], of.actions(of.output(1)), flags=1, cookie=4, hard=1, idle=5))
        bench.session.barrier()
        if bench.passed(FRAME, 1, wire=2):
            told = removed(bench, 1)
        else:  # the machine stood still for a second before the packet was sent
            assert removed(bench, 1)[4][5] == 0
    assert told == {4: (10, 1, 0, 5, 1, 1, size, match(port(3)))}
    bench.session.send(message(METER_MOD, struct.pack("!HHI", 2, 0, 9)) +
                       message(GROUP_MOD, struct.pack("!HBxI", 2, 0, 5)) +
                       of.flow([port(1)], command=of.DELETE))
    assert removed(bench, 3) == {
        1: (7, 2, 0, 0, 0, 3, 3 * size, match(port(1))),
        2: (10, 2, 3, 0, 0, 3, 3 * size, match()),
        3: (10, 3, 0, 0, 0, 0, 0, match(port(2)))}
    # A rule that is replaced or changed does not end.
    bench.session.send(of.flow([port(1)], of.actions(of.output(2)), flags=1, cookie=6) +
                       of.flow([port(1)], of.actions(of.output(3)), flags=1, cookie=7) +
                       of.flow([port(1)], of.actions(of.output(2)), command=of.MODIFY, cookie=8))
    bench.session.barrier()
    assert bench.through(FRAME)[0] == 1
    bench.session.send(of.flow([], command=of.DELETE, table=255))
    assert removed(bench, 1) == {7: (10, 2, 0, 0, 0, 1, size, match(port(1)))}
    bench.session.barrier()
    assert not [got for got in bench.session.others if got[1] == FLOW_REMOVED]


def test_counts_of_flows_that_were_replaced(bench):
    """Unless asked to reset, a rule that takes another's place counts on; its age begins anew."""
    rule = lambda out, **kw: of.flow([], of.actions(of.output(out)), **kw)  # noqa: E731

    def counters():
        body = struct.pack("!HHxxxxBxxxIIxxxxQQ", 1, 0, 0, ANY, ANY, 0, 0) + match()
        got = bench.session.ask(MULTIPART, body, MULTIPART_REPLY)[16:]
        return struct.unpack_from("!QQ", got, 32)
    bench.rules(rule(2))
    bench.through(FRAME)
    bench.through(FRAME)
    bench.session.send(rule(3))
    bench.session.barrier()
    assert counters() == (2, 2 * len(FRAME))
    assert bench.through(FRAME)[0] == 2
    assert counters() == (3, 3 * len(FRAME))
    bench.session.send(rule(2, command=of.MODIFY))
    bench.session.barrier()
    assert counters() == (3, 3 * len(FRAME))
    bench.session.send(rule(2, command=of.MODIFY, flags=4))
    bench.session.barrier()
    assert counters() == (0, 0)
    assert bench.through(FRAME)[0] == 1
    bench.session.send(rule(2, flags=4))
    bench.session.barrier()
    assert counters() == (0, 0)


def test_meter_counts(bench):
    """Of a meter and its bands, to the packet: a burst of ten passes, the rest exceeds the band."""
    meter = message(METER_MOD, struct.pack("!HHI", 0, 2 | 4 | 8, 1) + struct.pack("!HHIIxxxx", 1, 16, 1, 10))
    bench.session.send(message(METER_MOD, struct.pack("!HHI", 2, 0, ANY)))
    bench.rules(meter, of.flow([], struct.pack("!HHI", of.METER, 8, 1), of.actions(of.output(2))))
    n = 60
    passed = bench.passed(FRAME, n)

    def stats():
        got = bench.session.ask(MULTIPART, struct.pack("!HHxxxx", 9, 0) + struct.pack("!Ixxxx", 1), MULTIPART_REPLY)[16:]
        flows, packets, size, sec, nsec = struct.unpack_from("!IQQII", got, 12)
        return flows, packets, size, sec + nsec / 1e9, *struct.unpack_from("!QQ", got, 40)
    flows, packets, size, age, dropped, dropped_size = stats()
    assert (flows, packets, size) == (1, n, n * len(FRAME)) and dropped == n - passed and dropped_size == dropped * len(FRAME)
    assert 10 <= passed <= 10 + age + 1
    features = bench.session.ask(MULTIPART, struct.pack("!HHxxxx", 11, 0), MULTIPART_REPLY)[16:]
    _, bands, capabilities, max_bands = struct.unpack_from("!IIIB", features)
    assert bands == 0b110 and capabilities == 0xF and max_bands > 0


def test_group_features(bench):
    got = bench.session.ask(MULTIPART, struct.pack("!HHxxxx", 8, 0), MULTIPART_REPLY)[16:]
    types, capabilities, *rest = struct.unpack("!II8I", got)
    assert types == 0xF and capabilities == 0xF and all(n > 1000 for n in rest[:4])
    # Numbers of 1.3.5: output, TTLs, VLAN, MPLS, queue, group, set-field, PBB.
    want = sum(1 << n for n in (0, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27))
    assert rest[4:] == [want] * 4


def test_told_by_json_too(bench):
    """What controllers do is what scripts see."""
    bench.rules(of.flow([], of.actions(of.output(2)), cookie=0x77))
    assert bench.through(FRAME)[0] == 1
    (row,) = bench.evsd.call("flow.dump", bridge="br0")
    assert row["pkts"] == 1 and "77" in json.dumps(row)
    bench.evsd.check_accounts()
