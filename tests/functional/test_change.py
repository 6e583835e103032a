# SPDX-License-Identifier: Apache-2.0
"""Ports come and go while others talk.

    a --tap-- br0 --tap-- b      p0..p7: ports that are added and deleted meanwhile
"""
import os

import pytest
from evslib import wait_for

N_ROUNDS = int(os.environ.get("EVS_ROUNDS", 50))


def start_ping(guest, address, lab):
    log = open(lab.dir / "ping.log", "w")
    return guest.popen("ping", "-i", "0.01", "-W", "2", address, stdout=log, stderr=log)


def ping_loss(process, lab):
    """(sent, lost) but for the last echo, which the end of ping may have cut off."""
    process.send_signal(2)
    process.wait(5)
    words = (lab.dir / "ping.log").read_text().split(" packets transmitted, ")
    sent, received = int(words[0].split()[-1]), int(words[1].split()[0])
    return sent, sent - received


def test_ports_added_and_deleted_under_traffic(lab):
    evsd = lab.evsd(memory_mb=512)
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24")
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24")
    wait_for(lambda: a.can_ping("10.0.0.2"))
    process = start_ping(a, "10.0.0.2", lab)
    for _ in range(N_ROUNDS):
        for i in range(8):
            evsd.call("port.add", bridge="br0", name=f"p{i}", type="dpdk", devargs=f"net_null_e{lab.token}{i},no-rx=1")
        for i in range(8):
            evsd.call("port.del", name=f"p{i}")
    sent, lost = ping_loss(process, lab)
    assert sent > 10 and lost <= 1, (sent, lost)
    assert set(evsd.ports()) == {"a", "b"}
    evsd.check_accounts()


def test_a_port_deleted_while_it_is_flooded(lab):
    evsd = lab.evsd(memory_mb=512)
    for i in range(10):
        evsd.call("port.add", bridge="br0", name="src", type="dpdk", devargs=f"net_null_s{lab.token}{i},size=64")
        evsd.call("port.add", bridge="br0", name="dst", type="dpdk", devargs=f"net_null_d{lab.token}{i},no-rx=1")
        wait_for(lambda: evsd.port("dst")["tx-pkts"] > 1000, "packets flow")
        evsd.call("port.del", name="dst" if i % 2 else "src")
        evsd.call("port.del", name="src" if i % 2 else "dst")
    assert evsd.ports() == {}
    evsd.check_accounts()


def test_workers_come_and_go_under_traffic(lab):
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24")
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24")
    wait_for(lambda: a.can_ping("10.0.0.2"))
    have = {row["cpu"] for row in evsd.call("worker.show")}
    spare = sorted(os.sched_getaffinity(0) - have)
    if not spare:
        pytest.skip("needs a second CPU")
    spare = spare[0]
    process = start_ping(a, "10.0.0.2", lab)
    for _ in range(10):
        evsd.call("worker.add", cpu=spare)
        evsd.call("queue.move", port="a", queue=0, cpu=spare)
        evsd.call("queue.move", port="a", queue=0, cpu=min(have))
        evsd.call("worker.del", cpu=spare)
    sent, lost = ping_loss(process, lab)
    assert lost <= 1, (sent, lost)
    evsd.check_accounts()
