# SPDX-License-Identifier: Apache-2.0
"""Tunnels as an overlay needs them: first packets, meshes, ends chosen by rules, group policies, hostile senders.

    guest (10.0.0.1) --tap-- br0 --tunnels-- (phy 192.168.7.1) --tap-- peer: eth 192.168.7.2, kernel's devices
"""
import struct

import pytest
from evslib.capture import bad_checksums
from evslib.ofctl import Ofctl
from evslib.rpc import RpcError
from evslib.wait import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from test_vxlan import UNDERLAY, kernel_vxlan, site

NEAR, FAR = "192.168.7.1", "192.168.7.2"


def guest_of(lab, evsd):
    guest, iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    return guest, iface


def test_first_packet_waits(lab):
    """A packet that comes before the next hop is known is late, not lost."""
    evsd, peer, iface = site(lab, 4)
    guest, guest_iface = guest_of(lab, evsd)
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24")
    guest.run("ip", "neighbour", "add", "10.0.0.2", "lladdr", peer.mac("vx0"), "dev", guest_iface)
    peer.run("ip", "neighbour", "add", "10.0.0.1", "lladdr", guest.mac(guest_iface), "dev", "vx0")
    assert evsd.call("neigh.show") == []
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    assert " 0% packet loss" in guest.run("ping", "-c", 1, "-W", 60, "10.0.0.2")
    wait_for(lambda: [n["state"] for n in evsd.call("neigh.show")] == ["reachable"], "the next hop is known")
    evsd.check_accounts()


def test_first_packet_keeps_its_options(lab):
    """A packet that waits leaves with the Geneve options that a rule gave it."""
    evsd, peer, iface = site(lab, 4)
    guest, guest_iface = guest_of(lab, evsd)
    evsd.call("bridge.set", name="br0", **{"geneve-options": "0x102/5/4=tun_metadata0"})
    evsd.call("flow.add", bridge="br0", flows=["priority=8,actions=drop", "priority=9,udp,actions=set_field:0x11223344->tun_metadata0,output:9"])
    evsd.call("port.add", bridge="br0", name="t", type="geneve", remote=FAR, vni=5, ofport=9)
    assert evsd.call("neigh.show") == []
    with lab.capture(peer, iface, "udp port 6081") as capture:
        guest.send(guest_iface, Ether(src=guest.mac(guest_iface), dst="02:00:00:00:00:99") / IP(src="10.0.0.1", dst="10.0.0.2")
                   / UDP(sport=7, dport=8) / b"the first and last")
        got = capture.wait(1, lambda p: UDP in p and p[UDP].dport == 6081 and bytes(p)[-4:] == b"last")
    assert bytes(got[0][UDP].payload)[:16] == bytes.fromhex("02006558" "00000500" "01020501" "11223344")
    assert ("t", "tunnel-no-neighbour") not in evsd.drops()
    evsd.check_accounts()


def test_split_horizon(lab):
    """What comes out of one tunnel of a mesh does not go into another, unless that is wanted."""
    evsd, peer, iface = site(lab, 4)
    for vni in (1, 2):
        evsd.call("port.add", bridge="br0", name=f"vx{vni}", type="vxlan", remote=FAR, vni=vni)
        kernel_vxlan(lab, peer, iface, f"vx{vni}", vni, FAR, NEAR)
    guest, guest_iface = guest_of(lab, evsd)
    peer.run("ip", "address", "add", "10.0.0.2/24", "dev", "vx1")
    with lab.capture(peer, "vx2", "arp") as capture:
        wait_for(lambda: peer.can_ping("10.0.0.1"), "the guest answers")
        guest.run("ip", "neighbour", "flush", "dev", guest_iface)
        guest.can_ping("10.0.0.77")  # a question of the guest goes into both
        asked = capture.wait(1, lambda p: p[ARP].pdst == "10.0.0.77")
        assert asked and not [p for p in capture.packets() if p[ARP].psrc == "10.0.0.2"]
    for vni in (1, 2):
        evsd.call("port.del", name=f"vx{vni}")
        evsd.call("port.add", bridge="br0", name=f"vx{vni}", type="vxlan", remote=FAR, vni=vni, **{"split-horizon": False})
    with lab.capture(peer, "vx2", "arp") as capture:
        peer.can_ping("10.0.0.78")
        capture.wait(1, lambda p: p[ARP].psrc == "10.0.0.2")


