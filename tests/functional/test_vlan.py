# SPDX-License-Identifier: Apache-2.0
"""VLAN modes of ports.

    t (trunk: VLANs 10 and 20 on a tagged interface) --+
    a (access, tag 10) --------------------------------+-- br0
    b (access, tag 20) --------------------------------+
"""
import pytest
from evslib import wait_for
from scapy.layers.l2 import Dot1Q, Ether

A, B, T = (f"02:00:00:00:00:{i:02x}" for i in (1, 2, 3))


@pytest.fixture
def vlans(lab):
    evsd = lab.evsd()
    guests = {
        "a": lab.tap_guest(evsd, "a", mac=A, quiet=True, tag=10),
        "b": lab.tap_guest(evsd, "b", mac=B, quiet=True, tag=20),
        "t": lab.tap_guest(evsd, "t", mac=T, quiet=True, trunks="10,20"),
    }
    return evsd, guests


def frame(src, dst, vlan=None):
    head = Ether(src=src, dst=dst) if vlan is not None else Ether(src=src, dst=dst, type=0x88B5)
    return (head / Dot1Q(vlan=vlan, type=0x88B5) if vlan is not None else head) / bytes(range(46))


def ours(packet):
    return packet.lastlayer().load[:4] == bytes(range(4)) if hasattr(packet.lastlayer(), "load") else False


def test_trunk_to_access(lab, vlans):
    evsd, guests = vlans
    captures = {name: lab.capture(*guests[name]) for name in guests}
    guests["t"][0].send(guests["t"][1], frame(T, A, 10), frame(T, B, 20), frame(T, A, 30))
    got_a = captures["a"].wait(1, ours)
    got_b = captures["b"].wait(1, ours)
    assert Dot1Q not in got_a[0] and Dot1Q not in got_b[0]
    wait_for(lambda: evsd.drops().get(("t", "vlan")) == 1, "VLAN 30 is refused by name")
    wait_for(lambda: evsd.macs().get((T, 10)) == "t" == evsd.macs().get((T, 20)), "t is learned in both")

    guests["a"][0].send(guests["a"][1], frame(A, T))
    back = captures["t"].wait(1, lambda p: ours(p) and p[Ether].src == A)
    assert back[0][Dot1Q].vlan == 10
    # a and b live apart.
    guests["a"][0].send(guests["a"][1], frame(A, "ff:ff:ff:ff:ff:ff"))
    captures["t"].wait(2, lambda p: ours(p) and p[Ether].src == A)
    assert not [p for p in captures["b"].stop() if ours(p) and p[Ether].src == A]
    evsd.check_accounts()


def test_native_untagged(lab, vlans):
    evsd, guests = vlans
    evsd.call("port.set", name="t", tag=10, vlan_mode="native-untagged")
    captures = {name: lab.capture(*guests[name]) for name in guests}
    guests["t"][0].send(guests["t"][1], frame(T, A))
    assert Dot1Q not in captures["a"].wait(1, ours)[0]
    guests["a"][0].send(guests["a"][1], frame(A, T))
    assert Dot1Q not in captures["t"].wait(1, lambda p: ours(p) and p[Ether].src == A)[0]
    guests["b"][0].send(guests["b"][1], frame(B, "ff:ff:ff:ff:ff:ff"))
    assert captures["t"].wait(1, lambda p: ours(p) and p[Ether].src == B)[0][Dot1Q].vlan == 20


def test_native_tagged(lab, vlans):
    evsd, guests = vlans
    evsd.call("port.set", name="t", tag=10, vlan_mode="native-tagged")
    captures = {name: lab.capture(*guests[name]) for name in guests}
    guests["t"][0].send(guests["t"][1], frame(T, A))
    captures["a"].wait(1, ours)
    guests["a"][0].send(guests["a"][1], frame(A, T))
    assert captures["t"].wait(1, lambda p: ours(p) and p[Ether].src == A)[0][Dot1Q].vlan == 10


def test_dot1q_tunnel(lab, vlans):
    evsd, guests = vlans
    evsd.call("port.set", name="a", tag=10, vlan_mode="dot1q-tunnel", qinq_ethtype="802.1ad")
    captures = {name: lab.capture(*guests[name]) for name in guests}
    guests["a"][0].send(guests["a"][1], frame(A, T, 7))
    got = captures["t"].wait(1, lambda p: p[Ether].src == A)[0]
    assert got[Ether].type == 0x88A8, got.summary()
    assert (got.payload.vlan, got.payload.payload.vlan) == (10, 7)


def test_protected_ports(lab, vlans):
    evsd, guests = vlans
    for name in "ab":
        evsd.call("port.set", name=name, tag=10, protected=True)
    captures = {name: lab.capture(*guests[name]) for name in guests}
    guests["a"][0].send(guests["a"][1], frame(A, "ff:ff:ff:ff:ff:ff"))
    captures["t"].wait(1, ours)
    assert not [p for p in captures["b"].stop() if ours(p)]


def test_access_ports_of_one_vlan(lab):
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24", tag=10)
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24", tag=10)
    c, _ = lab.tap_guest(evsd, "c", "10.0.0.3/24", tag=11)
    a.ping("10.0.0.2")
    assert not a.can_ping("10.0.0.3")
    evsd.call("port.set", name="c", tag=10)
    wait_for(lambda: a.can_ping("10.0.0.3"))
    evsd.check_accounts()
