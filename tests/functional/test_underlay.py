# SPDX-License-Identifier: Apache-2.0
"""The underlay inside evs: several addresses, VLANs, the kernel's addresses and routes, neighbours that age and lie.

    guest (10.0.0.1) --tap-- br0 --tunnel-- (phy, addresses) --uplink-- the rest
"""
import subprocess

import pytest
from evslib.netns import sh, veth
from evslib.ofctl import Ofctl
from evslib.rpc import RpcError
from evslib.wait import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from test_vxlan import kernel_vxlan, site

NEAR, FAR = "192.168.7.1", "192.168.7.2"


def routes(evsd):
    return {row["dst"]: row for row in evsd.call("route.show")}


def test_addresses_and_vlan(lab):
    """Two daemons whose underlays are tagged, with addresses of both IP versions; a third address is untagged."""
    ends = lab.iface("l"), lab.iface("r")
    veth(lab.stack, *ends)
    sh("ip", "link", "set", ends[1], "up")
    guests = []
    for n, end in enumerate(ends):
        evsd = lab.evsd()
        evsd.call("bridge.add", name="phy", internal=False,
                  address=f"192.168.7.{n + 1}/24@100,fd07::{n + 1}/64@200,192.168.8.{n + 1}/24")
        evsd.call("port.add", bridge="phy", name=f"u{n}", type="af-packet", iface=end)
        for kind, remote in (("v4", f"192.168.7.{2 - n}"), ("v6", f"fd07::{2 - n}"), ("plain", f"192.168.8.{2 - n}")):
            evsd.call("bridge.add", name=kind, internal=False)
            evsd.call("port.add", bridge=kind, name=f"t{kind}", type="vxlan", remote=remote, vni=5)
            guests.append(lab.tap_guest(evsd, f"{kind}{n}", f"10.0.0.{n + 1}/24", bridge=kind, mtu=1400)[0])
    with lab.capture(Here, ends[1]) as capture:
        for guest in guests[:3]:
            wait_for(lambda: guest.can_ping("10.0.0.2"), "the guests reach each other")
        capture.wait(6, lambda p: VXLAN in p)
    assert {net_and_vlan(p) for p in capture.packets() if VXLAN in p} == {("192.168.7", 100), ("fd07", 200), ("192.168.8", 0)}
    assert routes(lab.daemons[0])["192.168.7.0/24"]["vlan"] == 100
    assert "push-vlan" not in lab.daemons[0].evsctl("cache", "dump")  # the tag is part of the prebuilt header
    # A tag that is not the address's: nothing answers.
    lab.daemons[1].call("bridge.set", name="phy", address="192.168.7.2/24@101")
    assert not guests[0].can_ping("10.0.0.2")
    with pytest.raises(RpcError, match="internal=off"):
        lab.daemons[0].call("bridge.add", name="x", address="192.168.9.1/24@5")
    with pytest.raises(RpcError, match="VLAN is 1 to 4094"):
        lab.daemons[0].call("bridge.set", name="phy", address="192.168.9.1/24@4095")
    for evsd in lab.daemons:
        evsd.check_accounts()


def net_and_vlan(frame):
    tag = frame.payload if isinstance(frame.payload, Dot1Q) else None
    outer = tag.payload if tag else frame.payload
    return outer.src.rsplit(".", 1)[0] if isinstance(outer, IP) else outer.src.split(":")[0], tag.vlan if tag else 0


class Here:
    """This namespace, for a capture."""

    @staticmethod
    def popen(*words, **options):
        return subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, **options)


