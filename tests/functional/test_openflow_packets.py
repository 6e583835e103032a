# SPDX-License-Identifier: Apache-2.0
"""What rules do to real packets: each field of the match, each action, to the byte.

    w1, w2, w3 (tap, raw frames) ---- br0
"""
import struct
import time

import pytest
from evslib import ofraw as of
from evslib.ofctl import FLOW_REMOVED, PACKET_IN, SET_CONFIG, message, oxm
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr,
                                ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrHopByHop)
from scapy.layers.l2 import ARP, LLC, SNAP as L2SNAP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData

A, B, C = (f"02:00:00:00:00:{i:02x}" for i in (1, 2, 3))
mac = lambda text: bytes.fromhex(text.replace(":", ""))  # noqa: E731
E = Ether(src=A, dst=B)
PAD = bytes(range(64))
V4 = IP(src="10.0.0.1", dst="10.0.0.2", ttl=9)
V6 = IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=9)
T_TCP, T_UDP = TCP(sport=1000, dport=2000), UDP(sport=1000, dport=2000)
T_SCTP = SCTP(sport=1000, dport=2000, tag=1) / SCTPChunkData(data=b"hello evs")
# What must stand in the match before a field.
IP4, IP6, ARPS = oxm(5, b"\x08\x00"), oxm(5, b"\x86\xdd"), oxm(5, b"\x08\x06")
L3 = [oxm(5, b"\x88\x47")]


def proto(number, v6=False):
    return [IP6 if v6 else IP4, oxm(10, bytes([number]))]


def be(size, value):
    return value.to_bytes(size, "big")


def arp(**fields):
    return E / ARP(**{"op": 1, "hwsrc": A, "psrc": "10.0.0.1", "hwdst": C, "pdst": "10.0.0.2", **fields}) / PAD


def solicitation(target="2001:db8::9", lladdr=A):
    return E / V6 / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=lladdr)


def advertisement(lladdr=A):
    return E / V6 / ICMPv6ND_NA(tgt="2001:db8::9") / ICMPv6NDOptDstLLAddr(lladdr=lladdr)


def pbb(isid, inner=None):
    inner = bytes(inner or E / V4 / T_UDP / PAD)
    return mac(B) + mac(A) + b"\x88\xe7" + be(4, isid) + inner


def tagged(**tag):
    return E / Dot1Q(**tag) / V4 / T_UDP / PAD


def mpls(**lse):
    return E / MPLS(**{"label": 16, "cos": 1, "s": 1, "ttl": 64, **lse}) / V4 / T_UDP / PAD