def test_ends_and_policy_by_rules(lab):
    """remote=flow, vni=flow, group policy: rules set them on the way out and match them on the way in."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="flow", vni="flow", gbp=True, ofport=9)
    guest, guest_iface = guest_of(lab, evsd)
    port = evsd.port("g")["ofport"]
    Ofctl(evsd).add(
        f"priority=9,in_port={port},actions=set_field:{FAR}->tun_dst,set_field:700->tun_id,"
        "set_field:100->tun_gbp_id,output:9",
        f"priority=9,in_port=9,tun_id=701,tun_src={FAR},tun_gbp_id=0x65,actions=output:{port}",
        "priority=8,in_port=9,actions=drop")
    with lab.capture(peer, iface, "udp port 4789") as capture:  # the first packet waits for the neighbour, with its fields
        guest.send(guest_iface, Ether(src=guest.mac(guest_iface), dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.0.0.1", pdst="10.0.0.2"))
        sent = capture.wait(1, lambda p: VXLAN in p and ARP in p)[0]
    assert sent[IP].dst == FAR and sent[VXLAN].vni == 700
    assert bytes(sent[VXLAN])[:4] == struct.pack("!BBH", 0x88, 0, 100)
    inner = bytes(Ether(src="02:00:00:00:00:99", dst=guest.mac(guest_iface)) / IP(src="10.0.0.2", dst="10.0.0.1")
                  / UDP(sport=1, dport=2) / b"policy")

    def told(group, vni):
        return struct.pack("!BBHI", 0x88, 0, group, vni << 8) + inner
    before = evsd.port("g")["tx-pkts"]
    outer = Ether(src=peer.mac(iface), dst=sent.src) / IP(src=FAR, dst=NEAR) / UDP(sport=50000, dport=4789, chksum=0)
    peer.send(iface, outer / Raw(told(0x66, 701)), outer / Raw(told(0x65, 702)), outer / Raw(told(0x65, 701)))
    wait_for(lambda: evsd.port("g")["tx-pkts"] == before + 1, "the one that fits came through")
    assert evsd.port("vx")["rx-pkts"] >= 3
    assert f"tun_src={FAR}" in Ofctl(evsd).run("dump-flows") and f"tun_src={FAR}" in evsd.evsctl("flow", "dump", "br0")
    # A port that does not ask for policies does not believe them.
    evsd.call("port.del", name="vx")
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="flow", vni="flow", ofport=9)
    before = evsd.port("g")["tx-pkts"]
    peer.send(iface, outer / Raw(told(0x65, 701)))
    wait_for(lambda: evsd.drops().get(("vx", "rule"), 0) > 0, "it meets the other rule")
    assert evsd.port("g")["tx-pkts"] == before
    evsd.check_accounts()


def test_several_next_hops(lab):
    """Two routers to one remote: flows go by both; when one falls silent, all go by the other."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="203.0.113.9", vni=5)
    guest, guest_iface = guest_of(lab, evsd)
    macs = ["02:00:00:00:77:01", "02:00:00:00:77:02"]
    for n in (0, 1):
        evsd.call("route.add", dst="203.0.113.0/24", via=f"192.168.7.10{n}")
        evsd.call("neigh.add", bridge="phy", address=f"192.168.7.10{n}", mac=macs[n])

    def ways(port):
        frames = [Ether(src=guest.mac(guest_iface), dst="02:00:00:00:00:99") / IP(src="10.0.0.1", dst="10.0.0.2")
                  / UDP(sport=n, dport=port) for n in range(1000, 1032)]
        with lab.capture(peer, iface, "udp port 4789") as capture:
            guest.send(guest_iface, *frames)
            return {p.dst for p in capture.wait(32, lambda p: VXLAN in p and UDP in p[VXLAN] and p[VXLAN][UDP].dport == port)}
    assert ways(1) == set(macs)
    with pytest.raises(RpcError, match="name one"):
        evsd.call("route.del", dst="203.0.113.0/24")
    evsd.call("neigh.del", bridge="phy", address="192.168.7.100")
    assert ways(2) == {macs[1]}
    evsd.call("route.del", dst="203.0.113.0/24", via="192.168.7.100")
    assert ways(3) == {macs[1]} and len(evsd.call("route.show")) == 2
    evsd.check_accounts()


