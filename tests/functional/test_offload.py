# SPDX-License-Identifier: Apache-2.0
"""Guests that leave checksums and segmentation to the switch, as kernels do by default.

    a (offloads on) --tap-- br0 --tap-- b (offloads on)
                             +--veth--- c (offloads off: gets whole checksums, frames of its MTU)
"""
import pytest
from evslib.capture import bad_checksums
from scapy.layers.l2 import Ether


@pytest.fixture
def three(lab):
    evsd = lab.evsd()
    a, at_a = lab.tap_guest(evsd, "a", "10.0.0.1/24", "fd00::1/64", offload=True)
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24", "fd00::2/64", offload=True)
    c, at_c = lab.veth_guest(evsd, "c", "10.0.0.3/24", "fd00::3/64")
    return evsd, (a, at_a), (b, at_b), (c, at_c)


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_tap_to_tap_passes_large_segments_whole(lab, three, address):
    evsd, (a, _), (b, at_b), _ = three
    before = evsd.port("b")["tx-pkts"], evsd.port("b")["tx-bytes"]
    assert a.iperf(b, address, megabytes=100)["sum_received"]["bytes"] > 50e6
    after = evsd.port("b")["tx-pkts"], evsd.port("b")["tx-bytes"]
    assert (after[1] - before[1]) / (after[0] - before[0]) > 3000, "bytes a packet"
    assert a.iperf(b, address, "-u", "-b", "50M", "-l", 1400)["sum"]["lost_percent"] < 100
    evsd.check_accounts()


@pytest.mark.parametrize("address", ["10.0.0.3", "fd00::3"])
def test_tap_to_veth_gets_frames_that_it_can_take(lab, three, address):
    evsd, (a, _), _, (c, at_c) = three
    with lab.capture(c, at_c, limit=500) as capture:
        a.ping(address, size=3000)
        assert a.iperf(c, address)["sum_received"]["bytes"] > 5e6
        assert a.iperf(c, address, "-R")["sum_received"]["bytes"] > 5e6
    received = [packet for packet in capture.stop() if packet[Ether].src == a.mac(lab.iface("a"))]
    assert len(received) > 50
    assert max(len(packet) for packet in received) <= 1514
    assert not bad_checksums(received)
    evsd.check_accounts()