UDP4, TCP4, SCTP4 = E / V4 / T_UDP / PAD, E / V4 / T_TCP / PAD, E / V4 / T_SCTP
IP6UDP = E / V6 / T_UDP / PAD
SNAP = Ether(src=A, dst=B, type=80) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / L2SNAP(OUI=0, code=0x800) / V4 / T_UDP / PAD[:34]
LLC_ONLY = Ether(src=A, dst=B, type=50) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / PAD[:47]
# (name, fields that must stand before, number, value, mask or None, a frame that matches, one that does not)
MATCHES = [
    ("eth_dst", [], 3, mac(B), None, UDP4, Ether(src=A, dst=C) / V4 / T_UDP / PAD),
    ("eth_src", [], 4, mac(A), None, UDP4, Ether(src=C, dst=B) / V4 / T_UDP / PAD),
    ("eth_dst masked", [], 3, b"\1\0\0\0\0\0", b"\1\0\0\0\0\0", Ether(src=A, dst="33:33:0:0:0:1") / V6 / PAD, UDP4),
    ("eth_src masked", [], 4, mac(A), mac("ff:ff:00:00:00:0f"), UDP4, Ether(src=B, dst=C) / V4 / T_UDP / PAD),
    ("eth_type", [], 5, b"\x08\x06", None, arp(), UDP4),
    ("eth_type of snap", [], 5, b"\x08\0", None, SNAP, LLC_ONLY),
    ("eth_type none", [], 5, b"\x05\xff", None, LLC_ONLY, SNAP),
    ("vlan_vid", [], 6, be(2, 0x1005), None, tagged(vlan=5, prio=3), tagged(vlan=6)),
    ("vlan_vid none", [], 6, be(2, 0), None, UDP4, tagged(vlan=5)),
    ("vlan_vid any", [], 6, be(2, 0x1000), be(2, 0x1000), tagged(vlan=9), UDP4),
    ("vlan_vid masked", [], 6, be(2, 0x1004), be(2, 0x1004), tagged(vlan=12), tagged(vlan=9)),
    ("vlan_pcp", [oxm(6, be(2, 0x1005))], 7, b"\3", None, tagged(vlan=5, prio=3), tagged(vlan=5, prio=2)),
    ("ip_dscp", [IP4], 8, b"\x0a", None, E / IP(tos=0x29, dst="1.2.3.4") / T_UDP / PAD, UDP4),
    ("ip_ecn", [IP4], 9, b"\1", None, E / IP(tos=0x29, dst="1.2.3.4") / T_UDP / PAD, UDP4),
    ("ip_dscp v6", [IP6], 8, b"\x0a", None, E / IPv6(tc=0x28) / T_UDP / PAD, IP6UDP),
    ("ip_proto", [IP4], 10, b"\x11", None, UDP4, TCP4),
    ("ip_proto v6", [IP6], 10, b"\x11", None, IP6UDP, E / V6 / T_TCP / PAD),
    ("ipv4_src", [IP4], 11, b"\x0a\0\0\1", None, UDP4, E / IP(src="10.0.0.3") / T_UDP / PAD),
    ("ipv4_src masked", [IP4], 11, b"\x0a\0\0\0", b"\xff\xff\xff\0", UDP4, E / IP(src="10.0.1.1") / T_UDP / PAD),
    ("ipv4_dst", [IP4], 12, b"\x0a\0\0\2", None, UDP4, E / IP(dst="10.0.0.3") / T_UDP / PAD),
    ("ipv4_dst holes", [IP4], 12, b"\x0a\0\0\2", b"\xff\0\0\xff", UDP4, E / IP(dst="10.0.0.3") / T_UDP / PAD),
    ("tcp_src", proto(6), 13, be(2, 1000), None, TCP4, E / V4 / TCP(sport=1001) / PAD),
    ("tcp_dst", proto(6), 14, be(2, 2000), None, TCP4, E / V4 / TCP(dport=2001) / PAD),
    ("tcp_dst masked", proto(6), 14, be(2, 2000), be(2, 0xFFF0), E / V4 / TCP(dport=2001) / PAD,
     E / V4 / TCP(dport=2016) / PAD),
    ("tcp_dst v6", proto(6, True), 14, be(2, 2000), None, E / V6 / T_TCP / PAD, E / V6 / TCP(dport=1) / PAD),
    ("udp_src", proto(17), 15, be(2, 1000), None, UDP4, E / V4 / UDP(sport=1001) / PAD),
    ("udp_dst", proto(17), 16, be(2, 2000), None, UDP4, E / V4 / UDP(dport=2001) / PAD),
    ("sctp_src", proto(132), 17, be(2, 1000), None, SCTP4, E / V4 / SCTP(sport=1) / SCTPChunkData(data=PAD)),
    ("sctp_dst", proto(132), 18, be(2, 2000), None, SCTP4, E / V4 / SCTP(dport=1) / SCTPChunkData(data=PAD)),
    ("icmpv4_type", proto(1), 19, b"\x08", None, E / V4 / ICMP(type=8) / PAD, E / V4 / ICMP(type=0) / PAD),
    ("icmpv4_code", proto(1), 20, b"\3", None, E / V4 / ICMP(type=3, code=3) / PAD, E / V4 / ICMP(type=3) / PAD),
    ("arp_op", [ARPS], 21, be(2, 1), None, arp(), arp(op=2)),
    ("arp_spa", [ARPS], 22, b"\x0a\0\0\1", None, arp(), arp(psrc="10.0.0.9")),
    ("arp_spa masked", [ARPS], 22, b"\x0a\0\0\0", b"\xff\xff\xff\0", arp(), arp(psrc="10.0.1.9")),
    ("arp_tpa", [ARPS], 23, b"\x0a\0\0\2", None, arp(), arp(pdst="10.0.0.9")),
    ("arp_sha", [ARPS], 24, mac(A), None, arp(), arp(hwsrc=B)),
    ("arp_tha", [ARPS], 25, mac(C), None, arp(), arp(hwdst=B)),
    ("ipv6_src", [IP6], 26, be(16, 0x20010DB8 << 96 | 1), None, IP6UDP, E / IPv6(src="2001:db8::3") / T_UDP / PAD),
    ("ipv6_src masked", [IP6], 26, be(16, 0x20010DB8 << 96), b"\xff" * 15 + b"\0", IP6UDP,
     E / IPv6(src="2001:db9::1") / T_UDP / PAD),
    ("ipv6_dst", [IP6], 27, be(16, 0x20010DB8 << 96 | 2), None, IP6UDP, E / IPv6(dst="2001:db8::3") / T_UDP / PAD),
    ("ipv6_flabel", [IP6], 28, be(4, 0x12345), None, E / IPv6(fl=0x12345) / T_UDP / PAD, IP6UDP),
    ("ipv6_flabel masked", [IP6], 28, be(4, 0x12300), be(4, 0xFFF00), E / IPv6(fl=0x12345) / T_UDP / PAD, IP6UDP),
    ("icmpv6_type", proto(58, True), 29, b"\x80", None, E / V6 / ICMPv6EchoRequest(data=PAD), solicitation()),
    ("icmpv6_code", proto(58, True), 30, b"\1", None, E / V6 / ICMPv6EchoRequest(code=1, data=PAD),
     E / V6 / ICMPv6EchoRequest(data=PAD)),
    ("nd_target", [*proto(58, True), oxm(29, b"\x87")], 31, be(16, 0x20010DB8 << 96 | 9), None, solicitation(),
     solicitation("2001:db8::8")),
    ("nd_sll", [*proto(58, True), oxm(29, b"\x87")], 32, mac(A), None, solicitation(), solicitation(lladdr=B)),
    ("nd_tll", [*proto(58, True), oxm(29, b"\x88")], 33, mac(A), None, advertisement(), advertisement(B)),
    ("mpls_label", L3, 34, be(4, 16), None, mpls(), mpls(label=17)),
    ("mpls_tc", L3, 35, b"\1", None, mpls(), mpls(cos=2)),
    ("mpls_bos", L3, 36, b"\1", None, mpls(), E / MPLS(label=16, s=0) / MPLS(label=17, s=1) / V4 / T_UDP / PAD),
    ("pbb_isid", [oxm(5, b"\x88\xe7")], 37, be(3, 77), None, pbb(77), pbb(78)),
    ("pbb_isid masked", [oxm(5, b"\x88\xe7")], 37, be(3, 0x100), be(3, 0xF00), pbb(0x177), pbb(0x277)),
    ("ipv6_exthdr", [IP6], 39, be(2, 0x40), be(2, 0x40), E / V6 / IPv6ExtHdrHopByHop() / T_UDP / PAD, IP6UDP),
    ("ipv6_exthdr none", [IP6], 39, be(2, 1), None, E / IPv6(nh=59) / PAD, IP6UDP),
]


