# SPDX-License-Identifier: Apache-2.0
"""VXLAN against the kernel's device, and between two daemons.

    guest (10.0.0.1) --tap-- br0 --vxlan port-- (br-phy 192.168.7.1) --tap-- peer: eth 192.168.7.2, vxlan device 10.0.0.2
"""
import pytest
from evslib import Lab
from evslib.capture import bad_checksums
from evslib.netns import sh, veth
from evslib.rpc import RpcError
from evslib.wait import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.vxlan import VXLAN

UNDERLAY = {4: ("192.168.7.1", "192.168.7.2", 24), 6: ("fd07::1", "fd07::2", 64)}


def kernel_vxlan(lab, peer, iface, name, vni, local, remote, *addresses, options=()):
    """A VXLAN device of the kernel in the namespace `peer`."""
    peer.run("ip", "link", "add", name, "type", "vxlan", "id", vni, "dstport", 4789, "local", local, "remote", remote,
             "dev", iface, *options)
    peer.run("sysctl", "-qw", f"net.ipv6.conf.{name}.accept_dad=0", check=False)
    for address in addresses:
        peer.run("ip", "address", "add", address, "dev", name)
    peer.run("ip", "link", "set", name, "up")


def site(lab, version, internal=False, underlay_mtu=None):
    """A daemon with its underlay, and the namespace at the other end of it."""
    near, far, length = UNDERLAY[version]
    evsd = lab.evsd()
    evsd.call("bridge.add", name="phy", internal=internal, address=f"{near}/{length}")
    peer, iface = lab.tap_guest(evsd, "u", f"{far}/{length}", bridge="phy", mtu=underlay_mtu)
    return evsd, peer, iface


@pytest.mark.parametrize("version", [4, 6])
def test_kernel(lab, version):
    near, far, _ = UNDERLAY[version]
    evsd, peer, iface = site(lab, version)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=far, vni=77)
    kernel_vxlan(lab, peer, iface, "vx0", 77, far, near, "10.0.0.2/24", "fd00::2/64")
    mtu = 1450 if version == 4 else 1430
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", "fd00::1/64", mtu=mtu)
    wait_for(lambda: peer.can_ping(near), "evs answers for the bridge's address")
    with lab.capture(peer, iface, "udp port 4789" if version == 4 else "ip6", limit=300) as capture:
        wait_for(lambda: guest.can_ping("10.0.0.2"), "the first packets got through")
        guest.ping("10.0.0.2", count=5)
        peer.ping("10.0.0.1", count=5)
        guest.ping("fd00::2", count=3)
        guest.ping("10.0.0.2", count=2, size=mtu - 28, fragment=False)
        capture.wait(20)
    up = guest.iperf(peer, "10.0.0.2")
    down = guest.iperf(peer, "10.0.0.2", "-R")
    assert up["sum_received"]["bytes"] > 4e6 and down["sum_received"]["bytes"] > 2e6
    check_outer(capture.stop(), version, near, far)
    check_by_tshark(capture.path, version)
    wait_for(lambda: [n["state"] for n in evsd.call("neigh.show")] == ["reachable"], "the next hop is there")  # or just asked again
    assert evsd.port("vx")["rx-pkts"] > 20 and evsd.port("vx")["tx-pkts"] > 20
    evsd.check_accounts()


def check_by_tshark(path, version):
    """Another reader of the same capture: nothing malformed, no bad checksum, the fields."""
    checks = [word for proto in ("ip", "udp", "tcp") for word in ("-o", f"{proto}.check_checksum:TRUE")]
    bad = "_ws.malformed or ip.checksum.status == Bad or udp.checksum.status == Bad"
    assert sh("tshark", "-n", "-r", path, *checks, "-Y", f"({bad}) and vxlan") == ""
    ip, ttl = ("ip", "ttl") if version == 4 else ("ipv6", "hlim")
    fields = sh("tshark", "-n", "-r", path, "-Y", f"vxlan and {ip}.src == {UNDERLAY[version][0]}", "-T", "fields",
                "-E", "occurrence=f", *[word for field in ("vxlan.vni", "vxlan.flags", f"{ip}.{ttl}", "udp.dstport", "udp.checksum")
                                        for word in ("-e", field)])
    rows = [line.split("\t") for line in fields.strip().splitlines()]
    assert {tuple(row[:4]) for row in rows} == {("77", "0x0800", "64", "4789")}
    assert all((row[4] == "0x0000") == (version == 4) for row in rows)


def check_outer(packets, version, near, far):
    assert packets
    ours = [p for p in packets if VXLAN in p and p[IP if version == 4 else IPv6].src == near]
    assert len(ours) > 10
    assert not bad_checksums(ours)
    for p in ours:
        outer = p[IP if version == 4 else IPv6]
        assert outer.dst == far and (outer.ttl if version == 4 else outer.hlim) == 64
        assert p[UDP].dport == 4789 and p[UDP].sport >= 49152 and (p[UDP].chksum == 0) == (version == 4)
        assert p[VXLAN].vni == 77 and p[VXLAN].flags == 0x08
        if version == 4:
            assert outer.flags.DF and outer.tos & 0xfc == 0


