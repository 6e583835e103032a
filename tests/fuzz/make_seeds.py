#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the fuzzers start from: make_seeds.py DIRECTORY (tests/fuzz/corpus is made of it).

Frames of scapy, with edits and offload requests behind or before them as the targets read them;
OpenFlow messages of os-ken; calls of JSON-RPC; settings of qos.set.
"""
import hashlib
import json
import pathlib
import struct
import sys

from os_ken.ofproto.ofproto_protocol import ProtocolDesc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "pkt"))
sys.dont_write_bytecode = True
from gen_frames import frames  # noqa: E402

IPV4, IPV6, TCP_CKSUM, UDP_CKSUM, TCP_SEG, UDP_SEG = 1 << 55, 1 << 56, 1 << 52, 3 << 52, 1 << 50, 1 << 42


def lengths(l2, l3, l4=0, mss=0):
    return l2 | l3 << 7 | l4 << 16 | mss << 24


def request(frame, flags, lens, caps, split=200):
    return struct.pack("<QQBBBB4x", flags, lens, caps, split, 0, 127) + frame


def offloads(frame, fields):
    l3, l4 = fields.get("l3", 0), fields.get("l4", 0)
    if not l4 or fields.get("proto") not in (6, 17) or fields.get("frag"):
        return
    tcp = fields["proto"] == 6
    kind = IPV6 if fields.get("lines") else IPV4
    yield request(frame, kind | (TCP_CKSUM if tcp else UDP_CKSUM), lengths(l3, l4 - l3), 0)
    flags = kind | (TCP_SEG | TCP_CKSUM if tcp else UDP_SEG)
    for caps in (0, 1):
        yield request(frame, flags, lengths(l3, l4 - l3, 20 if tcp else 8, 16), caps)


def edits(frame):
    ops = bytes(op for i in range(16) for op in [i] + [0xff, 0x0f] * 12)
    for split in (0, 14, 40):
        yield struct.pack(">HBB", len(frame), split, 32) + frame + ops[split:split + 120]


def messages():
    dp = ProtocolDesc(version=4)
    of, p = dp.ofproto, dp.ofproto_parser
    match = p.OFPMatch(in_port=1, eth_type=0x800, ip_proto=17, ipv4_dst=("10.0.0.0", "255.0.0.0"), udp_dst=53,
                       vlan_vid=0x1005, metadata=(1, 3))
    acts = [p.OFPActionSetField(eth_dst="02:00:00:00:00:01"), p.OFPActionPushVlan(0x8100), p.OFPActionDecNwTtl(),
            p.OFPActionPushMpls(0x8847), p.OFPActionGroup(3), p.OFPActionSetQueue(1), p.OFPActionOutput(2, 128)]
    insts = [p.OFPInstructionMeter(1, 0), p.OFPInstructionActions(of.OFPIT_APPLY_ACTIONS, acts),
             p.OFPInstructionActions(of.OFPIT_WRITE_ACTIONS, acts[:1]), p.OFPInstructionWriteMetadata(5, 15),
             p.OFPInstructionGotoTable(7)]
    buckets = [p.OFPBucket(weight=1, watch_port=2, watch_group=of.OFPG_ANY, actions=acts[-1:])] * 2
    band = [p.OFPMeterBandDrop(rate=1000, burst_size=10), p.OFPMeterBandDscpRemark(rate=9, burst_size=1, prec_level=1)]
    any_flow = dict(table_id=255, out_port=of.OFPP_ANY, out_group=of.OFPG_ANY, cookie=0, cookie_mask=0, match=match)
    yield from (p.OFPHello(dp), p.OFPEchoRequest(dp, b"echo"), p.OFPFeaturesRequest(dp), p.OFPBarrierRequest(dp),
                p.OFPSetConfig(dp, 0, 128), p.OFPGetAsyncRequest(dp), p.OFPRoleRequest(dp, of.OFPCR_ROLE_MASTER, 1),
                p.OFPFlowMod(dp, match=match, instructions=insts, out_port=of.OFPP_ANY, out_group=of.OFPG_ANY),
                p.OFPGroupMod(dp, of.OFPGC_ADD, of.OFPGT_SELECT, 3, buckets),
                p.OFPMeterMod(dp, of.OFPMC_ADD, of.OFPMF_KBPS, 1, band),
                p.OFPPacketOut(dp, of.OFP_NO_BUFFER, of.OFPP_CONTROLLER, acts[-1:], bytes(60)),
                p.OFPPortMod(dp, 1, "02:00:00:00:00:01", 0, 0, 0), p.OFPTableMod(dp, 1, 0),
                p.OFPFlowStatsRequest(dp, 0, **any_flow), p.OFPAggregateStatsRequest(dp, 0, **any_flow),
                p.OFPDescStatsRequest(dp, 0), p.OFPTableStatsRequest(dp, 0), p.OFPPortStatsRequest(dp, 0, of.OFPP_ANY),
                p.OFPGroupStatsRequest(dp, 0, of.OFPG_ALL), p.OFPMeterStatsRequest(dp, 0, of.OFPM_ALL),
                p.OFPQueueStatsRequest(dp, 0, of.OFPP_ANY, of.OFPQ_ALL), p.OFPPortDescStatsRequest(dp, 0),
                p.OFPTableFeaturesStatsRequest(dp, 0, []))


def calls():
    for method, params in (
            ("version", None), ("rpc.describe", {}), ("bridge.add", {"name": "br0", "dpid": "0000000000000001"}),
            ("port.add", {"bridge": "br0", "name": "p0", "type": "tap", "tag": 5, "trunks": [1, 2], "mtu": 9000}),
            ("port.set", {"name": "p0", "vlan-mode": "trunk", "up": False}), ("port.del", {"name": "p0"}),
            ("fdb.add", {"bridge": "br0", "mac": "02:00:00:00:00:01", "port": "p0", "vlan": 3}),
            ("worker.add", {"cpu": 1}), ("queue.move", {"port": "p0", "queue": 0, "cpu": 1}),
            ("subscribe", {"topics": ["port", "worker"]}), ("cache.dump", {"limit": 10}),
            ("transaction", {"calls": [{"method": "bridge.del", "params": {"name": "br0"}}]})):
        call = {"jsonrpc": "2.0", "id": 1, "method": method}
        yield {**call, "params": params} if params is not None else call
    yield [{"jsonrpc": "2.0", "id": "a", "method": "version"}, {"jsonrpc": "2.0", "method": "version", "params": []}]


def tunnels():
    from scapy.contrib.geneve import GENEVE
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import GRE, Ether
    from scapy.layers.vxlan import VXLAN
    from scapy.packet import Raw

    inner = Ether() / IP() / UDP() / b"inner"
    options = bytes([0, 1, 0x80, 1, 1, 2, 3, 4])
    for ip in (IP(), IPv6(dst="::1")):
        bodies = [UDP(dport=4789) / VXLAN(vni=5) / inner, UDP(dport=4790) / VXLAN(flags=0x0c, vni=5, NextProtocol=1) / inner[IP],
                  UDP(dport=6081) / GENEVE(vni=5, optionlen=2) / Raw(options + bytes(inner)),
                  GRE(proto=0x6558, chksum_present=1, key_present=1, seqnum_present=1, key=5) / inner,
                  GRE(proto=0x6558, key_present=1, key=0x500) / inner]
        for kind, body in enumerate(bodies):
            yield bytes([kind, 0]) + bytes(Ether() / ip / body)
            yield bytes([kind, 60]) + bytes(Ether() / ip / body)


def neighbours():
    """Frames about neighbours and echo, to the addresses that the targets have."""
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
    from scapy.layers.l2 import ARP, Dot1Q, Ether

    far = "02:00:00:00:00:f1"
    eth = Ether(src=far, dst="ff:ff:ff:ff:ff:ff")
    for arp in (ARP(op=1, hwsrc=far, psrc="192.168.7.2", pdst="192.168.7.1"), ARP(op=2, hwsrc=far, psrc="192.168.7.2", pdst="10.0.0.9"),
                ARP(op=1, hwsrc=far, psrc="10.0.0.1", pdst="10.0.0.9")):
        yield eth / arp
    yield eth / Dot1Q(vlan=100) / ARP(op=1, hwsrc=far, psrc="10.9.0.2", pdst="10.9.0.1")
    ip6 = IPv6(src="fd07::2", dst="ff02::1:ff00:1", hlim=255)
    yield eth / ip6 / ICMPv6ND_NS(tgt="fd07::1") / ICMPv6NDOptSrcLLAddr(lladdr=far)
    yield eth / ip6 / ICMPv6ND_NA(tgt="fd07::2") / ICMPv6NDOptDstLLAddr(lladdr=far)
    yield Ether(src=far, dst="02:00:00:00:00:b0") / IP(src="192.168.7.2", dst="192.168.7.1") / ICMP() / b"echo"
    yield Ether(src=far, dst="02:00:00:00:00:b0") / IPv6(src="fd07::2", dst="fd07::1") / ICMPv6EchoRequest(data=b"echo")


def pieces():
    from scapy.layers.inet import IP, UDP, fragment
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    body = UDP(dport=4789) / Raw(bytes(700))
    for parts in (fragment(IP(id=7) / body, 256), fragment6(IPv6(dst="::1") / IPv6ExtHdrFragment(id=7) / body, 400)):
        for order in (parts, parts[::-1], parts[:-1]):
            frames = [bytes(Ether() / p) for p in order]
            yield b"".join(struct.pack("!BH", 0x80 * (n & 1) | (0x7f if n == len(frames) - 1 else 0), len(f)) + f
                           for n, f in enumerate(frames))


def joins():
    """Segments of STT as tun_join_fuzz reads them, 16 bytes each: frame, total, offset, size, what is wrong, time."""
    whole = [(1, 4, 2 * n, 3, 0, 1) for n in range(4)]
    other = [(2, 4, 2 * n, 3, 0, 1) for n in range(4)]
    orders = [whole, whole[::-1], whole[:3], whole + whole, [s for pair in zip(whole, other) for s in pair]]
    orders += [[(*step[:4], wrong, 1) for step in whole] for wrong in (1, 3, 4, 8, 16, 0x40, 0x58)]
    orders += [[*whole[:2], (3, 4, 0, 3, 0, 255), *whole[2:]], [(n, 200, 0, 3, 0, 0) for n in range(64)]]
    for steps in orders:
        yield b"".join(struct.pack("6B", *step) for step in steps)


def texts():
    matches = ["", "in_port=1", "priority=7,tcp,nw_src=10.0.0.0/8,tp_dst=0x50/0xfff0", "ipv6,ipv6_dst=2001:db8::/32,nw_frag=later",
               "arp,arp_tpa=10.0.0.1,dl_vlan=7", "table=3,cookie=0x1/0xff,udp,tun_id=5,reg1=1/1,idle_timeout=9",
               "icmp6,icmp_type=135,nd_target=fe80::1", "dl_type=0x8847,mpls_label=7,metadata=0x10/0xf0"]
    actions = ["drop", "NORMAL", "output:2,controller:128", "set_field:10->ip_dscp,mod_dl_dst:02:00:00:00:00:01,LOCAL",
               "push_vlan:0x8100,set_field:4103->vlan_vid,group:3", "meter:1,write_actions(output:1),goto_table:4",
               "resubmit(,2),load:0x5->NXM_NX_REG0[0..7],move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "clear_actions,dec_ttl,in_port"]
    for n, match in enumerate(matches):
        for action in (actions[n], actions[n - 3]):
            yield f"{match},actions={action}" if match else f"actions={action}"
    yield "group_id=1,type=select,bucket=weight:2,output:1,bucket=weight:1,output:2"
    yield "group_id=2,type=ff,bucket=watch_port:1,output:1,bucket=watch_port:2,output:2"
    yield "meter=1,pktps,burst,stats,bands=type=drop,rate=100,burst_size=10"


def settings():
    yield "egress.average=200M\negress.peak=500M\negress.burst=25MB\ningress.average=200M\ningress.mode=shape"
    yield ("egress.average=1G\negress.layer=l1\negress.dscp-map=46:1,34:2\negress.pcp-map=5:2\nqueue.1.priority=0\n"
           "queue.1.aqm=none\nqueue.1.max-rate=10M\nqueue.2.min-rate=8k\nqueue.2.class=7\nclass.7.min-rate=1M\n"
           "class.7.max-rate=60M\nclass.7.burst=2000\nqueue.3.weight=4\nqueue.3.limit=9\negress.backlog=32")
    yield "egress.average=1M\nqueue.0.aqm=wred\nqueue.0.wred-min=5\nqueue.0.wred-max=100\nqueue.0.wred-drop=500"
    yield ("ingress.average=1M\ningress.tcm=rfc4115\ningress.excess=2M\ningress.excess-burst=3kB\ningress.yellow=remark\n"
           "ingress.red=0\ningress.colour-aware=on\ningress.layer=l1")
    yield "ingress.average=1M\ningress.peak=2M\nstorm.broadcast=1pps\nstorm.multicast=8k\nstorm.unknown-unicast=1.5Mbit/s"
    yield '{"egress.average": "99999999999999999999", "queue.4095.weight": 100, "egress.burst": null, "queue.1.min-rate": 8e3}'


def rings(flags, order, sizes, chained, table=False):
    """A guest's memory as vhu_ring_fuzz reads it: a ring of 4 that sends, one of 4 that receives, the bytes."""
    gpa, at, header = 0x1000, 0x100, 12 if flags & 8 else 10
    memory, descs = bytearray(0x6000), []
    for size in sizes:
        parts = [header, 100, size - 100] if chained else [header + size]
        for i, part in enumerate(parts):
            descs.append((gpa + at, part, int(i + 1 < len(parts)), len(descs) + 1))
            at += part
    if table:
        memory[0x2800:0x2820] = struct.pack("<QIHH", gpa + 0x100, header, 1, 1) + struct.pack("<QIHH", gpa + 0x100 + header, sizes[0], 0, 0)
        descs = [(gpa + 0x2800, 32, 4, 0)]
    descs += [(0, 0, 0, 0)] * (4 - len(descs))
    into = [(gpa + 0x3000 + i * 0xb00, 0xb00, 2, 0) for i in range(4)]
    seed = struct.pack("<BBBBHHHH", order, flags, 0, 0, 0, 0, 0, 0)
    for n, table in ((1 if chained else len(sizes), descs), (4, into)):
        seed += struct.pack("<HH4HH", 0, n, 0, 1, 2, 3, 0) + b"".join(struct.pack("<QIHH", *desc) for desc in table) + bytes(38)
    return seed + memory


