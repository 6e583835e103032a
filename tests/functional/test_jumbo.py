# SPDX-License-Identifier: Apache-2.0
"""Frames of 9,000 bytes and of more than a port takes.

    a --tap 9000-- br0 --tap 9000-- b
                    +---tap 1500--- c
"""
from evslib import wait_for
from evslib.capture import bad_checksums
from scapy.layers.l2 import Ether


def test_jumbo(lab):
    evsd = lab.evsd(memory_mb=512)
    a, at_a = lab.tap_guest(evsd, "a", "10.0.0.1/24", mtu=9000)
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24", mtu=9000)
    assert evsd.port("a")["mtu"] == 9000
    with lab.capture(b, at_b, limit=200) as capture:
        a.ping("10.0.0.2", size=8972, fragment=False, count=10)
        for size in (1472, 1473, 2000, 2048, 4096, 8000):
            a.ping("10.0.0.2", size=size, fragment=False)
        assert a.iperf(b, "10.0.0.2")["sum_received"]["bytes"] > 5e6
    assert not bad_checksums(capture.stop())
    evsd.check_accounts()


def test_too_long_is_dropped_by_name(lab):
    evsd = lab.evsd(memory_mb=512)
    a, at_a = lab.tap_guest(evsd, "a", mtu=9000, quiet=True)
    lab.tap_guest(evsd, "c", quiet=True)
    a.send(at_a, Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff", type=0x88B5) / bytes(4000))
    wait_for(lambda: evsd.drops().get(("c", "tx-mtu")) == 1)
    evsd.check_accounts()


def test_mtu_changes_under_traffic(lab):
    evsd = lab.evsd(memory_mb=512)
    a, at_a = lab.tap_guest(evsd, "a", "10.0.0.1/24")
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24")
    a.ping("10.0.0.2")
    for name, guest, iface in (("a", a, at_a), ("b", b, at_b)):
        evsd.call("port.set", name=name, mtu=9000)
        guest.run("ip", "link", "set", iface, "mtu", 9000)
    a.ping("10.0.0.2", size=8972, fragment=False)
    evsd.check_accounts()