def changed(frame, *path, **fields):
    """A copy with other fields, checksums computed anew."""
    frame = frame.copy()
    layer = frame[path[0]]
    for name, value in fields.items():
        setattr(layer, name, value)
    for kind in (IP, TCP, UDP, ICMP, SCTP, ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6ND_NA):
        if kind in frame:
            for name in ("chksum", "cksum"):
                if name in frame[kind].fields:
                    delattr(frame[kind], name)
    return frame


TAG1, TAG2 = Dot1Q(vlan=5, prio=3), Dot1Q(vlan=6, prio=2)
SVC = Dot1AD(vlan=7, prio=1)
DATA = V4 / T_UDP / PAD


def sets(number, value):
    return [of.set_field(oxm(number, value))]


ECHO6 = E / V6 / ICMPv6EchoRequest(data=PAD)
# (name, fields, actions, frame in, frame out)
ACTIONS = [
    ("eth_dst", [], sets(3, mac(C)), UDP4, changed(UDP4, Ether, dst=C)),
    ("eth_src", [], sets(4, mac(C)), UDP4, changed(UDP4, Ether, src=C)),
    ("vlan_vid", [oxm(6, be(2, 0x1005))], sets(6, be(2, 0x1006)), tagged(vlan=5, prio=3), tagged(vlan=6, prio=3)),
    ("eth_type", [IP4], sets(5, b"\x88\x48"), UDP4, changed(UDP4, Ether, type=0x8848)),
    ("eth_type in a tag, then more", [oxm(6, be(2, 0x1005))], [*sets(5, b"\x86\xdd"), *sets(5, b"\x08\0"), of.plain(24)],
     tagged(vlan=5), E / Dot1Q(vlan=5) / changed(UDP4, IP, ttl=8)[IP]),
    ("vlan_vid without present bit", [oxm(6, be(2, 0x1005))], sets(6, be(2, 6)), tagged(vlan=5, prio=3),
     tagged(vlan=6, prio=3)),
    ("vlan_pcp", [oxm(6, be(2, 0x1005))], sets(7, b"\4"), tagged(vlan=5, prio=3), tagged(vlan=5, prio=4)),
    ("ip_dscp", [IP4], sets(8, b"\x0a"), UDP4, changed(UDP4, IP, tos=0x28)),
    ("ip_ecn", [IP4], sets(9, b"\2"), UDP4, changed(UDP4, IP, tos=2)),
    ("ip_dscp v6", [IP6], sets(8, b"\x0a"), IP6UDP, changed(IP6UDP, IPv6, tc=0x28)),
    ("ip_proto", [IP4], sets(10, b"\xfd"), E / V4 / PAD, changed(E / V4 / PAD, IP, proto=0xFD)),
    ("ipv4_src", [IP4], sets(11, b"\x0a\1\2\3"), UDP4, changed(UDP4, IP, src="10.1.2.3")),
    ("ipv4_dst tcp", [IP4], sets(12, b"\x0a\1\2\3"), TCP4, changed(TCP4, IP, dst="10.1.2.3")),
    ("ipv4_dst sctp", [IP4], sets(12, b"\x0a\1\2\3"), SCTP4, changed(SCTP4, IP, dst="10.1.2.3")),
    ("tcp_src", proto(6), sets(13, be(2, 99)), TCP4, changed(TCP4, TCP, sport=99)),
    ("tcp_dst", proto(6), sets(14, be(2, 99)), TCP4, changed(TCP4, TCP, dport=99)),
    ("udp_src", proto(17), sets(15, be(2, 99)), UDP4, changed(UDP4, UDP, sport=99)),
    ("udp_dst v6", proto(17, True), sets(16, be(2, 99)), IP6UDP, changed(IP6UDP, UDP, dport=99)),
    ("sctp_src", proto(132), sets(17, be(2, 99)), SCTP4, changed(SCTP4, SCTP, sport=99)),
    ("sctp_dst", proto(132), sets(18, be(2, 99)), SCTP4, changed(SCTP4, SCTP, dport=99)),
    ("icmpv4_type", proto(1), sets(19, b"\0"), E / V4 / ICMP() / PAD, changed(E / V4 / ICMP() / PAD, ICMP, type=0)),
    ("icmpv4_code", proto(1), sets(20, b"\1"), E / V4 / ICMP() / PAD, changed(E / V4 / ICMP() / PAD, ICMP, code=1)),
    ("arp_op", [ARPS], sets(21, be(2, 2)), arp(), arp(op=2)),
    ("arp_spa", [ARPS], sets(22, b"\x0a\1\2\3"), arp(), arp(psrc="10.1.2.3")),
    ("arp_tpa", [ARPS], sets(23, b"\x0a\1\2\3"), arp(), arp(pdst="10.1.2.3")),
    ("arp_sha", [ARPS], sets(24, mac(C)), arp(), arp(hwsrc=C)),
    ("arp_tha", [ARPS], sets(25, mac(B)), arp(), arp(hwdst=B)),
    ("ipv6_src", [IP6], sets(26, be(16, 9)), IP6UDP, changed(IP6UDP, IPv6, src="::9")),
    ("ipv6_dst", [IP6], sets(27, be(16, 9)), ECHO6, changed(ECHO6, IPv6, dst="::9")),
    ("ipv6_flabel", [IP6], sets(28, be(4, 0x54321)), IP6UDP, changed(IP6UDP, IPv6, fl=0x54321)),
    ("icmpv6_type", proto(58, True), sets(29, b"\x81"), ECHO6, changed(ECHO6, ICMPv6EchoRequest, type=0x81)),
    ("icmpv6_code", proto(58, True), sets(30, b"\1"), ECHO6, changed(ECHO6, ICMPv6EchoRequest, code=1)),
    ("nd_target", [*proto(58, True), oxm(29, b"\x87")], sets(31, be(16, 0x20010DB8 << 96 | 8)), solicitation(),
     solicitation("2001:db8::8")),
    ("nd_sll", [*proto(58, True), oxm(29, b"\x87")], sets(32, mac(C)), solicitation(), solicitation(lladdr=C)),
    ("nd_tll", [*proto(58, True), oxm(29, b"\x88")], sets(33, mac(C)), advertisement(), advertisement(C)),
    ("mpls_label", L3, sets(34, be(4, 99)), mpls(), mpls(label=99)),
    ("mpls_tc", L3, sets(35, b"\5"), mpls(), mpls(cos=5)),
    ("mpls_bos", L3, sets(36, b"\0"), mpls(), mpls(s=0)),
    ("pbb_isid", [oxm(5, b"\x88\xe7")], sets(37, be(3, 99)), pbb(77), pbb(99)),
    ("push vlan", [], [of.short(17, 0x8100), *sets(6, be(2, 0x1005))], E / DATA, E / Dot1Q(vlan=5) / DATA),
    ("push vlan keeps tag", [], [of.short(17, 0x8100)], E / TAG1 / DATA, E / TAG1 / TAG1 / DATA),
    ("push 802.1ad", [], [of.short(17, 0x88A8), *sets(6, be(2, 0x1007)), *sets(7, b"\1")], E / TAG1 / DATA,
     E / SVC / TAG1 / DATA),
    ("pop vlan", [oxm(6, be(2, 0x1000), be(2, 0x1000))], [of.plain(18)], E / TAG1 / DATA, E / DATA),
    ("pop outer vlan", [oxm(6, be(2, 0x1000), be(2, 0x1000))], [of.plain(18)], E / TAG2 / TAG1 / DATA,
     E / TAG1 / DATA),
    ("push mpls", [IP4], [of.short(19, 0x8847), *sets(34, be(4, 50))], E / DATA,
     E / MPLS(label=50, cos=0, s=1, ttl=9) / DATA),
    ("push mpls on arp", [], [of.short(19, 0x8847)], arp(), E / MPLS(label=0, cos=0, s=1, ttl=0) / arp()[ARP]),
    ("push second mpls", L3, [of.short(19, 0x8847), *sets(34, be(4, 50))], mpls(),
     E / MPLS(label=50, cos=1, s=0, ttl=64) / MPLS(label=16, cos=1, s=1, ttl=64) / DATA),
    ("pop mpls", L3, [of.short(20, 0x0800)], mpls(), E / DATA),
    ("pop one mpls of two", L3, [of.short(20, 0x8847)],
     E / MPLS(label=50, cos=1, s=0, ttl=64) / MPLS(label=16, cos=1, s=1, ttl=64) / DATA, mpls()),
    ("set mpls ttl", L3, [of.ttl(15, 33)], mpls(), mpls(ttl=33)),
    ("dec mpls ttl", L3, [of.plain(16)], mpls(), mpls(ttl=63)),
    ("copy ttl out", L3, [of.plain(11)], mpls(), mpls(ttl=9)),
    ("copy ttl in", L3, [of.plain(12)], mpls(), E / MPLS(label=16, cos=1, s=1, ttl=64) / changed(
        E / DATA, IP, ttl=64)[IP]),
    ("set nw ttl", [IP4], [of.ttl(23, 44)], UDP4, changed(UDP4, IP, ttl=44)),
    ("set hop limit", [IP6], [of.ttl(23, 44)], IP6UDP, changed(IP6UDP, IPv6, hlim=44)),
    ("dec nw ttl", [IP4], [of.plain(24)], UDP4, changed(UDP4, IP, ttl=8)),
    ("dec hop limit", [IP6], [of.plain(24)], IP6UDP, changed(IP6UDP, IPv6, hlim=8)),
    ("push pbb", [], [of.short(26, 0x88E7), *sets(37, be(3, 77))], UDP4, pbb(77, UDP4)),
    ("pop pbb", [oxm(5, b"\x88\xe7")], [of.plain(27)], pbb(77, TCP4), TCP4),
    ("chain", [IP4], [*sets(12, b"\x0a\1\2\3"), of.plain(24), of.short(17, 0x8100), *sets(6, be(2, 0x1005)),
                      *sets(3, mac(C))], TCP4, None),
]