def test_two_networks(lab):
    """Overlapping addresses in two networks do not meet."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("bridge.add", name="br1", internal=False)
    for vni, bridge in ((1, "br0"), (2, "br1")):
        evsd.call("port.add", bridge=bridge, name=f"vx{vni}", type="vxlan", remote="192.168.7.2", vni=vni)
    kernel_vxlan(lab, peer, iface, "vx1", 1, "192.168.7.2", "192.168.7.1", "10.0.0.2/24")
    first, _ = lab.tap_guest(evsd, "g1", "10.0.0.1/24", bridge="br0", mtu=1450)
    second, _ = lab.tap_guest(evsd, "g2", "10.0.0.1/24", bridge="br1", mtu=1450)
    wait_for(lambda: first.can_ping("10.0.0.2"), "the first network works")
    assert not second.can_ping("10.0.0.2")
    peer.run("ip", "link", "del", "vx1")
    kernel_vxlan(lab, peer, iface, "vx2", 2, "192.168.7.2", "192.168.7.1", "10.0.0.2/24")
    wait_for(lambda: second.can_ping("10.0.0.2"), "the second network works")
    assert not first.can_ping("10.0.0.2")
    kernel_vxlan(lab, peer, iface, "vx3", 3, "192.168.7.2", "192.168.7.1", "10.9.0.2/24")
    assert not peer.can_ping("10.9.0.1")
    wait_for(lambda: evsd.drops().get(("u", "tunnel-unknown-key"), 0) > 0, "a third one is dropped by name")
    evsd.check_accounts()


def test_internal_device(lab):
    """The host's own stack has the address; tunnels end in evs all the same."""
    evsd, peer, iface = site(lab, 4, internal=True)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="192.168.7.2", vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, "192.168.7.2", "192.168.7.1", "10.0.0.2/24")
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    wait_for(lambda: peer.can_ping("192.168.7.1"), "the host's own stack answers")
    evsd.check_accounts()


def test_moved_neighbour(lab):
    """A next hop that changes its station is followed at once."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="192.168.7.2", vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, "192.168.7.2", "192.168.7.1", "10.0.0.2/24")
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    peer.run("ip", "link", "set", iface, "address", "02:00:00:00:77:01")
    peer.run("ip", "neighbour", "flush", "dev", iface)
    peer.ping("192.168.7.1")  # its ARP request tells
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the moved peer")
    assert evsd.call("neigh.show")[0]["mac"] == "02:00:00:00:77:01"


def test_no_route_no_neighbour(lab):
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="far", type="vxlan", remote="203.0.113.9", vni=5)
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    assert not guest.can_ping("10.0.0.2")
    wait_for(lambda: evsd.drops().get(("g", "tunnel-no-route"), 0) > 0, "it is dropped by name")
    evsd.call("route.add", dst="203.0.113.0/24", via="192.168.7.99")
    assert not guest.can_ping("10.0.0.2")
    wait_for(lambda: evsd.drops().get(("g", "tunnel-no-neighbour"), 0) > 0, "what waited in vain is dropped")
    with pytest.raises(RpcError):
        evsd.call("port.add", bridge="br0", name="again", type="vxlan", remote="203.0.113.9", vni=5)
    evsd.check_accounts()


def test_jumbo(lab):
    evsd, peer, iface = site(lab, 4, underlay_mtu=9050)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="192.168.7.2", vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, "192.168.7.2", "192.168.7.1", "10.0.0.2/24")
    peer.run("ip", "link", "set", "vx0", "mtu", 9000)
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=9000)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    guest.ping("10.0.0.2", size=8972, fragment=False)
    assert guest.iperf(peer, "10.0.0.2")["sum_received"]["bytes"] > 4e6
    evsd.check_accounts()


@pytest.fixture(scope="module")
def hosts():
    """guest a -- evs -- veth -- evs -- guest b: one set-up for all kinds."""
    lab = Lab()
    try:
        ends = lab.iface("l"), lab.iface("r")
        veth(lab.stack, *ends)
        sh("ip", "link", "set", ends[1], "up")
        guests = []
        for n, end in enumerate(ends):
            evsd = lab.evsd()
            evsd.call("bridge.add", name="phy", internal=False,
                      address=",".join(f"{UNDERLAY[version][n]}/{UNDERLAY[version][2]}" for version in (4, 6)))
            evsd.call("port.add", bridge="phy", name=f"u{n}", type="af-packet", iface=end)
            guests.append(lab.tap_guest(evsd, f"g{n}", f"10.0.0.{n + 1}/24", mtu=1400)[0])
        yield lab, guests
        for evsd in lab.daemons:
            evsd.check_accounts()
    finally:
        lab.close()


@pytest.mark.parametrize("kind,options", [("vxlan", {"vni": 9}), ("geneve", {"vni": 9, "csum": True}),
                                          ("gre", {"key": 9}), ("nvgre", {"vni": 9}), ("vxlan-gpe", {"vni": 9})])
@pytest.mark.parametrize("version", [4, 6])
def test_two_daemons(hosts, version, kind, options):
    lab, guests = hosts
    for n, evsd in enumerate(lab.daemons):
        evsd.call("port.add", bridge="br0", name=f"t{n}", type=kind, remote=UNDERLAY[version][1 - n],
                  **{key: str(value) if key != "csum" else value for key, value in options.items()})
    try:
        wait_for(lambda: guests[0].can_ping("10.0.0.2"), "the guests reach each other")
        guests[1].ping("10.0.0.1", size=1372, fragment=False)
        assert guests[0].iperf(guests[1], "10.0.0.2")["sum_received"]["bytes"] > 4e6
        assert all(evsd.port(f"t{n}")["rx-pkts"] > 100 for n, evsd in enumerate(lab.daemons))
    finally:
        for n, evsd in enumerate(lab.daemons):
            evsd.call("port.del", name=f"t{n}")