def test_kernel_addresses_and_routes(lab):
    """Addresses of the internal device and routes of the host serve tunnels, as they come and go."""
    host = lab.netns("h")
    evsd = lab.evsd(start=False)
    evsd.argv = host.argv(*evsd.argv)
    evsd.start()
    evsd.call("bridge.add", name="br0", internal=False)
    evsd.call("bridge.add", name="phy")
    host.run("ip", "link", "set", "phy", "up")
    host.run("ip", "address", "add", f"{NEAR}/24", "dev", "phy")
    host.run("ip", "address", "add", "192.168.8.1/24", "dev", "phy")
    wait_for(lambda: {"192.168.7.0/24", "192.168.8.0/24"} <= set(routes(evsd)), "the device's addresses are followed")
    peer = lab.netns("u")
    iface = lab.iface("u")
    evsd.call("port.add", bridge="phy", name="u", type="tap", ifname=iface)
    host.run("ip", "link", "set", iface, "netns", peer.name)
    peer.run("ip", "address", "add", f"{FAR}/24", "dev", iface)
    peer.run("ip", "address", "add", "203.0.113.9/32", "dev", "lo")
    peer.run("ip", "link", "set", iface, "up")
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="203.0.113.9", vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, "203.0.113.9", NEAR, "10.0.0.2/24")
    guest, guest_iface = lab.netns("g"), lab.iface("g")
    evsd.call("port.add", bridge="br0", name="g", type="tap", ifname=guest_iface, mtu=1450)
    host.run("ip", "link", "set", guest_iface, "netns", guest.name)
    guest.run("ip", "address", "add", "10.0.0.1/24", "dev", guest_iface)
    guest.run("ip", "link", "set", guest_iface, "mtu", 1450, "up")
    assert not guest.can_ping("10.0.0.2")
    wait_for(lambda: evsd.drops().get(("g", "tunnel-no-route"), 0) > 0, "it is dropped by name")
    host.run("ip", "route", "add", "203.0.113.0/24", "via", FAR)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the kernel's route is followed")
    assert routes(evsd)["203.0.113.0/24"]["by"] == "kernel"
    # The longest prefix; of one network, the lowest metric; several next hops at once; IPv6.
    host.run("ip", "route", "add", "203.0.113.0/24", "via", "192.168.7.77", "metric", 10, check=False)
    host.run("ip", "route", "add", "203.0.113.8/30", "via", "192.168.7.99")
    wait_for(lambda: not guest.can_ping("10.0.0.2"), "the longer prefix counts")
    host.run("ip", "route", "del", "203.0.113.8/30")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "and goes again")
    assert [row["via"] for row in evsd.call("route.show") if row["dst"] == "203.0.113.0/24"] == [FAR]
    host.run("ip", "route", "add", "198.51.100.0/24", "nexthop", "via", FAR, "weight", 3, "nexthop", "via", "192.168.8.7")
    wait_for(lambda: {r["via"] for r in evsd.call("route.show") if r["dst"] == "198.51.100.0/24"} == {FAR, "192.168.8.7"},
             "both next hops are there")
    weights_count(lab, evsd, (guest, guest_iface), (peer, iface))
    host.run("ip", "address", "add", "fd07::1/64", "dev", "phy", "nodad")
    host.run("ip", "-6", "route", "add", "2001:db8::/32", "via", "fd07::2")
    wait_for(lambda: routes(evsd).get("2001:db8::/32", {}).get("state") == "active", "IPv6, too")
    # What a person configures goes before; what no bridge leads to is not kept.
    evsd.call("route.add", dst="203.0.113.0/24", via="192.168.7.98")
    assert not guest.can_ping("10.0.0.2")
    evsd.call("route.del", dst="203.0.113.0/24", via="192.168.7.98")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the kernel's is back")
    host.run("ip", "address", "del", "192.168.8.1/24", "dev", "phy")
    wait_for(lambda: "192.168.8.0/24" not in routes(evsd), "an address that goes takes its network along")
    evsd.call("bridge.set", name="phy", **{"follow-kernel": False})
    wait_for(lambda: not routes(evsd), "nothing is followed where that is not wanted")
    evsd.check_accounts()


def weights_count(lab, evsd, guest, peer):
    """Of 256 flows to 198.51.100.0/24, three in four go by the next hop whose weight is 3."""
    macs = {FAR: "02:00:00:00:77:03", "192.168.8.7": "02:00:00:00:77:01"}
    for address, mac in macs.items():
        evsd.call("neigh.add", bridge="phy", address=address, mac=mac)
    assert {r["via"]: r["weight"] for r in evsd.call("route.show") if r["dst"] == "198.51.100.0/24"} == {FAR: 3, "192.168.8.7": 1}
    evsd.call("port.add", bridge="br0", name="w", type="vxlan", remote="198.51.100.9", vni=6)
    own = guest[0].mac(guest[1])
    frames = [Ether(src=own, dst="02:00:00:00:00:99") / IP(src="10.0.0.1", dst="10.0.0.3") / UDP(sport=n, dport=9)
              for n in range(1000, 1256)]
    with lab.capture(*peer, "udp port 4789", limit=2000) as capture:
        guest[0].send(guest[1], *frames)
        went = [p.dst for p in capture.wait(256, lambda p: VXLAN in p and p[VXLAN].vni == 6 and UDP in p[VXLAN] and p[VXLAN][UDP].dport == 9)]
    assert set(went) == set(macs.values()) and 152 <= went.count(macs[FAR]) <= 232  # 192, and six deviations
    evsd.call("port.del", name="w")
    for address in macs:
        evsd.call("neigh.del", bridge="phy", address=address)