def out(port):
    return of.actions(of.output(port))


@pytest.mark.parametrize("case", MATCHES, ids=lambda case: case[0])
def test_match(bench, case):
    _, before, number, value, mask, hit, miss = case
    bench.rules(of.flow([*before, oxm(number, value, mask or b"")], out(2)), of.flow([], out(3), priority=1))
    for frame, wire in ((hit, 1), (miss, 2), (hit, 1)):
        at, got = bench.through(frame)
        assert at == wire and got == bytes(frame)


@pytest.mark.parametrize("case", ACTIONS, ids=lambda case: case[0])
def test_action(bench, case):
    _, fields, acts, frame, expected = case
    if expected is None:
        expected = changed(Ether(src=A, dst=C) / Dot1Q(vlan=5) / TCP4[IP], IP, dst="10.1.2.3", ttl=8)
    bench.rules(of.flow(fields, of.actions(*acts, of.output(2))))
    at, got = bench.through(frame)
    assert at == 1 and got.hex() == bytes(expected).hex()
    # The second time by the flow cache.
    assert bench.through(frame) == (1, bytes(expected))


def test_in_port(bench):
    bench.rules(of.flow([oxm(0, be(4, 1))], out(2)), of.flow([oxm(0, be(4, 3)), oxm(1, be(4, 3))], out(2)))
    assert bench.through(UDP4)[0] == 1
    assert bench.through(UDP4, wire=2)[0] == 1
    bench.rules(of.flow([oxm(0, be(4, 1))], out(of.IN_PORT)))
    assert bench.through(UDP4)[0] == 0
    bench.rules(of.flow([], out(1), priority=2))  # not to where it came from
    bench.wires[0].send(UDP4)
    assert bench.through(UDP4, wire=1)[0] == 0
    assert bench.nothing()


