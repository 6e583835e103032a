#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Writes frames_scapy.h: frames that scapy built and the fields that scapy states of them.
# Usage: gen_frames.py > frames_scapy.h
import socket
import sys

from scapy.all import (ARP, AH, Dot1AD, Dot1Q, Dot3, ESP, Ether, ICMP, ICMPv6EchoRequest, ICMPv6ND_NA,
                       ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IP, IPOption_NOP, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
                       LLC, Raw, SCTP, SCTPChunkInit, SNAP, TCP, UDP, fragment)
from scapy.contrib.mpls import MPLS

NONEXT, ESPH, AUTH, DEST, FRAG, ROUTER, HOP, UNREP, UNSEQ = (1 << i for i in range(9))
MAC = dict(dst='02:00:00:00:00:02', src='02:00:00:00:00:01')
E, I4, I6 = Ether(**MAC), IP(src='10.1.2.3', dst='10.4.5.6', ttl=33, tos=0x2c), \
    IPv6(src='2001:db8::1', dst='2001:db8::2', hlim=44, tc=0x2c, fl=0x12345)
T, U = TCP(sport=1234, dport=80, flags='SA'), UDP(sport=53, dport=4000)
PAD = Raw(b'x' * 30)


def v4(p, l3, frag=0, l4=True):
    ip = p[IP]
    e = dict(eth_type=0x800, proto=ip.proto, tos=ip.tos, ttl=ip.ttl, src=ip.src, dst=ip.dst, frag=frag, l3=l3)
    return {**e, **ports(p, ip.proto, l3 + ip.ihl * 4 if l4 else 0)}


def ports(p, proto, l4):
    if not l4:
        return {}
    for layer in (TCP, UDP, SCTP):
        if layer in p:
            flags = int(p[TCP].flags) if layer is TCP else 0
            return dict(sport=p[layer].sport, dport=p[layer].dport, flags=flags, l4=l4)
    if ICMP in p:
        return dict(sport=p[ICMP].type, dport=p[ICMP].code, l4=l4)
    return {}


def v6(p, l3, proto, exthdr=0, frag=0, l4=0):
    ip = p[IPv6]
    e = dict(eth_type=0x86dd, proto=proto, tos=ip.tc, ttl=ip.hlim, frag=frag, l3=l3, exthdr=exthdr, lines=1)
    return {**e, **ports(p, proto, l4)}


