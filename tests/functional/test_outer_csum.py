# SPDX-License-Identifier: Apache-2.0
"""UDP checksums over IPv6 (RFC 6935): none sent and none accepted unless configured.

    guest (10.0.0.1) --tap-- br0 --vxlan port-- (phy fd07::1) --tap-- peer: eth fd07::2, vxlan device 10.0.0.2
"""
from evslib.capture import bad_checksums
from evslib.wait import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from test_vxlan import UNDERLAY, kernel_vxlan, site

NEAR, FAR, _ = UNDERLAY[6]


def test_zero_checksum(lab):
    """Without csum=off a packet without checksum is dropped, and none is sent; with it the kernel's zero mode works both ways."""
    evsd, peer, iface = site(lab, 6)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1430, quiet=True)
    evsd.call("neigh.add", bridge="phy", address=FAR, mac=peer.mac(iface))
    mac = evsd.call("bridge.show", name="phy")[0]["hwaddr"]

    def outer(n, **udp):
        inner = Ether(src="02:00:00:00:00:99", dst=guest.mac(guest_iface)) / IP(src="10.0.0.2", dst="10.0.0.1") / UDP(sport=n)
        return (Ether(src=peer.mac(iface), dst=mac) / IPv6(src=FAR, dst=NEAR) / UDP(sport=50000, dport=4789, **udp)
                / VXLAN(vni=5, flags=8) / inner)

    def sent(n):
        with lab.capture(peer, iface, "udp port 4789") as capture:
            guest.send(guest_iface, Ether(src=guest.mac(guest_iface), dst="02:00:00:00:00:99") / IP(src="10.0.0.1", dst="10.0.0.2")
                       / UDP(sport=n) / Raw(bytes(99)))
            packets = capture.wait(1, lambda p: p[IPv6].src == NEAR and VXLAN in p and UDP in p[VXLAN] and p[VXLAN][UDP].sport == n)
        assert not bad_checksums(packets)
        return packets[0][UDP].chksum

    def arrived(*packets):
        with lab.capture(guest, guest_iface, "udp") as capture:
            peer.send(iface, *packets)
            last = packets[-1][VXLAN][UDP].sport
            return [p[UDP].sport for p in capture.wait(1, lambda p: p[UDP].sport == last) and capture.packets()]
    assert arrived(outer(1, chksum=0), outer(2, chksum=0x1234), outer(3)) == [3]
    evsd.check_accounts()
    assert evsd.drops()[("vx", "tunnel-bad-header")] == 1 == evsd.drops()[("u", "tunnel-bad-header")]
    assert sent(4) != 0
    evsd.call("port.del", name="vx")
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5, csum=False)
    assert arrived(outer(5, chksum=0x1234), outer(6, chksum=0)) == [6]
    assert sent(7) == 0
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24", options=("udp6zerocsumtx", "udp6zerocsumrx"))
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the kernel's device without checksums")
    evsd.check_accounts()
