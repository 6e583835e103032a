# SPDX-License-Identifier: Apache-2.0
"""What trace says is what happens.

    left -- tap -- br0 (evsd) -- tap -- right (tcpdump)
"""
import re

import pytest
from evslib import wait_for
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether


@pytest.fixture
def evsd(lab):
    return lab.evsd()


def said(evsd, *words):
    return evsd.evsctl("trace", "br0", *words)


def test_trace_agrees_with_what_is_sent(lab, evsd):
    left, iface = lab.tap_guest(evsd, "left", "10.0.0.1/24")
    right, far = lab.tap_guest(evsd, "right", "10.0.0.2/24")
    wait_for(lambda: left.can_ping("10.0.0.2"), "the first echo")
    macs = f"dl_src={left.mac(iface)},dl_dst={right.mac(far)}"
    packet = f"in_port=left,icmp,{macs},nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,icmp_type=8"
    # Learning where `right` is ends the flow of the first echo; a later one stays.
    wait_for(lambda: left.can_ping("10.0.0.2") and "worker 0" in said(evsd, packet), "the flow is cached")
    text = said(evsd, packet)
    assert "actions=NORMAL" in text and "output:right" in text and "packets" in text
    evsd.call("flow.add", bridge="br0", flows=["table=0,priority=10,icmp,in_port=left,actions=dec_ttl,goto_table:1",
                                               "table=1,actions=output:right"])
    text = said(evsd, packet)
    assert "table 1" in text and "ttl=63" in text and "output:right" in text
    with lab.capture(right, far, "icmp") as capture:
        wait_for(lambda: left.can_ping("10.0.0.2"), "an echo passes")
        (first, *_) = capture.wait(1, lambda p: p["ICMP"].type == 8)
    assert first["IP"].ttl == 63
    wait_for(lambda: left.can_ping("10.0.0.2") and "worker 0" in said(evsd, packet), "the flow is cached")
    evsd.call("flow.del", bridge="br0", flows=["table=1"])
    assert "Dropped: table-miss" in said(evsd, packet)
    assert not left.can_ping("10.0.0.2")


def test_a_packet_byte_by_byte(lab, evsd):
    for name in ("p1", "p2"):
        evsd.call("port.add", bridge="br0", name=name, type="tap", ifname=lab.iface(name))
    evsd.call("flow.add", bridge="br0", flows=["udp,tp_dst=2,actions=output:p2"])
    frame = "020000000002 020000000001 0800 4500001c0000000040110000 0a000001 0a000002 0001000200080000"
    for words in (["in_port=p1", f"packet={frame}"], ["in_port=1", "--packet", frame.replace(" ", "")]):
        assert "Program: output:p2" in said(evsd, *words)
    result = evsd.call("trace", bridge="br0", flow="in_port=1", packet=frame)
    assert result["lines"] and result["steps"][1]["text"] == "table 0"
    assert "udp" in result["steps"][1]["steps"][0]["text"]


def test_a_packet_that_goes_round(lab, evsd):
    """A label comes off, and what is under it decides: the trace follows, as the packet does."""
    left, iface = lab.tap_guest(evsd, "left", quiet=True)
    right, far = lab.tap_guest(evsd, "right", quiet=True)
    evsd.call("group.add", bridge="br0", text="group_id=5,type=select,bucket=weight:7,output:2")
    evsd.call("meter.add", bridge="br0", text="meter=9,kbps,band=type=drop,rate=1000000")
    evsd.call("flow.replace", bridge="br0", flows=[
        "mpls,actions=pop_mpls:0x0800,goto_table:1", "table=1,ip,nw_dst=10.0.0.2,actions=meter:9,dec_ttl,group:5",
        "table=1,ip,nw_ttl=77,actions=drop"])
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / MPLS(label=5, s=1) / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / UDP()
    text = said(evsd, "in_port=left", "--packet", bytes(frame).hex())
    assert re.search(r"pop_mpls.*goes round once more.*Again.*table 1\n +priority=32768,ip,nw_dst=10.0.0.2.*meter 9\n.*group 5 "
                     r"\(select\)\n *bucket 0 of 1, weight 7.*Program: meter\(9\),set-ipv4\(ttl=8\),output:right", text, re.DOTALL), text
    with lab.capture(right, far, "udp") as capture:
        left.send(iface, bytes(frame))
        (got,) = capture.wait(1)
    assert bytes(got) == bytes(frame[Ether].copy())[:12] + b"\x08\0" + bytes(got)[14:] and got["IP"].ttl == 8
    wait_for(lambda: said(evsd, "in_port=left", "--packet", bytes(frame).hex()).count("Cached: worker 0, 1 packets") == 2,
             "both rounds are cached")
    assert "give the frame" in said(evsd, "in_port=left,mpls,mpls_label=5")
    frame[IP].ttl = 77
    frame[IP].dst = "10.0.0.3"
    assert "Dropped: rule" in said(evsd, "in_port=left", "--packet", bytes(frame).hex())


@pytest.mark.parametrize("words, what", [
    (["in_port=9"], "no port 9"), (["udp"], "in_port is missing"), (["in_port=p1,ipp"], "column 12"),
    (["in_port=p1", "packet=02zz"], "column 3"), (["in_port=p1", "packet=0200"], "14"),
    (["in_port=nowhere"], "nowhere"), (["in_port=LOCAL"], "no port LOCAL"),
])
def test_errors_say_where(lab, evsd, words, what):
    evsd.call("port.add", bridge="br0", name="p1", type="tap", ifname=lab.iface("p1"))
    run = evsd.evsctl("trace", "br0", *words, check=False)
    assert run.returncode == 1 and what in run.stderr, run.stderr
