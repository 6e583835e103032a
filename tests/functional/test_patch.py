# SPDX-License-Identifier: Apache-2.0
"""Bridges joined by patch ports.

    a --tap-- br0 ==patch== br1 --tap-- b
"""
from evslib import wait_for


def test_patch(lab):
    evsd = lab.evsd()
    evsd.call("bridge.add", name="br1", internal=False)
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24", "fd00::1/64")
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24", "fd00::2/64", bridge="br1")
    assert not a.can_ping("10.0.0.2")
    evsd.call("port.add", bridge="br0", name="to1", type="patch", peer="to0")
    evsd.call("port.add", bridge="br1", name="to0", type="patch", peer="to1")
    wait_for(lambda: a.can_ping("10.0.0.2"), "packets pass the patch")
    a.ping("10.0.0.2", count=10)
    a.ping("fd00::2", count=10)
    assert a.iperf(b, "10.0.0.2")["sum_received"]["bytes"] > 5e6
    wait_for(lambda: evsd.macs("br1").get((a.mac(lab.iface("a")), 0)) == "to0", "a is learned behind the patch")
    evsd.check_accounts()
    evsd.call("port.del", name="to1")
    assert not a.can_ping("10.0.0.2")
    evsd.check_accounts()


def test_a_loop_of_patches_does_not_melt_the_switch(lab):
    """Two patches between the same bridges: a broadcast storm in translation, bounded per packet."""
    evsd = lab.evsd()
    evsd.call("bridge.add", name="br1", internal=False)
    a, at_a = lab.tap_guest(evsd, "a", "10.0.0.1/24")
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24", bridge="br1")
    for i in (1, 2):
        evsd.call("port.add", bridge="br0", name=f"x{i}", type="patch", peer=f"y{i}")
        evsd.call("port.add", bridge="br1", name=f"y{i}", type="patch", peer=f"x{i}")
    a.can_ping("10.0.0.9")
    evsd.call("version")
    evsd.check_accounts()
    evsd.call("port.del", name="x2")
    evsd.call("fdb.flush", bridge="br0")
    evsd.call("fdb.flush", bridge="br1")
    wait_for(lambda: a.can_ping("10.0.0.2"), "without the loop all is well")
