# SPDX-License-Identifier: Apache-2.0
"""Floods at the end of a tunnel: tunnels within tunnels, remotes and networks without number. Everything is counted, guests keep their way.

    guest (10.0.0.1) --tap-- br0 --vxlan port-- (phy 192.168.7.1) --tap-- peer: eth 192.168.7.2, vxlan device 10.0.0.2
"""
import random
import struct

from evslib.wait import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from test_overlay import FAR, NEAR, guest_of
from test_vxlan import kernel_vxlan, site


def vxlan(mac, src, vni, inner, sport=50000):
    return (Ether(src=src[0], dst=mac) / IP(src=src[1], dst=NEAR) / UDP(sport=sport, dport=4789, chksum=0)
            / Raw(struct.pack("!II", 8 << 24, vni << 8) + bytes(inner)))


def recursions(evsd):
    return sum(n for (_, reason), n in evsd.drops().items() if reason == "recursion")


def test_remotes_and_networks(lab):
    """Senders and networks that nobody configured, among packets of one that somebody did."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    guest, guest_iface = guest_of(lab, evsd)
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    mac, here = evsd.call("bridge.show", name="phy")[0]["hwaddr"], peer.mac(iface)
    rng = random.Random(6)
    inner = (Ether(src="02:00:00:00:00:99", dst=guest.mac(guest_iface)) / IP(src="10.0.0.2", dst="10.0.0.1")
             / UDP(sport=1, dport=2) / b"in a tunnel that is known")
    strange = [vxlan(mac, (here, f"203.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"), 5, inner)
               for _ in range(1000)]
    strange += [vxlan(mac, (here, FAR), rng.randrange(6, 1 << 24), inner, rng.randrange(49152, 65536)) for _ in range(1000)]
    known = [vxlan(mac, (here, FAR), 5, inner, 49152 + n) for n in range(500)]
    before = evsd.port("vx")["rx-pkts"], evsd.drops().get(("u", "tunnel-unknown-key"), 0)
    rng.shuffle(strange)
    for n in range(10):  # a ring of the tap device holds them
        peer.send(iface, *strange[n::10], *known[n::10])
        wait_for(lambda n=n: evsd.port("vx")["rx-pkts"] >= before[0] + len(known[0::10]) * (n + 1), "what is known comes in")
    wait_for(lambda: evsd.drops()[("u", "tunnel-unknown-key")] - before[1] == len(strange), "each of the others is counted")
    assert len(evsd.call("neigh.show")) == 1
    flows = [f for f in evsd.call("cache.dump") if "tunnel-pop" in f["actions"]]
    assert len(flows) == 1 and flows[0]["pkts"] >= len(strange) + len(known), flows
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest has its way")
    evsd.check_accounts()


def test_tunnel_in_tunnel(lab):
    """A tunnel that ends in the bridge where it came from: some rounds, and no more."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="phy", name="vx", type="vxlan", remote=FAR, vni=5)
    mac, here = evsd.call("bridge.show", name="phy")[0]["hwaddr"], peer.mac(iface)

    def nested(depth):
        frame = Ether(src="02:00:00:00:00:99", dst="02:00:00:00:00:77", type=0x88b5) / Raw(bytes(60))
        for _ in range(depth):
            frame = vxlan(mac, (here, FAR), 5, frame)
        return frame
    peer.send(iface, nested(3))
    wait_for(lambda: evsd.port("vx")["rx-pkts"] == 3, "three within each other come out")
    assert recursions(evsd) == 0
    for n in range(1, 5):  # by the long way first, then by the short one
        peer.send(iface, *[nested(20)] * 5)
        wait_for(lambda n=n: recursions(evsd) == 5 * n, "what goes on is dropped under its name")
    assert evsd.port("vx")["rx-pkts"] == 3 + 20 * 9
    evsd.check_accounts()


def test_tunnel_through_itself(lab):
    """The way to the remote end leads into the tunnel: a drop with a name, for this tunnel only."""
    evsd, peer, iface = site(lab, 4)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=FAR, vni=5)
    guest, guest_iface = guest_of(lab, evsd)
    kernel_vxlan(lab, peer, iface, "vx0", 5, FAR, NEAR, "10.0.0.2/24")
    evsd.call("bridge.add", name="loop", internal=False, address="10.9.0.1/24")
    other, other_iface = lab.tap_guest(evsd, "o", "10.8.0.1/24", bridge="loop")
    evsd.call("neigh.add", bridge="loop", address="10.9.0.2", mac="02:00:00:00:09:02")
    evsd.call("port.add", bridge="loop", name="self", type="vxlan", remote="10.9.0.2", vni=9)
    other.send(other_iface, *[Ether(src=other.mac(other_iface), dst="ff:ff:ff:ff:ff:ff", type=0x88b5) / Raw(bytes(60))] * 20)
    wait_for(lambda: recursions(evsd) >= 20, "tunnels within tunnels end")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "another tunnel works on")
    evsd.check_accounts()
