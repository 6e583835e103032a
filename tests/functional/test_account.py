# SPDX-License-Identifier: Apache-2.0
"""No packet is lost without a name.

    pcap (replayed) --> br0 --> null sinks, and a port that is down
"""
from evslib import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.utils import wrpcap


def replay(lab, frames):
    path = lab.dir / "in.pcap"
    wrpcap(str(path), frames)
    return f"net_pcap_{lab.token},rx_pcap={path}"


def test_every_packet_of_a_capture_is_accounted_for(lab):
    evsd = lab.evsd()
    frames = [Ether(src=f"02:00:00:00:01:{i:02x}", dst=f"02:00:00:00:02:{i:02x}") / IP(src=f"10.0.{i}.1", dst="10.1.0.1")
              / UDP(sport=1000 + i, dport=2000) / bytes(26) for i in range(100)]
    frames += [Ether(src="02:00:00:00:03:01", dst="01:80:c2:00:00:02", type=0x8809) / bytes(50)] * 7
    frames += [Ether(src="02:00:00:00:03:02", dst="02:00:00:00:02:01") / Dot1Q(vlan=5) / IP() / UDP()] * 5
    for i in (1, 2):
        evsd.call("port.add", bridge="br0", name=f"sink{i}", type="dpdk", devargs=f"net_null_{lab.token}{i},no-rx=1")
    evsd.call("port.add", bridge="br0", name="in", type="dpdk", devargs=replay(lab, frames), tag=9)
    wait_for(lambda: evsd.port("in")["rx-pkts"] == len(frames), "all are received")
    evsd.check_accounts()
    drops = evsd.drops()
    assert drops[("in", "rx-reserved-mac")] == 7
    assert drops[("in", "vlan")] == 5
    assert evsd.port("sink1")["tx-pkts"] == evsd.port("sink2")["tx-pkts"] == 100


def test_counters_agree_with_the_guest(lab):
    evsd = lab.evsd()
    a, at_a = lab.tap_guest(evsd, "a", quiet=True)
    b, at_b = lab.tap_guest(evsd, "b", quiet=True)
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / bytes(100)
    a.send(at_a, *[frame] * 500)
    wait_for(lambda: evsd.port("b")["tx-pkts"] == 500)
    assert evsd.port("a")["rx-pkts"] == 500
    assert evsd.port("a")["rx-bytes"] == evsd.port("b")["tx-bytes"] == 500 * 114
    evsd.check_accounts()
