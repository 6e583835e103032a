# SPDX-License-Identifier: Apache-2.0
"""Meters, set and read by an OpenFlow client that is not ours.

    a --tap-- br0 --tap-- b,  rules with meters between them
"""
import re
import subprocess
import time

from evslib import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

FRAME = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2", tos=10 << 2) \
    / UDP(sport=1, dport=2) / bytes(58)


def ofctl(evsd, verb, *args):
    target = f"unix:{evsd.run_dir}/br0.mgmt"
    done = subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", verb, target, *args], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def meter_counts(evsd, meter):
    """(packets in, packets of band 0)"""
    text = ofctl(evsd, "meter-stats", f"meter={meter}")
    return (int(re.search(r"packet_in_count:(\d+)", text).group(1)),
            int(re.search(r"0: packet_count:(\d+)", text).group(1)))


def test_a_meter_drops_what_is_above_its_rate(lab):
    evsd = lab.evsd()
    a, at_a = lab.tap_guest(evsd, "a", quiet=True)
    lab.tap_guest(evsd, "b", quiet=True)
    ofctl(evsd, "add-meter", "meter=1,pktps,burst,band=type=drop,rate=10,burst_size=100")
    ofctl(evsd, "add-flow", "priority=9,udp,in_port=1,actions=meter:1,output:2")
    begin = time.monotonic()
    a.send(at_a, *[FRAME] * 1000)
    wait_for(lambda: meter_counts(evsd, 1)[0] == 1000, "all went through the meter")
    evsd.check_accounts()
    dropped = meter_counts(evsd, 1)[1]
    least = 900 - 10 * (time.monotonic() - begin) - 1
    assert least <= dropped <= 900, "a burst of 100, and 10 for each second that the sending took"
    assert evsd.drops()[("a", "meter")] == dropped
    assert evsd.port("b")["tx-pkts"] == 1000 - dropped
    ofctl(evsd, "mod-meter", "meter=1,pktps,burst,band=type=drop,rate=100000,burst_size=100000")
    a.send(at_a, *[FRAME] * 500)
    wait_for(lambda: evsd.port("b")["tx-pkts"] == 1500 - dropped, "the new rate lets all pass")
    ofctl(evsd, "del-meter", "meter=1")
    a.send(at_a, *[FRAME] * 5)  # its rule went with it: NORMAL
    wait_for(lambda: evsd.port("b")["tx-pkts"] == 1505 - dropped)
    evsd.check_accounts()


def test_a_meter_remarks_what_is_above_its_rate(lab):
    evsd = lab.evsd()
    a, at_a = lab.tap_guest(evsd, "a", quiet=True)
    b, at_b = lab.tap_guest(evsd, "b", quiet=True)
    ofctl(evsd, "add-meter", "meter=1,pktps,burst,band=type=dscp_remark,rate=1,burst_size=20,prec_level=2")
    ofctl(evsd, "add-flow", "priority=9,udp,in_port=1,actions=meter:1,output:2")
    with lab.capture(b, at_b, "udp") as capture:
        begin = time.monotonic()
        a.send(at_a, *[FRAME] * 200)
        wait_for(lambda: evsd.port("b")["tx-pkts"] == 200)
        wait_for(lambda: len(capture.packets()) == 200)
        frames = capture.packets()
    marks = [frame[IP].tos >> 2 for frame in frames]
    most = 20 + (time.monotonic() - begin) + 1
    assert set(marks) == {10, 14} and 20 <= marks.count(10) <= most, "a burst of 20, and one for each second"
    good = bytes(FRAME[IP].copy())
    for frame in frames[-3:]:
        again = frame[IP].copy()
        del again.chksum
        assert IP(bytes(again)).chksum == frame[IP].chksum and bytes(frame[IP])[20:] == good[20:]
