# SPDX-License-Identifier: Apache-2.0
"""Shaping: a rate that holds, queues that stay short, and nothing lost on the way.

    a --tap-- br0 --tap-- b,  shaped towards b
"""
import errno
import resource
import time

import pytest
from evslib import Lab, RpcError, wait_for
from scapy.layers.l2 import Ether

RATE = 100e6


def queues(evsd, port):
    return {row["id"]: row for row in evsd.call("qos.show", port=port) if row["kind"] == "queue"}


def held(evsd):
    return evsd.call("stats.show")["held"]


def test_tcp_stays_within_its_rate(lab):
    """How near it comes, and how long a ping waits beside it, is for bench/shaper.py to say."""
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.9.0.1/24")
    b, _ = lab.tap_guest(evsd, "b", "10.9.0.2/24")
    evsd.call("qos.set", port="b", **{"egress.average": "100Mbit/s"})
    begin, before = time.monotonic(), evsd.port("b")["tx-bytes"]
    assert a.iperf(b, "10.9.0.2", megabytes=20)["sum_received"]["bytes"] > 10e6
    sent, took = evsd.port("b")["tx-bytes"] - before, time.monotonic() - begin
    assert sent <= 1.01 * RATE / 8 * took + 62500, "the rate, and one burst"
    assert took > 0.9 * 8 * (20e6 - 62500) / RATE, "and so it takes its time"
    assert queues(evsd, "b")[0]["pkts"] > 0
    wait_for(lambda: held(evsd) == 0, "the queue runs empty")
    evsd.check_accounts()


def test_what_waits_is_sent_on_delete(lab):
    evsd = lab.evsd()
    a, at_a = lab.tap_guest(evsd, "a", quiet=True)
    lab.tap_guest(evsd, "b", quiet=True)
    evsd.call("qos.set", port="b", **{"egress.average": "10kbit/s", "egress.aqm": "none"})
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / bytes(486)
    a.send(at_a, *[frame] * 200)
    wait_for(lambda: evsd.port("a")["rx-pkts"] == 200)
    wait_for(lambda: held(evsd) > 180, "they wait")
    evsd.check_accounts()
    evsd.call("qos.del", port="b")
    assert held(evsd) == 0 and evsd.port("b")["tx-pkts"] == 200
    assert evsd.call("qos.show") == []
    evsd.check_accounts()


def test_port_is_deleted_while_packets_wait(lab):
    evsd = lab.evsd()
    a, at_a = lab.tap_guest(evsd, "a", quiet=True)
    lab.tap_guest(evsd, "b", quiet=True)
    evsd.call("qos.set", port="b", **{"egress.average": "10kbit/s"})
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / bytes(486)
    a.send(at_a, *[frame] * 100)
    wait_for(lambda: held(evsd) > 80)
    evsd.call("port.del", name="b")
    assert held(evsd) == 0
    assert "qos" not in evsd.call("config.show")


@pytest.fixture(scope="module")
def shaped():
    """An evsd with a shaped port p, for all that it refuses."""
    lab = Lab()
    try:
        evsd = lab.evsd()
        evsd.call("port.add", bridge="br0", name="p", type="dpdk", devargs=f"net_null_{lab.token},no-rx=1")
        evsd.call("qos.set", port="p", **{"egress.average": "100M"})
        yield evsd
    finally:
        lab.close()


