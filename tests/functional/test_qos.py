# SPDX-License-Identifier: Apache-2.0
"""Policing, storm control, queues by DSCP and rule, OpenFlow's view of queues: counted by what arrives.

    a --tap-- br0 --tap-- b
"""
import re
import time

from evslib import Ofctl, wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether

A, B, ALL = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "ff:ff:ff:ff:ff:ff"


def udp(tos=0, size=486, dst=B, **fields):
    return Ether(src=A, dst=dst) / IP(src="10.0.0.1", dst="10.0.0.2", tos=tos, **fields) / UDP(dport=9) / bytes(size)


def rows(evsd, port, kind):
    return {row["id"]: row for row in evsd.call("qos.show", port=port) if row["kind"] == kind}


def guests(lab, **options):
    evsd = lab.evsd(**options)
    a, at_a = lab.tap_guest(evsd, "a", quiet=True, mac=A)
    b, at_b = lab.tap_guest(evsd, "b", quiet=True, mac=B)
    evsd.call("fdb.add", bridge="br0", mac=B, port="b", vlan=0)
    return evsd, a, at_a, b, at_b


def sent(evsd, n):
    wait_for(lambda: evsd.port("a")["rx-pkts"] == n, f"{n} frames came")
    evsd.check_accounts()


def test_policer_drops_what_exceeds(lab):
    evsd, a, at_a, _, _ = guests(lab)
    evsd.call("qos.set", port="a", **{"ingress.average": "8kbit/s", "ingress.burst": "5280"})
    a.send(at_a, *[udp()] * 100)  # 528 bytes each: ten at once, then two a second
    sent(evsd, 100)
    row = rows(evsd, "a", "ingress")[0]
    assert row["green"]["pkts"] + row["red"]["pkts"] == 100 and row["green"]["pkts"] >= 10
    assert evsd.drops()["a", "policer"] == row["red"]["pkts"] > 0
    assert evsd.port("b")["tx-pkts"] == row["green"]["pkts"]
    evsd.call("qos.del", port="a")
    a.send(at_a, *[udp()] * 100)
    sent(evsd, 200)
    assert evsd.port("b")["tx-pkts"] == row["green"]["pkts"] + 100


def test_two_rates_remark(lab):
    """Green stays, yellow becomes AF12, red best effort, with right checksums."""
    evsd, a, at_a, b, at_b = guests(lab)
    evsd.call("qos.set", port="a", **{"ingress.average": "8kbit/s", "ingress.burst": "2112", "ingress.peak": "8kbit/s",
                                      "ingress.excess-burst": "5280", "ingress.yellow": "remark", "ingress.red": 0})
    green, yellow, red = 10 << 2 | 1, 12 << 2 | 1, 1
    with lab.capture(b, at_b, "udp") as capture:
        begin = time.monotonic()
        a.send(at_a, *[udp(tos=green)] * 40)
        packets = capture.wait(40)
    for packet in packets:
        was = packet[IP].chksum
        del packet[IP].chksum
        assert IP(bytes(packet[IP])).chksum == was
    tos = [packet[IP].tos for packet in packets]
    counts = rows(evsd, "a", "ingress")[0]
    assert {value: tos.count(value) for value in set(tos)} == {
        green: counts["green"]["pkts"], yellow: counts["yellow"]["pkts"], red: counts["red"]["pkts"]}
    # 2,112 bytes are four frames, 5,280 are ten; two more come in each second that the sending took.
    assert tos[:4] == [green] * 4 and tos.count(green) <= 4 + 2 * (time.monotonic() - begin) + 1
    assert tos.index(red) >= 10 and yellow in tos[:tos.index(red)]


def test_ingress_shaping_loses_nothing(lab):
    """What may not come in yet waits in the guest's own queue."""
    evsd, a, at_a, _, _ = guests(lab)
    evsd.call("qos.set", port="a", **{"ingress.mode": "shape", "ingress.average": "800kbit/s"})
    a.send(at_a, *[udp()] * 200)
    sent(evsd, 200)
    assert evsd.port("b")["tx-pkts"] == 200 and not [key for key in evsd.drops() if key[0] == "a"]
    assert rows(evsd, "a", "ingress")[0]["limit-bps"] == 800000