def packed_rings(flags, order, sizes, form="single", odd=0):
    """The same with packed rings of 8 or 7, wrap counters set; the guest polls. A frame takes a descriptor, a chain or a table."""
    gpa, at, header, n = 0x1000, 0x100, 12 if flags & 8 else 10, 8 - odd
    memory, out = bytearray(0x6000), []
    for size in sizes:
        parts = [header + size] if form == "single" else [header, 50, size - 50]
        descs = []
        for i, part in enumerate(parts):
            descs.append((gpa + at, part, len(out), 1 << 7 | (form == "chain" and i + 1 < len(parts))))
            at += part
        if form == "table":
            table = 0x2800 + 0x100 * len(out)
            memory[table:table + 48] = b"".join(struct.pack("<QIHH", *desc) for desc in descs)
            descs = [(gpa + table, 48, len(out), 1 << 7 | 4)]
        out += descs
    into = [(gpa + 0x3000 + i * 0x600, 0x600, i, 1 << 7 | 2) for i in range(n)]
    seed = struct.pack("<BBBBHHHH", order, flags | 16, 1, odd, 0x8000, 0x8000, 0, 0)
    for table in (out + [(0, 0, 0, 0)] * (n - len(out)), into):
        seed += struct.pack("<HH", 0, 1) + b"".join(struct.pack("<QIHH", *desc) for desc in table) + bytes(4)
    return seed + memory


