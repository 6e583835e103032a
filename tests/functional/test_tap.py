# SPDX-License-Identifier: Apache-2.0
"""Two guests on tap ports.

    a (10.0.0.1, fd00::1) --tap-- br0 --tap-- b (10.0.0.2, fd00::2)
"""
import pytest
from evslib.capture import bad_checksums


@pytest.fixture
def two(lab):
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24", "fd00::1/64")
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24", "fd00::2/64")
    return evsd, a, b, at_b


def test_ping(lab, two):
    evsd, a, b, at_b = two
    with lab.capture(b, at_b) as capture:
        a.ping("10.0.0.2", count=10)
        a.ping("fd00::2", count=10)
        a.ping("10.0.0.2", count=2, size=4000)  # fragments
        a.ping("fd00::2", count=2, size=4000)
        a.ping("10.0.0.2", size=0)
    packets = capture.stop()
    assert len(packets) > 40
    assert not bad_checksums(packets)
    evsd.check_accounts()


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_tcp(lab, two, address):
    evsd, a, b, at_b = two
    with lab.capture(b, at_b, limit=500) as capture:
        up = a.iperf(b, address)
        down = a.iperf(b, address, "-R")
    assert up["sum_received"]["bytes"] > 5e6 and down["sum_received"]["bytes"] > 5e6
    assert not bad_checksums(capture.stop())
    assert evsd.worker_sum("misses") < 200  # the flow cache did the rest
    evsd.check_accounts()


def test_udp(lab, two):
    evsd, a, b, at_b = two
    with lab.capture(b, at_b, limit=500) as capture:
        report = a.iperf(b, "10.0.0.2", "-u", "-b", "50M", "-l", 1400)
    # What a stalled machine loses in socket buffers is no fault; bad checksums would lose all.
    assert report["sum"]["lost_packets"] < report["sum"]["packets"]
    assert not bad_checksums(capture.stop())
    evsd.check_accounts()