def test_metadata_goto(bench):
    bench.rules(of.flow([oxm(0, be(4, 1))], of.write_metadata(0x1234, 0xFFFF), of.goto(1)),
                of.flow([oxm(2, be(8, 0x1200), be(8, 0xFF00))], of.write_metadata(0x7 << 60, 0xF << 60), of.goto(253),
                        table=1),
                of.flow([oxm(2, be(8, 0x7 << 60 | 0x1234))], out(2), table=253))
    assert bench.through(UDP4)[0] == 1


def test_tunnel_id(bench):
    bench.rules(of.flow([], of.actions(of.set_field(oxm(38, be(8, 0x55)))), of.goto(1)),
                of.flow([oxm(38, be(8, 0x50), be(8, 0xF0))], out(2), table=1), of.flow([], out(3), table=1, priority=1))
    assert bench.through(UDP4)[0] == 1


@pytest.mark.parametrize("port", [of.ALL, of.FLOOD, of.NORMAL])
def test_output_many(bench, port):
    bench.evsd.call("fdb.flush", bridge="br0")
    bench.rules(of.flow([], out(port)))
    got = {bench.through(UDP4)[0], of.receive(bench.wires)[0]}
    assert got == {1, 2}
    assert bench.nothing()


def test_output_controller(bench):
    bench.rules(of.flow([], of.actions(of.output(of.CONTROLLER, 20)), cookie=0x99))
    bench.wires[0].send(UDP4)
    got = bench.told(PACKET_IN)
    _, total, reason, table, cookie = struct.unpack_from("!IHBBQ", got, 8)
    assert (total, reason, table, cookie) == (len(UDP4), 1, 0, 0x99)
    assert got.endswith(bytes(UDP4)[:20]) and oxm(0, be(4, 1)) in got


