# SPDX-License-Identifier: Apache-2.0
"""ARP and ND suppression: questions for stations behind a tunnel are answered where they are asked.

    guest (10.0.0.1) --tap-- br0 --vxlan port, flood=a-- (phy 192.168.7.1) --tap-- a: eth 192.168.7.2, vxlan device 10.0.0.2
"""
import itertools
import struct

import pytest
from evslib.rpc import RpcError
from evslib.wait import wait_for
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from test_flood_list import A, HERE, device, host, port

FAR, FAR_IP, FAR_IP6 = "02:00:00:00:00:f1", "10.0.0.2", "fd00::2"
ALL, NODES = "ff:ff:ff:ff:ff:ff", "33:33:ff:00:00:02"


def place(lab, **options):
    """evs with a guest, suppression on, and a namespace behind the tunnel that speaks by raw frames only."""
    evsd = host(lab, **options)
    evsd.call("bridge.set", name="br0", **{"arp-suppress": True})
    a, iface = lab.tap_guest(evsd, "a", f"{A}/24", bridge="phy", quiet=True)
    device(a, iface, "vx0", A, HERE)
    a.run("ip", "link", "set", "vx0", "arp", "off")
    port(evsd, flood=A)
    guest, guest_iface = lab.tap_guest(evsd, "g", mtu=1450, quiet=True)
    evsd.call("neigh.add", bridge="phy", address=A, mac=a.mac(iface))
    return evsd, a, guest, guest_iface


