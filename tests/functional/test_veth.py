# SPDX-License-Identifier: Apache-2.0
"""Kernel interfaces as ports, by two drivers.

    a --veth-- (af-packet or af-xdp) br0 --tap-- b
"""
import pytest
from evslib.capture import bad_checksums


@pytest.mark.parametrize("kind", ["af-packet", "af-xdp"])
def test_veth(lab, kind):
    evsd = lab.evsd()
    a, at_a = lab.veth_guest(evsd, "a", "10.0.0.1/24", "fd00::1/64", type=kind)
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24", "fd00::2/64")
    with lab.capture(a, at_a, limit=500) as capture:
        a.ping("10.0.0.2", count=10)
        a.ping("fd00::2", count=10)
        a.ping("10.0.0.2", size=4000)
        assert a.iperf(b, "10.0.0.2")["sum_received"]["bytes"] > 4e6
        assert a.iperf(b, "10.0.0.2", "-R")["sum_received"]["bytes"] > 4e6
        udp = a.iperf(b, "10.0.0.2", "-u", "-b", "20M", megabytes=3)["sum"]
        assert udp["lost_packets"] < udp["packets"]
    assert not bad_checksums(capture.stop())
    evsd.check_accounts()
    evsd.call("port.del", name="a")
    assert "a" not in evsd.ports()
    assert not a.can_ping("10.0.0.2")


@pytest.mark.parametrize("kind", ["af-packet", "af-xdp"])
def test_a_device_that_is_not_there(lab, kind):
    evsd = lab.evsd()
    run = evsd.evsctl("port", "add", "br0", "p0", f"type={kind}", "iface=nowhere0", check=False)
    assert run.returncode == 1
    assert "nowhere0" in run.stderr
    assert evsd.ports() == {}