def test_storm_control(lab):
    evsd, a, at_a, _, _ = guests(lab)
    evsd.call("qos.set", port="a", **{"storm.broadcast": "1pps", "storm.multicast": "8kbit/s",
                                      "storm.unknown-unicast": "1pps"})
    assert "storm control of 'a'" in evsd.evsctl("trace", "br0", f"in_port=1,dl_src={A},dl_dst=02:00:00:00:00:99")
    for n, dst in enumerate((ALL, "33:33:00:00:00:01", "02:00:00:00:00:99", B), 1):
        a.send(at_a, *[udp(dst=dst)] * 50)
        sent(evsd, 50 * n)
    row = rows(evsd, "a", "ingress")[0]
    dropped = [row[kind]["dropped"] for kind in ("broadcast", "multicast", "unknown-unicast")]
    assert all(0 < n < 50 for n in dropped)
    assert evsd.drops()["a", "storm-control"] == sum(dropped)
    assert evsd.port("b")["tx-pkts"] == 200 - sum(dropped)
    evsd.call("qos.set", port="a", **{"storm.unknown-unicast": None})
    assert "storm control of" not in evsd.evsctl("trace", "br0", f"in_port=1,dl_src={A},dl_dst=02:00:00:00:00:99")


def test_dscp_pcp_and_rules_choose_queues(lab):
    evsd, a, at_a, b, at_b = guests(lab)
    evsd.call("qos.set", port="b", **{
        "egress.average": "10Mbit/s", "egress.dscp-map": "46:1", "egress.pcp-map": "5:2", "queue.1.priority": 0,
        "queue.2.min-rate": "1M", "queue.3.max-rate": "1M", "queue.3.class": 7, "class.7.max-rate": "2M"})
    evsd.call("flow.add", bridge="br0", flows=["udp,tp_dst=7,actions=set_queue:3,output:2"])
    a.send(at_a, *[udp(tos=46 << 2)] * 3, *[udp()] * 4, *[udp(tos=46 << 2) / b""] * 2,
           *[Ether(src=A, dst=B) / Dot1Q(vlan=10, prio=5, type=0x88B5) / bytes(60)] * 5,
           *[Ether(src=A, dst=B) / IP(dst="10.0.0.2") / UDP(dport=7) / bytes(60)] * 6)
    sent(evsd, 20)
    wait_for(lambda: evsd.port("b")["tx-pkts"] == 20, "all have left")
    queues = rows(evsd, "b", "queue")
    assert {n: row["pkts"] for n, row in queues.items()} == {0: 4, 1: 5, 2: 5, 3: 6}
    assert queues[3]["class"] == 7 and rows(evsd, "b", "class")[7]["pkts"] == 6
    assert rows(evsd, "b", "port")[0]["pkts"] == 20
    assert queues[1]["wait-p99-us"] >= queues[1]["wait-p50-us"] > 0
    shown = evsd.evsctl("qos", "show", "b")
    assert "LOAD" in shown and "10Mbit/s" in shown


def test_openflow_tells_of_queues(lab):
    evsd, a, at_a, _, _ = guests(lab)
    ofctl = Ofctl(evsd)
    assert "0 queues" in ofctl("queue-stats") and "OFPQOFC_BAD_QUEUE" in ofctl("queue-stats", 2, 1, check=False)
    evsd.call("qos.set", port="b", **{"egress.average": "10Mbit/s", "queue.5.max-rate": "1M", "queue.5.min-rate": "1M"})
    ofctl.add("udp,tp_dst=9,actions=set_queue:5,output:2")
    a.send(at_a, *[udp()] * 7)
    sent(evsd, 7)
    wait_for(lambda: evsd.port("b")["tx-pkts"] == 7)
    stats = ofctl("queue-stats", 2, 5)
    assert f"bytes={7 * 528}, pkts=7, errors=0" in stats, stats
    assert "2 queues" in ofctl("queue-stats") and "2 queues" in ofctl("queue-stats", 2)
    assert re.search(r"queue 5", ofctl("queue-get-config", 2))
    trace = evsd.evsctl("trace", "br0", f"in_port=1,udp,dl_src={A},dl_dst={B},tp_dst=9")
    assert "Egress of 'b': shaped to 10Mbit/s, queue 5 (priority 4, weight 1" in trace
    evsd.call("qos.set", port="a", **{"ingress.average": "50M", "storm.broadcast": "100pps"})
    trace = evsd.evsctl("trace", "br0", f"in_port=1,udp,dl_src={A},dl_dst={B},tp_dst=9")
    assert "Ingress of 'a': policed to 50Mbit/s, with storm control" in trace


