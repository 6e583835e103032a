# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a message is refused by the type and code that the specification names, and changes nothing.

    session ---- br0.mgmt
"""
import struct

import pytest
from evslib import Lab
from evslib import ofraw as of
from evslib.ofctl import ERROR, FLOW_MOD, MULTIPART, NO_BUFFER, PORT_MOD, ROLE, SET_CONFIG, Session, match, message, oxm

ANY = 0xFFFFFFFF
PACKET_OUT, GROUP_MOD, TABLE_MOD, QUEUE_CONFIG, SET_ASYNC, METER_MOD = 13, 15, 17, 22, 28, 29
# Types of errors (section 7.5.4).
REQUEST, ACTION, INSTRUCTION, MATCH, FLOW, GROUP, PORT, TABLE, QUEUE, CONFIG, ROLE_FAILED, METER, FEATURES = range(1, 14)
IP4, IP6, ARP, MPLS, PBB = (oxm(5, value) for value in (b"\x08\0", b"\x86\xdd", b"\x08\x06", b"\x88\x47", b"\x88\xe7"))
TCP, UDP, SCTP, ICMP, ICMP6 = (oxm(10, bytes([value])) for value in (6, 17, 132, 1, 58))
TAGGED = oxm(6, b"\x10\0", b"\x10\0")


def be(size, value):
    return value.to_bytes(size, "big")


def flow_mod(fields=b"", insts=b"", table=0, command=0, flags=0, buffer_id=NO_BUFFER, raw_match=None):
    body = struct.pack("!QQBBHHHIIIHxx", 0, 0, table, command, 0, 0, 10, buffer_id, ANY, ANY, flags)
    return message(FLOW_MOD, body + (match(fields) if raw_match is None else raw_match) + insts)


def oxm_raw(oxm_class, field, has_mask, payload, size=None):
    return struct.pack("!HBB", oxm_class, field << 1 | has_mask, len(payload) if size is None else size) + payload


def fields_of(*fields):
    return flow_mod(b"".join(fields))


# What a field needs before it, its size in bytes, and whether the specification lets it be masked.
OUT_OF_PLACE = {7: 1, 8: 1, 9: 1, 10: 1, 11: 4, 12: 4, 13: 2, 14: 2, 15: 2, 16: 2, 17: 2, 18: 2, 19: 1, 20: 1, 21: 2, 22: 4,
                23: 4, 24: 6, 25: 6, 26: 16, 27: 16, 28: 4, 29: 1, 30: 1, 31: 16, 32: 6, 33: 6, 34: 4, 35: 1, 36: 1, 37: 3,
                39: 2, 1: 4}
UNMASKED = {0: ([], 4), 5: ([], 2), 7: ([TAGGED], 1), 8: ([IP4], 1), 9: ([IP4], 1), 10: ([IP4], 1), 19: ([IP4, ICMP], 1),
            20: ([IP4, ICMP], 1), 21: ([ARP], 2), 29: ([IP6, ICMP6], 1), 30: ([IP6, ICMP6], 1), 34: ([MPLS], 4),
            35: ([MPLS], 1), 36: ([MPLS], 1)}
BAD_MATCH = [
    *[(f"prerequisite of {number}", fields_of(oxm(number, bytes(size))), (MATCH, 9)) for number, size in OUT_OF_PLACE.items()],
    *[(f"mask of {number}", fields_of(*before, oxm(number, bytes(size), b"\xff" * size)), (MATCH, 8))
      for number, (before, size) in UNMASKED.items()],
    ("prerequisite: tcp for udp_dst", fields_of(IP4, TCP, oxm(16, b"\0\1")), (MATCH, 9)),
    ("prerequisite: icmp of v4 for v6", fields_of(IP4, ICMP, oxm(29, b"\1")), (MATCH, 9)),
    ("prerequisite: icmpv6 of v4", fields_of(IP4, ICMP6, oxm(29, b"\1")), (MATCH, 9)),
    ("prerequisite: nd type", fields_of(IP6, ICMP6, oxm(29, b"\x88"), oxm(32, bytes(6))), (MATCH, 9)),
    ("prerequisite: nd type 2", fields_of(IP6, ICMP6, oxm(29, b"\x87"), oxm(33, bytes(6))), (MATCH, 9)),
    ("prerequisite: behind", fields_of(oxm(11, bytes(4)), IP4), (MATCH, 9)),
    ("prerequisite: no tag", fields_of(oxm(6, b"\0\0"), oxm(7, b"\1")), (MATCH, 9)),
    ("twice", fields_of(IP4, IP4), (MATCH, 10)),
    ("twice, masked", fields_of(oxm(3, bytes(6)), oxm(3, bytes(6), bytes(6))), (MATCH, 10)),
    ("unknown field", fields_of(oxm_raw(0x8000, 77, 0, b"\0\0")), (MATCH, 6)),
    ("unknown class", fields_of(oxm_raw(0x7777, 1, 0, b"\0\0")), (MATCH, 6)),
    ("unknown experimenter", fields_of(oxm_raw(0xFFFF, 1, 0, b"\0\0\1\2\0\0")), (MATCH, 6)),
    ("short value", fields_of(oxm_raw(0x8000, 5, 0, b"\x08")), (MATCH, 1)),
    ("long value", fields_of(oxm_raw(0x8000, 5, 0, b"\0\x08\0")), (MATCH, 1)),
    ("mask of another length", fields_of(oxm_raw(0x8000, 3, 1, bytes(8))), (MATCH, 1)),
    ("beyond the match", fields_of(oxm_raw(0x8000, 5, 0, b"\x08\0", size=20)), (MATCH, 1)),
    ("half a header", flow_mod(raw_match=struct.pack("!HHHBB", 1, 6, 0x8000, 0, 0)), (MATCH, 1)),
    ("match too short", flow_mod(raw_match=struct.pack("!HHxxxx", 1, 3)), (MATCH, 1)),
    ("match beyond the message", flow_mod(raw_match=struct.pack("!HHxxxx", 1, 400)), (MATCH, 1)),
    ("match of OpenFlow 1.1", flow_mod(raw_match=struct.pack("!HH", 0, 88) + bytes(84)), (MATCH, 0)),
    ("match of no type", flow_mod(raw_match=struct.pack("!HHxxxx", 9, 4)), (MATCH, 0)),
    ("value outside the mask", fields_of(oxm(3, b"\1" * 6, b"\xf0" * 6)), (MATCH, 5)),
    ("address outside the mask", fields_of(IP4, oxm(11, b"\x0a\0\0\1", b"\xff\xff\xff\0")), (MATCH, 5)),
    ("vid without its present bit", fields_of(oxm(6, b"\0\5")), (MATCH, 7)),
    ("vid of 14 bits", fields_of(oxm(6, b"\x30\5")), (MATCH, 7)),
    ("pcp of 4 bits", fields_of(TAGGED, oxm(7, b"\x08")), (MATCH, 7)),
    ("dscp of 7 bits", fields_of(IP4, oxm(8, b"\x40")), (MATCH, 7)),
    ("ecn of 3 bits", fields_of(IP4, oxm(9, b"\x04")), (MATCH, 7)),
    ("flow label of 21 bits", fields_of(IP6, oxm(28, b"\0\x10\0\0")), (MATCH, 7)),
    ("label of 21 bits", fields_of(MPLS, oxm(34, b"\0\x10\0\0")), (MATCH, 7)),
    ("tc of 4 bits", fields_of(MPLS, oxm(35, b"\x08")), (MATCH, 7)),
    ("bos of 2 bits", fields_of(MPLS, oxm(36, b"\x02")), (MATCH, 7)),
    ("exthdr of 10 bits", fields_of(IP6, oxm(39, b"\2\0")), (MATCH, 7)),
    ("flow label, mask of 21 bits", fields_of(IP6, oxm(28, bytes(4), b"\0\x10\0\0")), (MATCH, 8)),
]


def apply(*acts, fields=b"", kind=of.APPLY):
    return flow_mod(fields, of.actions(*acts, kind=kind))


def action_raw(kind, size, body=b""):
    return struct.pack("!HH", kind, size) + body


def sets(*field):
    return of.set_field(oxm(*field))


NO_HEADER = [
    *[(f"set_field {number} of anything", apply(sets(number, bytes(size))), (ACTION, 10))
      for number, size in OUT_OF_PLACE.items() if number not in (1, 39)],
    ("set_field vlan_vid, no tag", apply(sets(6, b"\x10\1")), (ACTION, 10)),
    ("set_field udp of tcp", apply(sets(15, b"\0\1"), fields=IP4 + TCP), (ACTION, 10)),
    ("pop_vlan", apply(of.plain(18)), (ACTION, 10)),
    ("pop_vlan of none", apply(of.plain(18), fields=oxm(6, b"\0\0")), (ACTION, 10)),
    ("pop_mpls", apply(of.short(20, 0x800), fields=IP4), (ACTION, 10)),
    ("pop_pbb", apply(of.plain(27)), (ACTION, 10)),
    ("dec_nw_ttl", apply(of.plain(24)), (ACTION, 10)),
    ("dec_nw_ttl under mpls", apply(of.plain(24), fields=MPLS), (ACTION, 10)),
    ("dec_mpls_ttl", apply(of.plain(16), fields=IP4), (ACTION, 10)),
    ("set_nw_ttl", apply(of.ttl(23, 9), fields=ARP), (ACTION, 10)),
    ("set_mpls_ttl", apply(of.ttl(15, 9)), (ACTION, 10)),
    ("ip hidden by a label", apply(of.short(19, 0x8847), sets(11, bytes(4)), fields=IP4), (ACTION, 10)),
    ("in write_actions", apply(sets(11, bytes(4)), kind=of.WRITE), (ACTION, 10)),
]
BAD_ACTION = [
    *NO_HEADER,
    ("unknown type", apply(struct.pack("!HHxxxx", 1, 8)), (ACTION, 0)),
    ("experimenter", apply(struct.pack("!HHI", 0xFFFF, 8, 0x1234)), (ACTION, 2)),
    ("nicira, unknown subtype", apply(struct.pack("!HHIHxxxxxx", 0xFFFF, 16, 0x2320, 999)), (ACTION, 3)),
    ("length 0", apply(struct.pack("!HHxxxx", 24, 0)), (ACTION, 1)),
    ("length of no 8", apply(struct.pack("!HHxxxx", 24, 4)), (ACTION, 1)),
    ("length of output", apply(struct.pack("!HHI", 0, 8, 1)), (ACTION, 1)),
    ("beyond its list", apply(struct.pack("!HHxxxx", 24, 16)), (ACTION, 1)),
    ("output to ANY", apply(of.output(ANY)), (ACTION, 4)),
    ("output to 0", apply(of.output(0)), (ACTION, 4)),
    ("output beyond MAX", apply(of.output(0xFFFFFF01)), (ACTION, 4)),
    ("output to TABLE", apply(of.output(of.TABLE)), (ACTION, 4)),
    ("group that is not there", apply(of.long(22, 4711)), (ACTION, 9)),
    ("group ANY", apply(of.long(22, ANY)), (ACTION, 9)),
    ("queue ALL", apply(of.long(21, ANY)), (ACTION, 8)),
    ("push_vlan 0x800", apply(of.short(17, 0x800)), (ACTION, 5)),
    ("push_mpls 0x8100", apply(of.short(19, 0x8100)), (ACTION, 5)),
    ("push_pbb 0x8847", apply(of.short(26, 0x8847)), (ACTION, 5)),
    ("set_field in_port", apply(sets(0, be(4, 1))), (ACTION, 13)),
    ("set_field in_phy_port", apply(sets(1, be(4, 1))), (ACTION, 13)),
    ("set_field metadata", apply(sets(2, bytes(8))), (ACTION, 13)),
    ("set_field exthdr", apply(sets(39, b"\0\1"), fields=IP6), (ACTION, 13)),
    ("set_field unknown", apply(of.set_field(oxm_raw(0x8000, 77, 0, b"\0\0"))), (ACTION, 13)),
    ("set_field masked", apply(sets(3, bytes(6), bytes(6))), (ACTION, 13)),
    ("set_field short", apply(of.set_field(oxm_raw(0x8000, 3, 0, bytes(5)))), (ACTION, 14)),
    ("set_field beyond", apply(of.set_field(oxm_raw(0x8000, 3, 0, bytes(6), size=40))), (ACTION, 14)),
    ("set_field pcp 8", apply(sets(7, b"\x08"), fields=TAGGED), (ACTION, 15)),
    ("set_field dscp 64", apply(sets(8, b"\x40"), fields=IP4), (ACTION, 15)),
    ("set_field label of 21 bits", apply(sets(34, b"\0\x10\0\0"), fields=MPLS), (ACTION, 15)),
    ("set_field vid of 14 bits", apply(sets(6, b"\x30\0"), fields=TAGGED), (ACTION, 15)),
]
INST = "!HHxxxx"
BAD_INSTRUCTION = [
    ("unknown", flow_mod(insts=struct.pack(INST, 77, 8)), (INSTRUCTION, 0)),
    ("type 0", flow_mod(insts=struct.pack(INST, 0, 8)), (INSTRUCTION, 0)),
    ("experimenter", flow_mod(insts=struct.pack("!HHI", 0xFFFF, 8, 0x1234)), (INSTRUCTION, 5)),
    ("length 0", flow_mod(insts=struct.pack(INST, 1, 0)), (INSTRUCTION, 7)),
    ("length 4", flow_mod(insts=struct.pack(INST, 5, 4)), (INSTRUCTION, 7)),
    ("goto of 16", flow_mod(insts=struct.pack(INST + "8x", 1, 16)), (INSTRUCTION, 7)),
    ("beyond the message", flow_mod(insts=struct.pack(INST, 4, 800)), (INSTRUCTION, 7)),
    ("cut off", flow_mod(insts=b"\0\1\0"), (INSTRUCTION, 7)),
    ("twice", flow_mod(insts=of.goto(3) + of.goto(4)), (INSTRUCTION, 9)),
    ("apply twice", flow_mod(insts=2 * of.actions(of.output(1))), (INSTRUCTION, 9)),
    ("goto itself", flow_mod(insts=of.goto(5), table=5), (INSTRUCTION, 2)),
    ("goto back", flow_mod(insts=of.goto(4), table=5), (INSTRUCTION, 2)),
    ("goto 254", flow_mod(insts=of.goto(254)), (INSTRUCTION, 2)),
    ("goto 255", flow_mod(insts=of.goto(255)), (INSTRUCTION, 2)),
    ("meter 0", flow_mod(insts=struct.pack("!HHI", 6, 8, 0)), (METER, 2)),
    ("meter beyond MAX", flow_mod(insts=struct.pack("!HHI", 6, 8, 0xFFFF0001)), (METER, 2)),
    ("meter that is not there", flow_mod(insts=struct.pack("!HHI", 6, 8, 4711)), (METER, 2)),
]
BAD_FLOW = [
    ("command", flow_mod(command=5), (FLOW, 6)),
    ("flags", flow_mod(flags=0x20), (FLOW, 7)),
    ("table ALL", flow_mod(table=255), (FLOW, 2)),
    ("modify in ALL", flow_mod(table=255, command=1), (FLOW, 2)),
    ("table 254", flow_mod(table=254), (FLOW, 2)),
    ("delete in 254", flow_mod(table=254, command=3), (FLOW, 2)),
    ("overlap", flow_mod(oxm(3, bytes(6))) + flow_mod(oxm(4, bytes(6)), flags=2), (FLOW, 3)),
    ("overlap with itself", flow_mod(IP4) + flow_mod(IP4, flags=2), (FLOW, 3)),
    ("short", message(FLOW_MOD, bytes(20)), (REQUEST, 6)),
    ("buffer", flow_mod(buffer_id=77), (REQUEST, 8)),
]


def group(group_id, kind, *buckets, command=0):
    return message(GROUP_MOD, struct.pack("!HBxI", command, kind, group_id) + b"".join(buckets))


def bucket(acts, size=None):
    return struct.pack("!HHIIxxxx", 16 + len(acts) if size is None else size, 0, ANY, ANY) + acts


BAD_GROUP = [
    ("action in a bucket", group(9, 0, bucket(struct.pack(INST, 1, 8))), (ACTION, 0)),
    ("length of a bucket", group(9, 0, bucket(b"", size=8)), (GROUP, 12)),
    ("bucket beyond", group(9, 0, bucket(b"", size=64)), (GROUP, 12)),
    ("type", group(9, 4), (GROUP, 10)),
    ("command", group(9, 0, command=3), (GROUP, 11)),
    ("itself", group(9, 0, bucket(of.long(22, 9))), (GROUP, 7)),
    ("delete ANY", group(ANY, 0, command=2), (GROUP, 1)),
    ("short", message(GROUP_MOD, bytes(4)), (REQUEST, 6)),
]


def meter(meter_id=9, flags=1, command=0, bands=struct.pack("!HHIIxxxx", 1, 16, 1000, 0)):
    return message(METER_MOD, struct.pack("!HHI", command, flags, meter_id) + bands)


def band(kind=1, size=16, rate=1000, burst=0, level=0):
    return struct.pack("!HHIIBxxx", kind, size, rate, burst, level)


BAD_METER = [
    ("id 0", meter(0), (METER, 2)),
    ("id beyond MAX", meter(0xFFFF0001), (METER, 2)),
    ("id ALL", meter(0xFFFFFFFF), (METER, 2)),
    ("exists", meter() + meter(), (METER, 1)),
    ("modify of none", meter(4711, command=1), (METER, 3)),
    ("command", meter(command=3), (METER, 4)),
    ("both units", meter(flags=3), (METER, 5)),
    ("unknown flag", meter(flags=0x11), (METER, 5)),
    ("no rate", meter(bands=band(rate=0)), (METER, 6)),
    ("unknown band", meter(bands=band(kind=9)), (METER, 8)),
    ("experimenter band", meter(bands=band(kind=0xFFFF)), (METER, 8)),
    ("remark by 200", meter(bands=band(kind=2, level=200)), (METER, 9)),
    ("too many bands", meter(bands=200 * band()), (METER, 11)),
    ("length of a band", meter(bands=band(size=8)), (REQUEST, 6)),
    ("band beyond", meter(bands=band(size=64)), (REQUEST, 6)),
]


def packet_out(acts=b"", in_port=of.CONTROLLER, buffer_id=NO_BUFFER, size=None, data=bytes(60)):
    return message(PACKET_OUT, struct.pack("!IIHxxxxxx", buffer_id, in_port, len(acts) if size is None else size) + acts + data)


BAD_OTHER = [
    ("version 1.0", b"\1\x02\0\x08\0\0\0\1", (REQUEST, 0)),
    ("unknown type", message(30), (REQUEST, 1)),
    ("a reply", message(6, bytes(24)), (REQUEST, 1)),
    ("packet-in", message(10, bytes(18) + match() + bytes(2)), (REQUEST, 1)),
    ("experimenter", message(4, struct.pack("!II", 0x1234, 1)), (REQUEST, 3)),
    ("features-request with a body", message(5, bytes(4)), (REQUEST, 6)),
    ("barrier with a body", message(20, bytes(1)), (REQUEST, 6)),
    ("set-config, short", message(SET_CONFIG, bytes(2)), (REQUEST, 6)),
    ("set-config: reassemble", message(SET_CONFIG, struct.pack("!HH", 2, 128)), (CONFIG, 0)),
    ("set-config: all flags", message(SET_CONFIG, struct.pack("!HH", 0xFFFF, 128)), (CONFIG, 0)),
    ("role", message(ROLE, struct.pack("!IxxxxQ", 4, 0)), (ROLE_FAILED, 2)),
    ("role, short", message(ROLE, bytes(8)), (REQUEST, 6)),
    ("async, short", message(SET_ASYNC, bytes(20)), (REQUEST, 6)),
    ("port-mod of none", message(PORT_MOD, struct.pack("!Ixxxx6sxxIIIxxxx", 77, bytes(6), 0, 0, 0)), (PORT, 0)),
    ("table-mod of 254", message(TABLE_MOD, struct.pack("!BxxxI", 254, 0)), (TABLE, 0)),
    ("table-mod: config", message(TABLE_MOD, struct.pack("!BxxxI", 0, 4)), (TABLE, 1)),
    ("queues of no port", message(QUEUE_CONFIG, struct.pack("!Ixxxx", 77)), (QUEUE, 0)),
    ("packet-out: buffer", packet_out(of.output(1), buffer_id=77, data=b""), (REQUEST, 8)),
    ("packet-out: port", packet_out(of.output(1), in_port=77), (REQUEST, 11)),
    ("packet-out: length", packet_out(of.output(1), size=400), (REQUEST, 6)),
    ("packet-out: length of no 8", packet_out(of.output(1), size=12), (ACTION, 1)),
    ("packet-out: no frame", packet_out(of.output(1), data=b"abc"), (REQUEST, 12)),
    ("packet-out: group", packet_out(of.long(22, 4711)), (ACTION, 9)),
    ("multipart, short", message(MULTIPART, bytes(4)), (REQUEST, 6)),
    ("multipart: type", message(MULTIPART, struct.pack("!HHxxxx", 50, 0)), (REQUEST, 2)),
    ("multipart: experimenter", message(MULTIPART, struct.pack("!HHxxxxII", 0xFFFF, 0, 0x1234, 1)), (REQUEST, 3)),
    ("multipart: desc with a body", message(MULTIPART, struct.pack("!HHxxxx", 0, 0) + bytes(8)), (REQUEST, 6)),
    ("multipart: flow, short", message(MULTIPART, struct.pack("!HHxxxx", 1, 0) + bytes(8)), (REQUEST, 6)),
    ("multipart: flow, bad match", message(MULTIPART, struct.pack("!HHxxxxBxxxIIxxxxQQ", 1, 0, 255, ANY, ANY, 0, 0) +
                                           match(oxm(11, bytes(4)))), (MATCH, 9)),
]
CASES = [(f"{what}: {name}", bad, error) for what, cases in (
    ("match", BAD_MATCH), ("action", BAD_ACTION), ("instruction", BAD_INSTRUCTION), ("flow-mod", BAD_FLOW),
    ("group-mod", BAD_GROUP), ("meter-mod", BAD_METER), ("other", BAD_OTHER)) for name, bad, error in cases]


@pytest.fixture(scope="module")
def session():
    lab = Lab()
    try:
        yield Session(lab.evsd().run_dir / "br0.mgmt")
    finally:
        lab.close()


CLEAR = of.flow([], command=of.DELETE, table=255) + group(0xFFFFFFFC, 0, command=2) + meter(ANY, command=2, bands=b"")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_refused(session, case):
    _, bad, want = case
    session.send(CLEAR)
    session.barrier()
    session.errors.clear()
    last = bad
    while len(last) > struct.unpack_from("!H", last, 2)[0]:  # of several messages the last is wrong
        last = last[struct.unpack_from("!H", last, 2)[0]:]
    bad = bad[:len(bad) - len(last)] + last[:4] + struct.pack("!I", 0xABCD) + last[8:]
    session.send(bad)
    got = session.wait(ERROR, 0xABCD)
    assert struct.unpack_from("!HH", got, 8) == want
    # It holds the offending message, at least its first 64 bytes.
    assert bad[len(bad) - len(last):].startswith(got[12:]) and len(got) - 12 >= min(64, len(last))
    session.barrier()
    assert session.errors == []