def test_table_miss(bench):
    bench.rules(of.flow([], of.actions(of.output(of.CONTROLLER)), priority=0))
    bench.wires[1].send(UDP4)
    got = bench.told(PACKET_IN)
    assert got[14] == 0 and got.endswith(bytes(UDP4)) and oxm(0, be(4, 2)) in got
    bench.rules()
    bench.session.send(of.flow([oxm(0, be(4, 1))], out(2), table=7))
    bench.session.barrier()
    bench.wires[0].send(UDP4)
    assert bench.nothing()


@pytest.mark.parametrize("frame", [changed(UDP4, IP, ttl=1), changed(IP6UDP, IPv6, hlim=1)])
def test_invalid_ttl(bench, frame):
    bench.rules(of.flow([IP6 if IPv6 in frame else IP4], of.actions(of.plain(24), of.output(2))))
    bench.wires[0].send(frame)
    got = bench.told(PACKET_IN)
    assert got[14] == 2 and got.endswith(bytes(frame))
    assert bench.nothing()


def test_action_set_order(bench):
    """Whatever the order in which they are written: pop, push, set, then output."""
    bench.rules(of.flow([oxm(6, be(2, 0x1005)), IP4],
                        of.actions(of.output(2), of.set_field(oxm(3, mac(C))), of.plain(24), of.plain(18), kind=of.WRITE),
                        of.goto(1)),
                of.flow([], of.actions(of.output(3), kind=of.WRITE), table=1))
    at, got = bench.through(E / TAG1 / DATA)
    assert at == 2 and got == bytes(changed(Ether(src=A, dst=C) / DATA, IP, ttl=8))