def test_as_many_queues_as_there_may_be(lab):
    evsd = lab.evsd()
    evsd.call("port.add", bridge="br0", name="p", type="dpdk", devargs=f"net_null_{lab.token},no-rx=1")
    options = {f"queue.{n}.{key}": value for n in range(1, 4096) for key, value in (
        ("min-rate", "100k"), ("max-rate", "10M"), ("class", n % 1000), ("weight", 1 + n % 5))}
    evsd.call("qos.set", port="p", **{"egress.average": "1G"}, **options)
    assert len(rows(evsd, "p", "queue")) == 4096 and len(rows(evsd, "p", "class")) == 999
    ofctl = Ofctl(evsd)
    assert ofctl("queue-stats").count("duration=") == 4096
    assert "queue 1299" in ofctl("queue-get-config", 1)
    evsd.call("qos.del", port="p")


def test_changes_lose_nothing(lab):
    """Other rates, queues and a smaller backlog while packets wait; then shaping ends, ingress stays."""
    evsd, a, at_a, _, _ = guests(lab)
    evsd.call("qos.set", port="b", **{"egress.average": "10kbit/s", "egress.aqm": "none", "queue.1.priority": 0})
    a.send(at_a, *[udp()] * 300)
    sent(evsd, 300)
    for change in ({"queue.1.priority": 7}, {"egress.backlog": 16}, {"queue.0.min-rate": "8kbit/s"},
                   {"queue.0.class": 3, "class.3.max-rate": "8kbit/s"}, {"egress.layer": "l1"}):
        evsd.call("qos.set", port="b", **change)
        evsd.check_accounts()
    evsd.call("qos.set", port="b", **{"ingress.average": "1M", **{key: None for key in (
        "egress.average", "egress.aqm", "queue.1.priority", "egress.backlog", "queue.0.min-rate", "queue.0.class",
        "class.3.max-rate", "egress.layer")}})
    assert evsd.call("stats.show")["held"] == 0 and evsd.port("b")["tx-pkts"] == 300
    assert [row["kind"] for row in evsd.call("qos.show")] == ["ingress"]


def test_wred_marks_and_drops(lab):
    evsd, a, at_a, b, at_b = guests(lab)
    evsd.call("qos.set", port="b", **{"egress.average": "100kbit/s", "queue.0.aqm": "wred", "queue.0.wred-min": 5,
                                      "queue.0.wred-max": 100, "queue.0.wred-drop": 500})
    a.send(at_a, *[udp(tos=2)] * 200)
    sent(evsd, 200)
    queue = rows(evsd, "b", "queue")[0]
    assert queue["marks"] > 0 and queue["full-drops"] == 0
    assert evsd.drops().get(("b", "queue-aqm"), 0) == queue["aqm-drops"]


def test_load_of_a_file_keeps_settings(lab):
    """A port that is taken away and made again by `config load` has its settings afterwards."""
    evsd = lab.evsd(config=True)
    dev = {"bridge": "br0", "name": "p", "type": "dpdk"}
    evsd.call("port.add", devargs=f"net_null_{lab.token},no-rx=1", **dev)
    evsd.call("qos.set", port="p", **{"egress.average": "100M", "ingress.average": "10M"})
    saved = lab.dir / "saved.json"
    evsd.call("config.save", file=str(saved))
    text = saved.read_text()
    saved.write_text(text.replace("no-rx=1", "no-rx=1,size=128"))
    evsd.call("config.load", file=str(saved))
    assert rows(evsd, "p", "port")[0]["limit-bps"] == 100e6 and rows(evsd, "p", "ingress")[0]["limit-bps"] == 10e6
    assert evsd.call("config.show")["qos"]["p"]["egress.average"] == "100M"