def seeds():
    for flags in (0, 12, 15):
        for sizes in ([64], [1500, 900], [800] * 8):
            yield "vhu_ring", packed_rings(flags, 1, sizes)
        for form in ("single", "chain", "table"):
            for odd in (0, 1):
                yield "vhu_ring", packed_rings(flags, 1, [1400, 900], form, odd)
        yield "vhu_ring", rings(flags, 1, [1400], False, True)
    for flags in (0, 2, 8, 11, 12, 15):
        for order in range(4):
            for sizes, chained in (([64], False), ([1500, 1500], False), ([1500], True), ([64, 1500, 9000], False)):
                yield "vhu_ring", rings(flags, order, sizes, chained)
    for setting in settings():
        yield "qos_read", setting.encode()
    for text in texts():
        yield "of_text", text.encode()
    for seed in joins():
        yield "tun_join", seed
    for seed in tunnels():
        yield "tun_pop", seed
    for seed in pieces():
        yield "outer_frag", seed
    talk = [bytes(frame) for frame in neighbours()]
    for frame in talk:
        yield "own", b"\2" + frame
        yield "own", b"\3" + frame
    for way in (0, 0x80):
        yield "suppress", b"".join(bytes([way ^ 0x80 * (n & 1), len(frame)]) + frame for n, frame in enumerate(talk * 2))
    for _, packet, fields in frames():
        frame = bytes(packet)
        yield "pkt_parse", b"\xff" + frame
        yield "pkt_parse", b"\x14" + frame
        for seed in edits(frame):
            yield "pkt_edit", seed
        for seed in offloads(frame, fields):
            yield "pkt_offload", seed
    for message in messages():
        message.set_xid(1)
        message.serialize()
        yield "of_decode", bytes(message.buf)
        yield "of_roundtrip", bytes(message.buf)
    for call in calls():
        yield "rpc", json.dumps(call).encode()


def main():
    for target, data in seeds():
        directory = pathlib.Path(sys.argv[1]) / f"{target}_fuzz"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
