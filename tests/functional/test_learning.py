# SPDX-License-Identifier: Apache-2.0
"""A bridge learns where addresses live.

    a --tap--+
    b --tap--+-- br0        frames are sent raw, kernels are quiet (no IPv6)
    c --tap--+
"""
import pytest
from evslib import RpcError, wait_for
from scapy.layers.l2 import Ether

MAC = {name: f"02:00:00:00:00:0{i}" for i, name in enumerate("abc", 1)}
PAYLOAD = bytes(46)


@pytest.fixture
def three(lab):
    evsd = lab.evsd()
    guests = {name: lab.tap_guest(evsd, name, mac=MAC[name], quiet=True) for name in "abc"}
    return evsd, guests


def frame(src, dst):
    return Ether(src=src, dst=dst, type=0x88B5) / PAYLOAD


def send(guests, name, *frames):
    guest, iface = guests[name]
    guest.send(iface, *frames)


def ours(packet):
    return packet[Ether].type == 0x88B5


def learned(evsd, mac, port):
    wait_for(lambda: evsd.macs().get((mac, 0)) == port, f"{mac} is learned at {port}")


def test_flood_then_unicast(lab, three):
    evsd, guests = three
    with lab.capture(*guests["b"]) as at_b, lab.capture(*guests["c"]) as at_c:
        send(guests, "a", frame(MAC["a"], MAC["b"]))
        at_b.wait(1, ours)
        at_c.wait(1, ours)  # nobody knows b yet
        learned(evsd, MAC["a"], "a")
        send(guests, "b", frame(MAC["b"], MAC["a"]))
        learned(evsd, MAC["b"], "b")
        send(guests, "a", *[frame(MAC["a"], MAC["b"])] * 20)
        at_b.wait(21, lambda p: ours(p) and p[Ether].dst == MAC["b"])
    assert len([p for p in at_c.stop() if ours(p)]) == 1
    evsd.check_accounts()


def test_a_moved_address_redirects_at_once(lab, three):
    evsd, guests = three
    send(guests, "b", frame(MAC["b"], MAC["a"]))
    learned(evsd, MAC["b"], "b")
    send(guests, "a", *[frame(MAC["a"], MAC["b"])] * 5)  # a cached flow towards b exists now
    send(guests, "c", frame(MAC["b"], MAC["a"]))
    learned(evsd, MAC["b"], "c")
    with lab.capture(*guests["b"]) as at_b, lab.capture(*guests["c"]) as at_c:
        send(guests, "a", *[frame(MAC["a"], MAC["b"])] * 5)
        at_c.wait(5, ours)
    assert not [p for p in at_b.stop() if ours(p)]


def test_static_entries_neither_move_nor_age(lab, three):
    evsd, guests = three
    evsd.call("fdb.add", bridge="br0", mac=MAC["b"], port="b")
    send(guests, "c", frame(MAC["b"], MAC["a"]))
    send(guests, "c", frame(MAC["c"], MAC["a"]))
    learned(evsd, MAC["c"], "c")
    assert evsd.macs()[(MAC["b"], 0)] == "b"
    evsd.call("fdb.flush", bridge="br0")
    assert evsd.macs() == {(MAC["b"], 0): "b"}
    evsd.call("fdb.del", bridge="br0", mac=MAC["b"])
    assert evsd.macs() == {}
    with pytest.raises(RpcError, match=MAC["b"]):
        evsd.call("fdb.del", bridge="br0", mac=MAC["b"])


def test_ageing_and_limit(lab, three):
    evsd, guests = three
    evsd.call("bridge.set", name="br0", fdb_age=10, fdb_size=10)
    send(guests, "a", *[frame(f"02:00:00:00:01:{i:02x}", MAC["b"]) for i in range(40)])
    wait_for(lambda: len(evsd.macs()) == 10, "the table is full")
    wait_for(lambda: not evsd.macs(), "addresses age out", timeout=60)


def test_addresses_of_a_deleted_port_go(lab, three):
    evsd, guests = three
    send(guests, "a", frame(MAC["a"], MAC["b"]))
    learned(evsd, MAC["a"], "a")
    evsd.call("port.del", name="a")
    assert not evsd.macs()


def test_reserved_addresses_stay_local(lab, three):
    evsd, guests = three
    bpdu = frame(MAC["a"], "01:80:c2:00:00:00")
    with lab.capture(*guests["b"]) as at_b:
        send(guests, "a", bpdu, bpdu)
        wait_for(lambda: evsd.drops().get(("a", "rx-reserved-mac")) == 2, "they are dropped by name")
        evsd.call("bridge.set", name="br0", forward_bpdu=True)
        send(guests, "a", bpdu)
        assert len(at_b.wait(1, ours)) == 1
    evsd.check_accounts()
