# SPDX-License-Identifier: Apache-2.0
"""What trace says is what happens.

    left -- tap -- br0 (evsd) -- tap -- right (tcpdump)
"""
import pytest
from evslib import wait_for


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
        assert left.can_ping("10.0.0.2")
        (first, *_) = capture.wait(1, lambda p: p["ICMP"].type == 8)
    assert first["IP"].ttl == 63
    assert "worker 0" in said(evsd, packet)
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


@pytest.mark.parametrize("words, what", [
    (["in_port=9"], "no port 9"), (["udp"], "in_port is missing"), (["in_port=p1,ipp"], "column 12"),
    (["in_port=p1", "packet=02zz"], "column 3"), (["in_port=p1", "packet=0200"], "14"),
    (["in_port=nowhere"], "nowhere"),
])
def test_errors_say_where(lab, evsd, words, what):
    evsd.call("port.add", bridge="br0", name="p1", type="tap", ifname=lab.iface("p1"))
    run = evsd.evsctl("trace", "br0", *words, check=False)
    assert run.returncode == 1 and what in run.stderr, run.stderr
