# SPDX-License-Identifier: Apache-2.0
"""Outer packets that do not fit: fragments that come are put together, within bounds; guests are told what fits.

    guest (10.0.0.1) --tap-- br0 --vxlan-- (phy 192.168.7.1) --tap-- peer: eth 192.168.7.2, kernel's vxlan 10.0.0.2
"""
import pytest
from evslib.capture import bad_checksums
from evslib.wait import wait_for
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from test_vxlan import UNDERLAY, kernel_vxlan, site


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_come(lab, version):
    """What was fragmented on its way reaches the guest whole. Lies and floods are bounded."""
    near, far, _ = UNDERLAY[version]
    evsd, peer, iface = site(lab, version)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=far, vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, far, near, "10.0.0.2/24")
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=4000)
    tenant, tenant_iface = lab.tap_guest(evsd, "t", mtu=4000, tag=100)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    mac = evsd.call("bridge.show", name="phy")[0]["hwaddr"]
    eth = Ether(src=peer.mac(iface), dst=mac)
    body = IP(src="10.0.0.2", dst="10.0.0.1") / ICMP() / Raw(bytes(3900))

    def pieces(ident, inner=Ether(src="02:00:00:00:00:99", dst=guest.mac(guest_iface)) / body):
        vxlan = UDP(sport=50000, dport=4789) / VXLAN(vni=5, flags=8) / inner
        if version == 4:
            return [eth / p for p in fragment(IP(src=far, dst=near, id=ident) / vxlan, 1400)]
        return [eth / p for p in fragment6(IPv6(src=far, dst=near) / IPv6ExtHdrFragment(id=ident) / vxlan, 1400)]
    with lab.capture(guest, guest_iface, "icmp") as capture:
        peer.send(iface, *pieces(7), *reversed(pieces(8)))
        whole = capture.wait(2, lambda p: p[ICMP].type == 8 and len(p) == 14 + 20 + 8 + 3900)
    assert not bad_checksums(whole)
    with lab.capture(tenant, tenant_iface, "icmp") as capture:  # whose tag goes: the frame has one of its own
        peer.send(iface, *pieces(6, Ether(src="02:00:00:00:00:98", dst=tenant.mac(tenant_iface)) / Dot1Q(vlan=100) / body))
        capture.wait(1, lambda p: p[ICMP].type == 8 and len(p) == 14 + 20 + 8 + 3900 and Dot1Q not in p)
    assert not [key for key in evsd.drops() if key[1].startswith("fragment")]
    # Fragments alone, those that overlap, and many packets that never end.
    if version == 4:
        def part(ident, offset, more, size):
            return eth / IP(src=far, dst=near, id=ident, flags="MF" if more else 0, frag=offset, proto=17) / Raw(bytes(size))
    else:
        def part(ident, offset, more, size):
            return eth / IPv6(src=far, dst=near) / IPv6ExtHdrFragment(id=ident, offset=offset, m=more, nh=17) / Raw(bytes(size))
    peer.send(iface, part(1, 0, 1, 512), part(2, 8, 0, 512))
    wait_for(lambda: evsd.drops().get(("u", "fragment-timeout"), 0) == 2, "what is never whole is given up")
    peer.send(iface, *[part(n, 0, 1, 64) for n in range(1000, 2000)])
    wait_for(lambda: evsd.drops().get(("u", "fragment-refused"), 0) + evsd.drops().get(("u", "fragment-timeout"), 0) >= 1002,
             "a flood is refused or given up")
    peer.send(iface, part(3, 0, 1, 64), part(3, 4, 1, 64), part(3, 8, 0, 64), part(4, 8, 0, 3), bytes(part(5, 0, 1, 64))[:40])
    evsd.check_accounts()
    with lab.capture(guest, guest_iface, "icmp") as capture:
        peer.send(iface, *pieces(9))
        capture.wait(1, lambda p: p[ICMP].type == 8)


@pytest.mark.parametrize("version", [4, 6])
def test_senders_are_told(lab, version):
    """With tell-mtu a guest whose packets are too long for the underlay learns what fits; without, they are dropped."""
    near, far, _ = UNDERLAY[version]
    fits = 1450 if version == 4 else 1430
    evsd, peer, iface = site(lab, version)
    kernel_vxlan(lab, peer, iface, "vx0", 5, far, near, "10.0.0.2/24", "fd00::2/64")
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", "fd00::1/64", mtu=4000)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=far, vni=5)
    wait_for(lambda: guest.can_ping("10.0.0.2") and guest.can_ping("fd00::2"), "the guest reaches the peer")
    assert not guest.can_ping("10.0.0.2", size=2000, fragment=False)
    wait_for(lambda: evsd.drops().get(("u", "tx-mtu"), 0) > 0, "it is dropped by name")
    evsd.call("port.del", name="vx")
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=far, vni=5, **{"tell-mtu": True})
    with lab.capture(guest, guest_iface, "icmp or icmp6") as capture:
        for address, options in (("10.0.0.2", []), ("fd00::2", ["-6"])):
            def told():
                guest.can_ping(address, size=2000, fragment=False)
                return f"mtu {fits}" in guest.run("ip", *options, "route", "get", address)
            wait_for(told, f"the guest knows the way's MTU to {address}")
            guest.ping(address, size=2000)  # in fragments now
    assert not bad_checksums(capture.stop())
    assert "check-mtu" in evsd.evsctl("cache", "dump")
    evsd.check_accounts()