@pytest.mark.parametrize("wrong, reason", [
    ({"egress.average": "0"}, "nearest valid value is 8kbit/s"),
    ({"egress.average": "99999999999999999999"}, "nearest valid value is 1Tbit/s"),
    ({"egress.average": "18446744073709551617Gbit/s"}, "nearest valid value is 1Tbit/s"),
    ({"egress.burst": "36893488147419103232"}, "nearest valid value is 1000000000B"),
    ({"egress.average": "-1"}, "write it like 10G"),
    ({"egress.average": "1e9"}, "unknown unit 'e9'"),
    ({"egress.average": "nan"}, "write it like 10G"),
    ({"egress.average": "0.1"}, "not whole"),
    ({"class.1.max-rate": "10M", "class.1.burst": "1513"}, "nearest valid value is 1514B"),
    ({"class.1.max-rate": "10M", "queue.1.class": "1", "queue.1.min-rate": "20M"}, "nearest valid value is 20Mbit/s"),
    ({"class.1.max-rate": "10M", "class.1.min-rate": "20M"}, "nearest valid value is 20Mbit/s"),
    ({"class.1.min-rate": "60M", "class.2.min-rate": "60M"}, "min-rates 120Mbit/s is too large.*100Mbit/s"),
    ({"queue.1.weight": "256"}, "nearest valid value is 100"),
    ({"queue.1.limit": "0"}, "nearest valid value is 1"),
    ({"queue.1.max-rate": "0"}, "nearest valid value is 8kbit/s"),
    ({"ingress.average": "1M", "ingress.burst": "60"}, "nearest valid value is 1514B"),
    ({"ingress.average": "1M", "ingress.peak": "2M", "ingress.excess-burst": "60"}, "nearest valid value is 1514B"),
    ({"ingress.average": "1M", "ingress.mode": "shape", "ingress.peak": "10k"}, "nearest valid value is 1Mbit/s"),
    ({"storm.multicast": "1bit/s"}, "nearest valid value is 8kbit/s"),
    ({"storm.unknown-unicast": "99999999999999999999pps"}, "nearest valid value is 1G"),
    ({"egress.average": "2Tbit/s"}, "nearest valid value is 1Tbit/s"),
    ({"egress.average": "400000000000000000"}, "nearest valid value is 1Tbit/s"),
    ({"egress.backlog": "2M"}, "nearest valid value is 1.05M"),
    ({"queue.1.max-rate": "1M", "queue.1.min-rate": "2M"}, "nearest valid value is 2Mbit/s"),
    ({"queue.1.min-rate": "60M", "queue.2.min-rate": "60M"}, "min-rates 120Mbit/s is too large.*100Mbit/s"),
    ({"queue.1.max-rate": "10M", "queue.1.burst": "1000"}, "nearest valid value is 1514B"),
    ({"queue.1.aqm": "red"}, "default.none.codel.wred"),
    ({"queue.1.aqm": "wred", "queue.1.wred-min": "10", "queue.1.wred-max": "5"}, "nearest valid value is 11"),
    ({"class.1024.weight": "1"}, "N up to 1023"),
    ({"egress.dscp-map": "64:1"}, "values up to 63"),
    ({"egress.dscp-map": "46=1"}, "63:1,0:2"),
    ({"storm.broadcast": "0pps"}, "nearest valid value is 1$"),
    ({"ingress.average": "0"}, "nearest valid value is 8kbit/s"),
    ({"ingress.average": "1M", "ingress.peak": "10k"}, "nearest valid value is 1Mbit/s"),
    ({"ingress.average": "1M", "ingress.tcm": "rfc4115"}, "give ingress.excess"),
    ({"ingress.average": "1M", "ingress.red": "64"}, "DSCP from 0 to 63"),
    ({"ingress.burst": "10k"}, "give ingress.average"),
    ({"ingress.average": "1M", "ingress.mode": "shape", "ingress.red": "drop"}, "ingress.mode=police only"),
    ({"egress.peak": "50M"}, "nearest valid value is 100Mbit/s"),
    ({"egress.burst": "100"}, "nearest valid value is 1514B"),
    ({"queue.1.weight": "0"}, "nearest valid value is 1"),
    ({"queue.4096.weight": "1"}, "N up to 4095"),
    ({"queue.1.colour": "1"}, "priority, weight, limit"),
])
def test_wrong_values_are_refused_with_the_remedy(shaped, wrong, reason):
    before, rows = shaped.call("config.show"), queues(shaped, "p")
    with pytest.raises(RpcError, match=reason):
        shaped.call("qos.set", port="p", **wrong)
    assert shaped.call("config.show") == before and queues(shaped, "p") == rows


def test_more_than_there_is_memory_for(lab):
    """Refused as a whole: neither rates nor storm control change, and the next call works."""
    evsd = lab.evsd()
    evsd.call("port.add", bridge="br0", name="p", type="dpdk", devargs=f"net_null_{lab.token},no-rx=1")
    evsd.call("qos.set", port="p", **{"egress.average": "100M"})
    before, shown = evsd.call("config.show"), queues(evsd, "p")
    pid = evsd.process.pid
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    limits = resource.prlimit(pid, resource.RLIMIT_AS, (size + (8 << 20), resource.RLIM_INFINITY))
    with pytest.raises(RpcError, match="no memory for .* queues.*smaller backlog") as refused:
        evsd.call("qos.set", port="p", **{"egress.average": "50M", "egress.backlog": "1000000",
                                          "storm.unknown-unicast": "1pps"})
    assert refused.value.errno == errno.ENOMEM
    assert evsd.call("config.show") == before and queues(evsd, "p") == shown
    resource.prlimit(pid, resource.RLIMIT_AS, limits)
    evsd.call("qos.set", port="p", **{"egress.backlog": "1000000"})


def test_settings_survive_a_restart(lab):
    evsd = lab.evsd(config=True)
    evsd.call("port.add", bridge="br0", name="p", type="dpdk", devargs=f"net_null_{lab.token},no-rx=1")
    evsd.call("qos.set", port="p", **{"egress.average": "100M", "queue.3.weight": 4})
    evsd.evsctl("qos", "set", "p", "egress.peak=200M")
    before = queues(evsd, "p")
    assert {n: queue["weight"] for n, queue in before.items()} == {0: 1, 3: 4}
    evsd.stop()
    evsd.start()
    assert queues(evsd, "p") == before
    port = evsd.evsctl("qos", "show", "p", json_output=True)[0]
    assert (port["kind"], port["limit-bps"], port["peak-bps"], port["burst-bytes"]) == ("port", 100e6, 200e6, 62500)