def test_clear_actions(bench):
    bench.rules(of.flow([], of.actions(of.output(2), of.set_field(oxm(3, mac(C))), kind=of.WRITE), of.goto(1)),
                of.flow([], struct.pack("!HHxxxx", of.CLEAR, 8), of.actions(of.output(3), kind=of.WRITE), table=1))
    assert bench.through(UDP4) == (2, bytes(UDP4))


def test_set_queue(bench):
    bench.rules(of.flow([], of.actions(of.long(21, 1), of.output(2))))
    assert bench.through(UDP4) == (1, bytes(UDP4))


def test_group_all(bench):
    change = of.set_field(oxm(3, mac(C)))
    bench.rules(of.group_mod(1, 0, (0, 0xFFFFFFFF, [change, of.output(2)]), (0, 0xFFFFFFFF, [of.output(3)])),
                of.flow([], of.actions(of.long(22, 1))))
    got = dict([bench.through(UDP4), of.receive(bench.wires)])
    assert got == {1: bytes(changed(UDP4, Ether, dst=C)), 2: bytes(UDP4)}


def test_group_select(bench):
    """Weights hold, and a flow stays where it is."""
    bench.rules(of.group_mod(1, 1, (3, 0xFFFFFFFF, [of.output(2)]), (1, 0xFFFFFFFF, [of.output(3)])),
                of.flow([], of.actions(of.long(22, 1))))
    frames = [bytes(E / V4 / UDP(sport=1000 + i, dport=9) / PAD) for i in range(400)]
    first = [bench.through(frame)[0] for frame in frames]
    assert 0.68 < first.count(1) / len(first) < 0.82
    assert [bench.through(frame)[0] for frame in frames[:100]] == first[:100]


def test_group_indirect_changes(bench):
    bench.rules(of.group_mod(1, 2, (0, 0xFFFFFFFF, [of.output(2)])), of.flow([], of.actions(of.long(22, 1))))
    assert bench.through(UDP4)[0] == 1
    bench.session.send(of.group_mod(1, 2, (0, 0xFFFFFFFF, [of.output(3)]), command=1))
    bench.session.barrier()
    assert bench.through(UDP4)[0] == 2


def test_group_fast_failover(bench):
    bench.rules(of.group_mod(1, 3, (0, 2, [of.output(2)]), (0, 3, [of.output(3)])),
                of.flow([], of.actions(of.long(22, 1))))
    assert bench.through(UDP4)[0] == 1
    hw = mac(bench.evsd.port("w2")["mac"])
    port_mod = lambda config: message(16, struct.pack("!Ixxxx6sxxIIIxxxx", 2, hw, config, 1, 0))  # noqa: E731
    bench.session.send(port_mod(1))
    bench.session.barrier()
    assert bench.through(UDP4)[0] == 2
    bench.session.send(port_mod(0))
    bench.session.barrier()
    assert bench.session.errors == []
    assert bench.through(UDP4)[0] == 1


