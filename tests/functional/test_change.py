# SPDX-License-Identifier: Apache-2.0
"""Ports come and go while others talk.

    a --tap-- br0 --tap-- b      p0..p7: ports that are added and deleted meanwhile
"""
import os

import pytest
from evslib import RpcError, wait_for
from evslib.netns import missing_echoes

N_ECHOES = int(os.environ.get("EVS_ECHOES", 200))  # a hundredth of a second each


class Ping:
    """An echo each 10 ms while the test does something; every one must come back."""

    def __init__(self, lab, guest, address):
        self.path = lab.dir / "ping.log"
        with open(self.path, "w") as log:
            self.process = guest.popen("ping", "-i", "0.01", "-c", N_ECHOES, "-w", 60 + N_ECHOES // 10, address, stdout=log, stderr=log)

    def runs(self):
        return self.process.poll() is None

    def lost(self):
        self.process.wait()
        return missing_echoes(self.path.read_text(), N_ECHOES)


def test_ports_added_and_deleted_under_traffic(lab):
    evsd = lab.evsd(memory_mb=512)
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24")
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24")
    wait_for(lambda: a.can_ping("10.0.0.2"))
    ping = Ping(lab, a, "10.0.0.2")
    while ping.runs():
        for i in range(8):
            evsd.call("port.add", bridge="br0", name=f"p{i}", type="dpdk", devargs=f"net_null_e{lab.token}{i},no-rx=1")
        for i in range(8):
            evsd.call("port.del", name=f"p{i}")
    assert ping.lost() == 0
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


def added(evsd, cpu):
    """False while workers that end still take the places there are."""
    try:
        evsd.call("worker.add", cpu=cpu)
    except RpcError as error:
        assert "no more fit" in str(error), error
        return False
    return True


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
    ping = Ping(lab, a, "10.0.0.2")
    while ping.runs():
        wait_for(lambda: added(evsd, spare), "workers that were deleted have ended")
        evsd.call("queue.move", port="a", queue=0, cpu=spare)
        evsd.call("queue.move", port="a", queue=0, cpu=min(have))
        evsd.call("worker.del", cpu=spare)
    assert ping.lost() == 0
    evsd.check_accounts()