def test_hostile(lab):
    """Outer headers that lie are dropped, each under a name; what is right goes on working."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    evsd.call("port.add", bridge="br0", name="gnv", type="geneve", remote=FAR, vni=5)
    evsd.call("port.add", bridge="br0", name="gre", type="gre", remote=FAR, key="5")
    guest, _ = guest_of(lab, evsd)
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    mac = evsd.call("bridge.show", name="phy")[0]["hwaddr"]
    inner = bytes(Ether(src="02:00:00:00:00:99", dst="ff:ff:ff:ff:ff:ff") / IP(dst="10.0.0.1") / UDP() / b"x")
    eth = Ether(src=peer.mac(iface), dst=mac)
    ip = IP(src=FAR, dst=NEAR)
    udp = UDP(sport=50000, dport=4789, chksum=0)

    def vxlan(flags, vni, rest=inner):
        return eth / ip / udp / Raw(struct.pack("!II", flags << 24, vni << 8) + rest)

    def geneve(first, rest):
        return eth / ip / UDP(sport=50000, dport=6081, chksum=0) / Raw(struct.pack("!BBHI", first, 0, 0x6558, 5 << 8) + rest)

    def gre(head):
        return eth / IP(src=FAR, dst=NEAR, proto=47) / Raw(head + inner)
    nested = bytes(vxlan(8, 5))
    bad = [vxlan(0, 5), vxlan(8, 5, b""), vxlan(8, 5, inner[:13]),  # no VNI, no frame, half a header
           eth / ip / udp / Raw(b"\x08\0\0"),  # less than a header
           eth / ip / UDP(sport=1, dport=4789, len=2000, chksum=0) / Raw(bytes(60)),
           eth / ip / UDP(sport=1, dport=4789, len=4, chksum=0) / Raw(bytes(60)),
           eth / ip / UDP(sport=1, dport=4789, chksum=0x1234) / Raw(struct.pack("!II", 8 << 24, 5 << 8) + inner),
           geneve(0x40, inner), geneve(0x3f, bytes(16)),  # version, options beyond the end
           geneve(0x01, bytes([0, 1, 0, 5]) + inner),  # an option longer than all of them
           gre(bytes.fromhex("20016558")), gre(bytes.fromhex("40006558"))]  # version, source routing
    unknown = [vxlan(8, 6), gre(bytes.fromhex("2000655800000006"))]
    peer.send(iface, *[*bad, *unknown, vxlan(8, 5, nested)] * 3)
    wait_for(lambda: evsd.drops().get(("u", "tunnel-bad-header"), 0) >= 3 * len(bad), "the bad ones are dropped")
    wait_for(lambda: evsd.drops().get(("u", "tunnel-unknown-key"), 0) >= 3 * len(unknown), "the unknown ones are, too")
    evsd.check_accounts()
    assert evsd.drops()[("u", "tunnel-bad-header")] == 3 * len(bad), evsd.drops()
    wait_for(lambda: guest.can_ping("10.0.0.2"), "what is right goes on")


ECN_IN = {(0, 0): 0, (0, 1): 0, (0, 2): 0, (0, 3): None, (1, 0): 1, (1, 1): 1, (1, 2): 1, (1, 3): 3,
          (2, 0): 2, (2, 1): 1, (2, 2): 2, (2, 3): 3, (3, 0): 3, (3, 1): 3, (3, 2): 3, (3, 3): 3}  # RFC 6040, figure 4: (inner, outer)


# what is behind IP, before a frame of network 5; GRE and NVGRE: without UDP
HEADS = {"vxlan": (4789, "0800000000000500"), "vxlan-gpe": (4790, "0c00000300000500"), "geneve": (6081, "0000655800000500"),
         "gre": (None, "2000655800000005"), "nvgre": (None, "2000655800000500")}


def ip_layer(version, inside, **fields):
    """An IP header of either version; inside: from the peer's side of the tunnel, or from the tenant behind it."""
    if version == 4:
        ends = ("10.0.0.2", "10.0.0.1") if inside else (FAR, NEAR)
        return IP(src=ends[0], dst=ends[1], **fields)
    names = {"tos": "tc", "ttl": "hlim", "proto": "nh"}
    ends = ("fd00::2", "fd00::1") if inside else (UNDERLAY[6][1], UNDERLAY[6][0])
    return IPv6(src=ends[0], dst=ends[1], **{names[name]: value for name, value in fields.items()})