def meter_mod(meter, rate):
    return message(29, struct.pack("!HHI", 0, 2, meter) + struct.pack("!HHIIxxxx", 1, 16, rate, 1))


def test_meter(bench):
    bench.session.send(message(29, struct.pack("!HHI", 2, 0, 0xFFFFFFFF)))
    bench.rules(meter_mod(1, 10), of.flow([], struct.pack("!HHI", of.METER, 8, 1), out(2)))
    begin = time.monotonic()
    n = bench.passed(UDP4, 300)
    assert 1 <= n <= 10 + 10 * (time.monotonic() - begin), n


def test_timeouts(bench):
    gone, n = {1: (1, 0)}, 0
    while gone[1] == (1, 0):  # the machine stood still for a second before the packet was sent
        begin = time.monotonic()
        bench.rules(of.flow([oxm(0, be(4, 1))], out(2), hard=1, flags=1, cookie=1),
                    of.flow([oxm(0, be(4, 2))], out(3), idle=1, flags=1, cookie=2))
        n = bench.passed(UDP4, 1)
        gone = {}
        while len(gone) < 2:
            got = bench.told(FLOW_REMOVED)
            cookie, _, reason, _, _, _, _, _, packets = struct.unpack_from("!QHBBIIHHQ", got, 8)
            gone[cookie] = (reason, packets)
        assert time.monotonic() - begin > 0.9
    assert n == 1 and gone == {1: (1, 1), 2: (0, 0)}


def test_fragments_dropped_on_demand(bench):
    frame = E / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF", proto=17) / PAD
    bench.rules(of.flow([], out(2)))
    assert bench.through(frame)[0] == 1
    for flags, wire in ((1, None), (0, 1)):
        bench.session.send(message(SET_CONFIG, struct.pack("!HH", flags, 0xFFFF)))
        bench.session.barrier()
        if wire is None:
            assert bench.passed(frame, 1) == 0
        else:
            assert bench.through(frame)[0] == wire
        assert bench.through(UDP4)[0] == 1


def test_told_as_sent(bench):
    """Rules are told to the byte: max_len of any port, order of actions and fields."""
    rule = [oxm(0, be(4, 1)), oxm(5, b"\x08\0")]
    insts = of.actions(of.output(2, 0xFFE5), of.output(3, 7)) + of.actions(of.output(1), kind=of.WRITE) + of.goto(9)
    bench.rules(of.flow(rule, insts))
    ask = struct.pack("!HHxxxxBxxxIIxxxxQQ", 1, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0) + of.match()
    got = bench.session.ask(of.MULTIPART, ask, of.MULTIPART_REPLY)
    # The order of instructions is that of their execution.
    assert of.match(*rule) in got and all(part in got for part in (insts[:40], insts[40:64], insts[64:]))


def test_statistics_after_a_barrier(bench):
    """Tables have counted every packet of a rule that is gone, once the barrier says that it is gone."""
    def tables():
        got = bench.session.ask(of.MULTIPART, struct.pack("!HHxxxx", 3, 0), of.MULTIPART_REPLY)
        return struct.unpack_from("!IQQ", got, 16 + 4)

    for _ in range(20):
        bench.rules(of.flow([], out(2)))
        rules, looked, matched = tables()
        assert rules == 1
        for _ in range(3):
            bench.through(UDP4)
        bench.rules()
        assert tables() == (0, looked + 3, matched + 3)


def test_packet_out_of_nothing(bench):
    """Without actions a packet is dropped, and that is no error; with actions it must be one, of a port."""
    out = lambda port, acts, data: message(13, struct.pack("!IIHxxxxxx", 0xFFFFFFFF, port, len(acts)) + acts + data)  # noqa: E731
    bench.rules()
    bench.session.send(out(0, b"", b""))
    bench.session.barrier()
    assert bench.session.errors == []
    for bad in (out(of.CONTROLLER, of.output(2), b"short"), out(77, of.output(2), bytes(UDP4))):
        bench.session.send(bad)
        bench.session.barrier()
    assert bench.session.errors == [(1, 12), (1, 11)]


def test_accounts(bench):
    bench.rules()
    bench.evsd.check_accounts()