def says(mac, ip, vlan=None):
    """A station announces itself, by ARP or ND."""
    eth = Ether(src=mac, dst=ALL) / Dot1Q(vlan=vlan) if vlan else Ether(src=mac, dst=ALL)
    if ":" in ip:
        return eth / IPv6(src=ip, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=ip, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    return eth / ARP(op=2, hwsrc=mac, psrc=ip, hwdst=ALL, pdst=ip)


def asks(mac, own, target, dst=ALL, vlan=None):
    eth = Ether(src=mac, dst=dst) / Dot1Q(vlan=vlan) if vlan else Ether(src=mac, dst=dst)
    if ":" in target:
        return (eth / IPv6(src=own, dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt=target)
                / ICMPv6NDOptSrcLLAddr(lladdr=mac))
    return eth / ARP(op=1, hwsrc=mac, psrc=own, pdst=target)


def bindings(evsd):
    return {(b["address"], b["vlan"]): b["mac"] for b in evsd.call("binding.show", bridge="br0")}


def is_question(packet, target):
    if ARP in packet:
        return packet[ARP].op == 1 and packet[ARP].pdst == target
    return ICMPv6ND_NS in packet and packet[ICMPv6ND_NS].tgt == target


def test_answers(lab):
    """Known by ARP, ND or by hand: the guest is answered, as scapy would, and nobody else is asked; tags come back."""
    evsd, a, guest, iface = place(lab)
    own = guest.mac(iface)
    a.send("vx0", says(FAR, FAR_IP), says(FAR, FAR_IP6), says(FAR, "10.0.0.7", vlan=30))
    wait_for(lambda: bindings(evsd) == {(FAR_IP, 0): FAR, (FAR_IP6, 0): FAR, ("10.0.0.7", 30): FAR}, "what it says is known")
    evsd.call("binding.add", bridge="br0", address="10.0.0.9", mac="02:00:00:00:00:99")
    mark = "10.0.0.250"  # comes behind the others
    with lab.capture(guest, iface, "arp or icmp6 or vlan") as near, lab.capture(a, "vx0", "arp or icmp6 or vlan") as far:
        guest.send(iface, asks(own, "10.0.0.1", FAR_IP), asks(own, "fd00::1", FAR_IP6, NODES), asks(own, "10.0.0.1", "10.0.0.9"),
                   asks(own, "10.0.0.1", "10.0.0.7", vlan=30), asks(own, "10.0.0.1", mark))
        far.wait(1, lambda p: is_question(p, mark))
        near.wait(4, lambda p: p[Ether].dst == own)
        assert {p[ARP].pdst for p in far.packets() if ARP in p and p[ARP].op == 1} == {mark}
        assert not [p for p in far.packets() if ICMPv6ND_NS in p]
        got = [p for p in near.packets() if p[Ether].dst == own]
    want = [Ether(src=FAR, dst=own) / ARP(op=2, hwsrc=FAR, psrc=FAR_IP, hwdst=own, pdst="10.0.0.1"),
            Ether(src=FAR, dst=own) / IPv6(src=FAR_IP6, dst="fd00::1", hlim=255) / ICMPv6ND_NA(tgt=FAR_IP6, R=0, S=1, O=1)
            / ICMPv6NDOptDstLLAddr(lladdr=FAR),
            Ether(src="02:00:00:00:00:99", dst=own) / ARP(op=2, hwsrc="02:00:00:00:00:99", psrc="10.0.0.9", hwdst=own, pdst="10.0.0.1"),
            Ether(src=FAR, dst=own) / Dot1Q(vlan=30) / ARP(op=2, hwsrc=FAR, psrc="10.0.0.7", hwdst=own, pdst="10.0.0.1")]
    assert sorted(bytes(p) for p in got) == sorted(bytes(p) for p in want)
    ofport = evsd.port("g")["ofport"]
    trace = evsd.evsctl("trace", "br0", f"in_port={ofport},arp,dl_src={own},dl_dst={ALL},arp_op=1,arp_sha={own},arp_spa=10.0.0.1,arp_tpa={FAR_IP}")
    assert f"answers for {FAR_IP} at {FAR}, behind 'vx': not flooded" in trace and f"answer({FAR})" in trace
    assert FAR_IP6 in evsd.evsctl("binding", "show", "br0")
    evsd.call("bridge.set", name="br0", **{"arp-suppress": False})  # and off it goes
    with lab.capture(a, "vx0", "arp") as far:
        guest.send(iface, asks(own, "10.0.0.1", FAR_IP))
        far.wait(1, lambda p: is_question(p, FAR_IP))
    assert bindings(evsd) == {("10.0.0.9", 0): "02:00:00:00:00:99"}
    evsd.check_accounts()


def test_not_answered(lab):
    """Duplicate probes, announcements, probes of one station, questions for oneself, and questions through the tunnel go on."""
    evsd, a, guest, iface = place(lab)
    own = guest.mac(iface)
    a.send("vx0", says(FAR, FAR_IP), says(FAR, FAR_IP6), says(own, "10.0.0.5"))
    guest.send(iface, says(own, "10.0.0.1"))
    wait_for(lambda: len(bindings(evsd)) == 4, "all are known")
    probe6 = Ether(src=own, dst=NODES) / IPv6(src="::", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt=FAR_IP6)
    forged = asks(own, "fd00::1", FAR_IP6, NODES)
    forged[IPv6].hlim = 64  # came over a router: not for us to answer
    strange = asks(own, "10.0.0.1", FAR_IP)
    strange[ARP].hwsrc = "02:00:00:00:00:66"
    a.send("vx0", says(FAR, "fe80::2"))  # whoever asks hears from it whether it is a router
    router = asks(own, "fd00::1", "fe80::2", NODES)
    goes_on = [router, asks(own, "0.0.0.0", FAR_IP), probe6, asks(own, FAR_IP, FAR_IP), asks(own, "10.0.0.1", FAR_IP, dst=FAR),
               asks(own, "10.0.0.1", "10.0.0.5"), forged, strange]
    with lab.capture(guest, iface, "arp or icmp6") as near, lab.capture(a, "vx0", "arp or icmp6") as far:
        guest.send(iface, *goes_on)
        wait_for(lambda: len([p for p in far.packets() if p[Ether].src == own]) == len(goes_on), "all of them go on")
        a.send("vx0", asks(FAR, FAR_IP, "10.0.0.1"))
        near.wait(1, lambda p: is_question(p, "10.0.0.1"))
        assert not [p for p in near.packets() if p[Ether].dst == own]
    assert bindings(evsd)[(FAR_IP, 0)] in (FAR, own) and ("fe80::2", 0) not in bindings(evsd)
    evsd.check_accounts()


def test_changes_and_lies(lab):
    """An announcement moves a binding, but once a second; a pinned one stays; floods end at a bound, and are counted."""
    evsd, a, guest, iface = place(lab, config=True)
    own = guest.mac(iface)

    def stats():
        return evsd.call("bridge.show", name="br0")[0]["bindings"]
    a.send("vx0", says(FAR, FAR_IP))
    wait_for(lambda: bindings(evsd) == {(FAR_IP, 0): FAR}, "it is known")
    evsd.call("binding.add", bridge="br0", address="10.0.0.9", mac="02:00:00:00:00:99")

    def moved():
        a.send("vx0", says("02:00:00:00:00:f2", FAR_IP))
        return bindings(evsd)[(FAR_IP, 0)] == "02:00:00:00:00:f2"
    wait_for(moved, "an announcement moves it", interval=0.2)
    with lab.capture(guest, iface, "arp") as near:
        guest.send(iface, asks(own, "10.0.0.1", FAR_IP))
        assert near.wait(1, lambda p: p[Ether].dst == own)[0][ARP].hwsrc == "02:00:00:00:00:f2"
    for _ in range(20):  # two that fight for an address
        a.send("vx0", says(FAR, FAR_IP), says("02:00:00:00:00:f2", FAR_IP))
    wait_for(lambda: stats()["held"] > 0, "not all of it counts")
    a.send("vx0", says("02:00:00:00:00:66", "10.0.0.9"), says("02:00:00:00:00:66", HERE), says("02:00:00:00:00:66", "10.0.0.66"))
    wait_for(lambda: ("10.0.0.66", 0) in bindings(evsd), "what came last is known")
    assert bindings(evsd)[("10.0.0.9", 0)] == "02:00:00:00:00:99"
    shape = bytes(says("02:00:00:00:00:01", "10.1.1.1"))
    numbers = itertools.count(1 << 16)

    def flooded():
        a.send("vx0", *[shape[:28] + struct.pack("!I", 10 << 24 | n) + shape[32:] for n in itertools.islice(numbers, 500)])
        return stats()["evicted"] > 0
    wait_for(flooded, "a flood of bindings ends at the bound", interval=0.05)
    assert stats()["entries"] == stats()["size"] == len(bindings(evsd))
    assert bindings(evsd)[("10.0.0.9", 0)] == "02:00:00:00:00:99"
    before = evsd.call("config.show")
    evsd.kill()
    evsd.start()
    assert evsd.call("config.show") == before and bindings(evsd) == {("10.0.0.9", 0): "02:00:00:00:00:99"}
    with pytest.raises(RpcError, match="no such binding"):
        evsd.call("binding.del", bridge="br0", address="10.0.0.8")
    with pytest.raises(RpcError, match="link-local"):
        evsd.call("binding.add", bridge="br0", address="fe80::8", mac=FAR)
    with pytest.raises(RpcError, match="one station"):
        evsd.call("binding.add", bridge="br0", address="10.0.0.8", mac=ALL)
    evsd.call("binding.del", bridge="br0", address="10.0.0.9")
    assert bindings(evsd) == {}


def test_port_goes(lab):
    """What was heard by a tunnel goes with its port: the list is empty, and questions are flooded until it is heard anew."""
    evsd, a, guest, iface = place(lab)
    a.send("vx0", says(FAR, FAR_IP), says(FAR, FAR_IP6))
    wait_for(lambda: len(bindings(evsd)) == 2, "both are known")
    evsd.call("port.del", name="vx")
    assert bindings(evsd) == {} and evsd.call("bridge.show", name="br0")[0]["bindings"]["entries"] == 0
    port(evsd, flood=A)
    with lab.capture(guest, iface, "arp") as near, lab.capture(a, "vx0", "arp") as far:
        guest.send(iface, asks(guest.mac(iface), "10.0.0.1", FAR_IP))
        far.wait(1, lambda p: is_question(p, FAR_IP))
        a.send("vx0", says(FAR, FAR_IP))
        wait_for(lambda: (FAR_IP, 0) in bindings(evsd), "it is known again")
        guest.send(iface, asks(guest.mac(iface), "10.0.0.1", FAR_IP))
        near.wait(1, lambda p: p[ARP].op == 2 and p[ARP].psrc == FAR_IP and p[Ether].dst == guest.mac(iface))
    evsd.check_accounts()