def marks(packet):
    """TOS, TTL, and whether routers must not fragment, of the outermost IP header."""
    ip = packet.getlayer(IP) if packet.type == 0x800 else packet[IPv6]
    return (ip.tos, ip.ttl, "DF" in str(ip.flags)) if packet.type == 0x800 else (ip.tc, ip.hlim, False)


@pytest.mark.parametrize("below", [4, 6])
@pytest.mark.parametrize("kind", list(HEADS))
def test_marks_and_ttl(lab, kind, below):
    """ECN both ways by RFC 6040, DSCP and TTL inherited, DF off, for both IP versions inside."""
    evsd, peer, iface = site(lab, below)
    guest, guest_iface = guest_of(lab, evsd)
    near, far, _ = UNDERLAY[below]
    evsd.call("port.add", bridge="br0", name="t", type=kind, remote=far, tos="inherit", ttl="inherit", df=False,
              **({"key": "5"} if kind == "gre" else {"vni": "5"}))
    evsd.call("neigh.add", bridge="phy", address=far, mac=peer.mac(iface))
    mac = evsd.call("bridge.show", name="phy")[0]["hwaddr"]
    given = [(0, 9), (0xb9, 10), (0x2a, 11), (0x03, 12)]
    away = Ether(src=guest.mac(guest_iface), dst="02:00:00:00:00:99")
    out = [away / ip / UDP(sport=1000 + ttl, dport=ttl) for tos, ttl in given
           for ip in (IP(src="10.0.0.1", dst="10.0.0.2", tos=tos, ttl=ttl), IPv6(src="fd00::1", dst="fd00::2", tc=tos, hlim=ttl))]
    with lab.capture(peer, iface, "ether src " + mac) as capture:
        guest.send(guest_iface, *out)
        sent = capture.wait(8, lambda p: p.type in (0x800, 0x86dd) and 9 <= marks(p)[1] <= 12)
    assert [marks(p) for p in sent] == [(*pair, False) for pair in given for _ in (4, 6)]
    port, head = HEADS[kind]

    def outer(inside, inner_ecn, outer_ecn):
        inner = bytes(Ether(src="02:00:00:00:00:99", dst=guest.mac(guest_iface))
                      / ip_layer(inside, True, tos=0xb8 | inner_ecn) / UDP(sport=inner_ecn, dport=100 + outer_ecn))
        ip = ip_layer(below, False, tos=0x28 | outer_ecn, **({} if port else {"proto": 47}))
        # Over IPv6 a checksum must be there (RFC 8200, 8.1), over IPv4 none need be.
        udp = UDP(sport=50000, dport=port, **({"chksum": 0} if below == 4 else {})) if port else Raw(b"")
        return Ether(src=peer.mac(iface), dst=mac) / ip / udp / Raw(bytes.fromhex(head) + inner)
    for inside in (4, 6):
        with lab.capture(guest, guest_iface, "udp" if inside == 4 else "ip6 proto 17") as capture:
            peer.send(iface, *[outer(inside, *pair) for pair in ECN_IN])
            capture.wait(15, lambda p: UDP in p and 100 <= p[UDP].dport <= 103)
        got = {(p[UDP].sport, p[UDP].dport - 100): marks(p)[0] for p in capture.packets() if UDP in p and 100 <= p[UDP].dport <= 103}
        assert got == {pair: 0xb8 | ecn for pair, ecn in ECN_IN.items() if ecn is not None}
        assert not bad_checksums(capture.packets())
    evsd.check_accounts()
    assert evsd.drops()[("t", "tunnel-bad-header")] == 2


def test_refused_options(lab):
    """What a kind or a value can not do is refused with the reason."""
    evsd, _, _ = site(lab, 4)
    for kind, options, why in (("nvgre", {"vni": 5, "csum": True}, "csum"), ("vxlan", {"vni": 1 << 24}, "vni"),
                               ("vxlan", {"vni": 5, "ttl": "256"}, "ttl"), ("vxlan", {"vni": 5, "tos": "256"}, "tos"),
                               ("geneve", {"vni": 5, "gbp": True}, "gbp"), ("vxlan", {"vni": 5, "key": "5"}, "key")):
        with pytest.raises(RpcError, match=why):
            evsd.call("port.add", bridge="br0", name="t", type=kind, remote=FAR, **options)
    assert [p["name"] for p in evsd.call("port.show") if p["type"] in HEADS] == []