def frames():
    def made(p):
        return Ether(bytes(p))
    for name, l4 in (('tcp', T), ('udp', U), ('icmp', ICMP(type=3, code=1)), ('sctp', SCTP(sport=5, dport=6) / SCTPChunkInit())):
        p = made(E / I4 / l4 / PAD)
        yield 'ipv4 ' + name, p, v4(p, 14)
        p = made(E / Dot1Q(vlan=100, prio=5) / I4 / l4 / PAD)
        yield 'vlan ' + name, p, {**v4(p, 18), 'tci0': 0xb064}
    p = made(E / Dot1AD(vlan=7) / Dot1Q(vlan=8, prio=1) / I4 / U)
    yield 'qinq', p, {**v4(p, 22), 'tci0': 0x1007, 'tci1': 0x3008}
    p = made(E / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / I4 / U)
    yield 'three tags', p, dict(eth_type=0x8100, tci0=0x1001, tci1=0x1002)
    p = made(E / IP(src='10.1.2.3', dst='10.4.5.6', options=[IPOption_NOP()] * 4) / T)
    yield 'ipv4 options', p, v4(p, 14)
    first, later = fragment(E / I4 / U / Raw(b'y' * 900), 480)[:2]
    first, later = made(first), made(later)
    yield 'first fragment', first, v4(first, 14, frag=1)
    yield 'later fragment', later, v4(later, 14, frag=3, l4=False)
    p = made(E / ARP(op=2, psrc='1.2.3.4', pdst='5.6.7.8', hwsrc='02:00:00:00:00:01', hwdst='02:00:00:00:00:02'))
    yield 'arp', p, dict(eth_type=0x806, src='1.2.3.4', dst='5.6.7.8', arp_op=2, l3=14)
    p = Dot3(**MAC) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / Raw(b'stp' * 12)
    yield 'llc', p, dict(eth_type=0x5ff)
    p = Dot3(**MAC) / LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x800) / I4 / U
    yield 'snap', p, v4(p.__class__(bytes(p)), 22)
    p = made(Ether(type=0x8847, **MAC) / MPLS(label=16, s=0, ttl=9) / MPLS(label=17, s=1, ttl=8) / I4 / U)
    yield 'mpls', p, dict(eth_type=0x8847, n_mpls=2, l2_5=14)
    p = Ether(type=0x88e7, **MAC) / Raw(bytes.fromhex('60abcdef')) / E / I4 / U
    yield 'pbb', p, dict(eth_type=0x88e7, isid=0xabcdef, l2_5=14)
    p = Ether(type=0x9100, **MAC) / Raw(b'z' * 40)
    yield 'plain 0x9100', p, dict(eth_type=0x9100)
    hop, dest, rt = IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(addresses=['2001:db8::9'])
    fr0, fr1 = IPv6ExtHdrFragment(m=1), IPv6ExtHdrFragment(offset=10)
    for name, chain, proto, bits, frag, l4 in (
            ('tcp', T, 6, 0, 0, 54), ('udp', U, 17, 0, 0, 54),
            ('hop', hop / U, 17, HOP, 0, 62), ('dest route dest', dest / rt / dest / U, 17, DEST | ROUTER, 0, 94),
            ('first frag', fr0 / U, 17, FRAG, 1, 62), ('later frag', fr1 / Raw(b'w' * 20), 17, FRAG, 3, 0),
            ('hop twice', hop / hop / U, 17, HOP | UNREP | UNSEQ, 0, 70),
            ('frag route', fr0 / rt / U, 17, FRAG | ROUTER | UNSEQ, 1, 86),
            ('route twice', rt / rt / U, 17, ROUTER | UNREP, 0, 102),
            ('dest thrice', dest / dest / dest / U, 17, DEST | UNREP, 0, 78),
            ('dest late hop', dest / hop / U, 17, DEST | UNSEQ, 0, 70)):
        if name == 'later frag':
            chain = IPv6ExtHdrFragment(offset=10, nh=17) / Raw(b'w' * 20)
        p = E / I6 / chain
        p = Ether(bytes(p))
        yield 'ipv6 ' + name, p, v6(p, 14, proto, bits, frag, l4)
    p = Ether(bytes(E / IPv6(src='2001:db8::1', dst='2001:db8::2', nh=59)))
    yield 'ipv6 none', p, v6(p, 14, 59, NONEXT)
    p = E / IPv6(src='2001:db8::1', dst='2001:db8::2', nh=51) / Raw(bytes([17, 4]) + bytes(22)) / U
    yield 'ipv6 auth', p, {**v6(p, 14, 17, AUTH, 0, 78)}
    p = Ether(bytes(E / IPv6(src='2001:db8::1', dst='2001:db8::2', nh=50) / Raw(b'e' * 24)))
    yield 'ipv6 esp', p, v6(p, 14, 50, ESPH)
    for name, nd, opt, t in (('ns', ICMPv6ND_NS(tgt='2001:db8::7'), ICMPv6NDOptSrcLLAddr(lladdr='02:00:00:00:00:07'), 135),
                             ('na', ICMPv6ND_NA(tgt='2001:db8::7'), ICMPv6NDOptDstLLAddr(lladdr='02:00:00:00:00:07'), 136)):
        p = Ether(bytes(E / I6 / nd / opt))
        yield 'nd ' + name, p, {**v6(p, 14, 58), 'sport': t, 'l4': 54, 'nd_last': 7}


def main():
    print('/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by gen_frames.py with scapy. */\n/* clang-format off */')
    print('static const struct expected frames[] = {')
    for name, p, e in frames():
        e = dict(e)
        for key in ('src', 'dst'):
            if key in e:
                e[key] = '0x' + socket.inet_aton(e[key]).hex()
        fields = ', '.join('.%s = %s' % (k, int(v) if not isinstance(v, str) else v) for k, v in e.items())
        data = bytes(p)
        text = ''.join('\\x%02x' % b for b in data)
        print('{.name = "%s", .size = %d, %s, .data =\n"%s"},' % (name, len(data), fields, text))
    print('};')


if __name__ == '__main__':
    sys.exit(main())