def test_neighbour_ages(lab):
    """A neighbour is asked again; one that is silent is given up, and found again."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("bridge.set", name="phy", **{"neigh-age": 1})
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24")
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    with lab.capture(peer, iface, "arp") as capture:
        capture.wait(2, lambda p: p[ARP].op == 1 and p[ARP].pdst == FAR)  # probes of a neighbour that is there
    assert evsd.call("neigh.show")[0]["state"] in ("reachable", "probe")
    peer.run("ip", "link", "set", iface, "arp", "off")
    wait_for(lambda: [n["state"] for n in evsd.call("neigh.show")] in ([], ["failed"]), "the silent one is given up")
    assert not guest.can_ping("10.0.0.2")
    peer.run("ip", "link", "set", iface, "arp", "on")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "it is found again")
    evsd.check_accounts()


def test_spoofed_and_flooding_neighbours(lab):
    """Nobody gets into the table of neighbours unasked, redirects a pinned one, or fills it; very many remotes neither."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("bridge.set", name="phy", address=f"{NEAR}/24,fd07::1/64,172.16.0.1/12")
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24")
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    mac = evsd.call("bridge.show", name="phy")[0]["hwaddr"]
    right = peer.mac(iface)
    evsd.call("neigh.add", bridge="phy", address=FAR, mac=right)
    spoofed = [Ether(src="02:00:00:00:66:00", dst=mac) / ARP(op=2, psrc=f"192.168.7.{n}", pdst=NEAR,
                                                                              hwsrc=f"02:00:00:00:66:{n:02x}", hwdst=mac)
               for n in range(2, 250)]
    spoofed += [Ether(src="02:00:00:00:66:01", dst=mac) / IPv6(src=f"fd07::{n:x}", dst="fd07::1", hlim=255)
                / ICMPv6ND_NA(tgt=f"fd07::{n:x}", S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:66:01")
                for n in range(2, 100)]
    peer.send(iface, *spoofed, *[bytes(p)[:20 + n % 30] for n, p in enumerate(spoofed)])
    wait_for(lambda: peer.can_ping(NEAR), "the address answers")
    assert [(n["address"], n["mac"], n["state"]) for n in evsd.call("neigh.show")] == [(FAR, right, "static")]
    # Very many remotes, chosen by rules: the table is bounded, each packet is counted.
    evsd.call("port.add", bridge="br0", name="any", type="vxlan", remote="flow", vni="flow", ofport=9)
    port = evsd.port("g")["ofport"]
    Ofctl(evsd).add(*[f"priority=9,in_port={port},udp,tp_dst={n},actions="
                      f"set_field:::ffff:172.16.{1 + n // 250}.{1 + n % 250}->tun_ipv6_dst,set_field:7->tun_id,output:9"
                      for n in range(1, 2001)])
    own = guest.mac(guest_iface)
    many = [Ether(src=own, dst="02:00:00:00:00:99") / IP(src="10.0.0.1", dst="10.0.0.9") / UDP(sport=1, dport=n)
            for n in range(1, 2001)]
    for n in range(100, 2001, 100):  # 128 wait for neighbours, no more; the others are dropped at once
        guest.send(guest_iface, *many[n - 100:n])
        wait_for(lambda n=n: evsd.drops().get(("g", "tunnel-no-neighbour"), 0) >= n - 128, "the others are dropped")
    wait_for(lambda: evsd.drops().get(("g", "tunnel-no-neighbour"), 0) >= 2000, "each is dropped under its name")
    assert len(evsd.call("neigh.show")) <= 1024
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest has its way")
    evsd.check_accounts()
