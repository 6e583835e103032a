# SPDX-License-Identifier: Apache-2.0
"""Groups, as the specification and test suites for switches want them: what is refused and how, what is told.

    w1, w2, w3 (tap, raw frames) ---- br0
"""
import struct

from evslib import ofraw as of
from evslib.ofctl import MULTIPART, MULTIPART_REPLY, message
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

GROUP_MOD, ANY, ALL_GROUPS = 15, 0xFFFFFFFF, 0xFFFFFFFC
ADD, MODIFY, DELETE = 0, 1, 2
ALL, SELECT, INDIRECT, FF = 0, 1, 2, 3
GROUP, GROUP_DESC = 6, 7
EXISTS, INVALID, LOOP, UNKNOWN, CHAINED, BAD_WATCH = ((6, code) for code in (0, 1, 7, 8, 9, 13))
FRAME = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1") / UDP() / bytes(40)


def bucket(*actions, weight=0, port=ANY, group=ANY):
    actions = b"".join(actions)
    return struct.pack("!HHIIxxxx", 16 + len(actions), weight, port, group) + actions


def mod(group_id, kind=ALL, *buckets, command=ADD):
    return message(GROUP_MOD, struct.pack("!HBxI", command, kind, group_id) + b"".join(buckets))


def refused(bench, message_):
    """The error that a message is answered with, or None."""
    bench.session.errors.clear()
    bench.session.send(message_)
    bench.session.barrier()
    return bench.session.errors[-1] if bench.session.errors else None


def stats(bench, kind, body=b""):
    got = bench.session.ask(MULTIPART, struct.pack("!HHxxxx", kind, 0) + body, MULTIPART_REPLY)
    return got[16:]


OUT2, OUT3 = of.output(2), of.output(3)


def test_desc_is_what_was_sent(bench):
    """To the byte: buckets that watch nothing, or have zeroes where they would watch."""
    bench.rules()
    for group_id, kind, buckets in [
            (0, ALL, [bucket(of.output(2, 0), port=0, group=0)]),
            (0xFFFFFF00, ALL, [bucket(of.output(2, 0xFFE5))]),
            (7, SELECT, [bucket(OUT2, weight=1), bucket(OUT3, weight=9, port=3)]),
            (8, INDIRECT, [bucket(OUT2)]),
            (9, FF, [bucket(OUT2, port=2), bucket(OUT3, group=7)])]:
        assert refused(bench, mod(group_id, kind, *buckets)) is None
        body = b"".join(buckets)
        want = struct.pack("!HBxI", 8 + len(body), kind, group_id) + body
        assert want in stats(bench, GROUP_DESC)
    assert refused(bench, mod(0, ALL, command=MODIFY)) is None
    assert struct.pack("!HBxI", 8, ALL, 0) in stats(bench, GROUP_DESC)


def test_refused(bench):
    bench.rules(mod(1, ALL, bucket(OUT2)))
    for want, bad in [
            (EXISTS, mod(1, ALL, bucket(OUT2))),
            (UNKNOWN, mod(2, ALL, bucket(OUT2), command=MODIFY)),
            (INVALID, mod(ALL_GROUPS, ALL, bucket(OUT2))),
            (INVALID, mod(0xFFFFFF01, ALL, bucket(OUT2))),
            (INVALID, mod(ALL_GROUPS, ALL, bucket(OUT2), command=MODIFY)),
            (INVALID, mod(2, ALL, bucket(OUT2, weight=1), bucket(OUT3, weight=2))),
            (INVALID, mod(2, INDIRECT, bucket(OUT2, weight=1))),
            (INVALID, mod(2, INDIRECT, bucket(OUT2), bucket(OUT3))),
            (INVALID, mod(2, INDIRECT)),
            (INVALID, mod(2, SELECT, bucket(OUT2), bucket(OUT3))),
            (BAD_WATCH, mod(2, FF, bucket(OUT2))),
            (BAD_WATCH, mod(2, FF, bucket(OUT2, group=2))),
            (BAD_WATCH, mod(2, SELECT, bucket(OUT2, weight=1, group=77))),
            ((2, 4), mod(2, ALL, bucket(of.output(ANY)))),
            ((2, 9), mod(2, ALL, bucket(of.long(22, 77)))),
            ((6, 10), mod(2, 9, bucket(OUT2))),
            ((6, 11), mod(2, ALL, command=9))]:
        assert refused(bench, bad) == want, bad.hex()
    assert refused(bench, mod(2, ALL, command=DELETE)) is None  # it was never there: no error


def test_chains(bench):
    """Loops are refused, and the deletion of a group that another one leads to (OFPGFC_CHAINING_CHECKS)."""
    to = lambda group: bucket(of.long(22, group))  # noqa: E731
    bench.rules(mod(1, ALL, bucket(OUT2)), mod(2, ALL, to(1)), mod(3, ALL, to(2)), of.flow([], of.actions(of.long(22, 3))))
    assert bench.through(FRAME) == (1, bytes(FRAME))
    assert refused(bench, mod(1, ALL, to(3), command=MODIFY)) == LOOP
    assert refused(bench, mod(1, ALL, to(1), command=MODIFY)) == LOOP
    assert refused(bench, mod(1, ALL, command=DELETE)) == CHAINED
    # What leads to a group counts: two rules or groups each, but for the last.
    counts = stats(bench, GROUP, struct.pack("!Ixxxx", 1))
    assert struct.unpack_from("!I", counts, 8)[0] == 1
    assert refused(bench, mod(3, ALL, bucket(OUT3), command=MODIFY)) is None
    assert bench.through(FRAME)[0] == 2
    assert refused(bench, mod(2, ALL, command=DELETE)) is None
    assert refused(bench, mod(1, ALL, command=DELETE)) is None
    # Whoever deletes all deletes the rules that name one.
    assert refused(bench, mod(ALL_GROUPS, ALL, command=DELETE)) is None
    assert stats(bench, 1, struct.pack("!BxxxIIxxxxQQHHxxxx", 255, ANY, ANY, 0, 0, 1, 4)) == b""


def test_select_without_watch(bench):
    """Zeroes where a bucket would watch, as some controllers leave them: there is no port 0."""
    bench.rules(mod(1, SELECT, bucket(OUT2, weight=1, port=0, group=0)), of.flow([], of.actions(of.long(22, 1))))
    assert bench.through(FRAME) == (1, bytes(FRAME))


def test_empty_select_keeps_the_packet(bench):
    bench.rules(mod(1, SELECT), of.flow([], of.actions(of.output(2), of.long(22, 1))))
    assert bench.through(FRAME) == (1, bytes(FRAME))


def test_counters(bench):
    """Of group and buckets; a bucket that changes the packet changes its copy only."""
    bench.rules(mod(1, ALL, bucket(of.plain(24), OUT2), bucket(OUT3)),
                of.flow([], of.actions(of.long(22, 1))))
    for _ in range(3):
        assert {bench.through(FRAME)[0], of.receive(bench.wires)[0]} == {1, 2}
    got = stats(bench, GROUP, struct.pack("!Ixxxx", 1))
    group, refs, packets, size = struct.unpack_from("!IIxxxxQQ", got, 4)
    assert (group, refs, packets, size) == (1, 1, 3, 3 * len(FRAME))
    assert struct.unpack_from("!QQQQ", got, 40) == (3, 3 * len(FRAME)) * 2
