# SPDX-License-Identifier: Apache-2.0
"""Workers follow the load: they nap without traffic, share queues, and bound what new flows cost.

    null (packets without end) --\\
    null (packets without end) ---- br0 --> null sink
    null (silent) ---------------/

or two guests and a tap device, all of which can wake it.
"""
import ctypes
import os
import platform
import time

import pytest
from evslib import wait_for
from evslib.guest import MODERN, PACKED
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

DEFAULTS = [{"sleep": "auto", "rebalance": 10, "miss-budget": 0}]


def test_settings_last_and_go_back(lab):
    evsd = lab.evsd(config=True)
    assert evsd.call("worker.set") == DEFAULTS
    wanted = [{"sleep": "off", "rebalance": 0, "miss-budget": 1000}]
    assert evsd.call("worker.set", sleep="off", rebalance=0, miss_budget=1000) == wanted
    evsd.kill()
    evsd.start()
    assert evsd.call("worker.set") == wanted
    assert evsd.call("worker.set", miss_budget=None)[0]["miss-budget"] == 0
    evsd.call("worker.reset")
    assert evsd.call("worker.set") == DEFAULTS
    evsd.kill()
    evsd.start()
    assert evsd.call("worker.set") == DEFAULTS


def test_an_idle_worker_naps_unless_told_not_to(lab):
    evsd = lab.evsd()
    evsd.call("worker.set", sleep="on")
    before = evsd.worker_sum("sleeps")
    wait_for(lambda: evsd.worker_sum("sleeps") > before + 100, "the worker naps")
    evsd.call("worker.set", sleep="off")
    seen = []

    def quiet():  # a nap that had begun may end after the answer
        seen.append(evsd.worker_sum("sleeps"))
        return len(seen) > 2 and seen[-1] == seen[-2]
    wait_for(quiet, "no naps any more")


def turn_ns(tid):
    """What Linux since 6.12 says of the length of a normal thread's turns; 0 before."""
    attributes = (ctypes.c_uint32 * 12)(48)
    sched_getattr = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    assert ctypes.CDLL(None).syscall(sched_getattr, tid, attributes, 48, 0) == 0
    return attributes[6] + (attributes[7] << 32)


def test_a_worker_asks_for_short_turns(lab):
    """So that who sleeps is back at once, also where others use the CPU."""
    folder = "/proc/%d/task/" % lab.evsd().process.pid
    turns = {}
    for tid in os.listdir(folder):
        with open(folder + tid + "/comm") as comm:
            turns.setdefault(comm.read()[:5], set()).add(turn_ns(int(tid)))
    if turns["evs-w"] == {0}:
        pytest.skip("this kernel does not say how long turns are")
    assert turns["evs-w"] == {100000}


def sleeps_a_second(evsd):
    """At most: a machine that stalls only lowers it."""
    begin, before = time.monotonic(), evsd.worker_sum("sleeps")
    time.sleep(0.5)
    return (evsd.worker_sum("sleeps") - before) / (time.monotonic() - begin)


@pytest.mark.parametrize("rings", [MODERN, MODERN | PACKED], ids=["split", "packed"])
def test_a_worker_waits_for_events_where_there_are_any(lab, rings):
    evsd = lab.evsd()
    evsd.call("worker.set", sleep="on")
    ends = [lab.vhost_guest(evsd, name, base=rings) for name in "ab"]
    lab.tap_guest(evsd, "t", "10.0.0.1/24", quiet=True)
    frame = bytes.fromhex("020000000002020000000001") + b"\x88\xb5" + bytes(46)
    n_sent, got = 0, []

    def kicks_of_a_burst():
        nonlocal n_sent
        wait_for(ends[0].wants_kick, "the worker sleeps, and its guests shall kick it")
        kicks, sleeps = ends[0].n_kicks, evsd.worker_sum("sleeps")
        for _ in range(20):
            ends[0].send(frame)
        n_sent += 20
        wait_for(lambda: got.extend(ends[1].receive()) or len([f for _, f in got if f == frame]) == n_sent,
                 "no frame is lost")
        kicks, sleeps = ends[0].n_kicks - kicks, evsd.worker_sum("sleeps") - sleeps
        assert kicks <= sleeps + 2, "a kick is wanted once a sleep"
        return kicks
    wait_for(lambda: kicks_of_a_burst() < 20, "a worker that is awake wants no kick")
    wait_for(lambda: sleeps_a_second(evsd) < 5500, "it waits, a fifth of a millisecond at a time")

    ends[1].send(frame, wait=False)
    wait_for(ends[1].returned, "the worker has taken it", interval=0)
    ends[1].enable(1, False)  # at once, while the worker is awake
    wait_for(lambda: 1 <= sleeps_a_second(evsd) < 5500, "the worker sleeps without the ring, too")

    evsd.call("worker.set", sleep="off")
    wait_for(lambda: sleeps_a_second(evsd) == 0, "it polls")
    ends[0].send(frame)
    wait_for(lambda: not ends[0].wants_kick(), "a kick is wanted once, and nobody sleeps now")
    evsd.check_accounts()


def cpus(evsd):
    return {row["port"]: row["cpu"] for row in evsd.call("queue.show")}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two CPUs")
def test_busy_queues_go_apart_by_themselves(lab):
    one, two = sorted(os.sched_getaffinity(0))[:2]
    evsd = lab.evsd(workers=f"{one},{two}")
    evsd.call("worker.set", rebalance=0)
    for name, silent in (("a", ""), ("b", ""), ("c", ",no-rx=1"), ("sink", ",no-rx=1")):
        evsd.call("port.add", bridge="br0", name=name, type="dpdk", devargs=f"net_null_{lab.token}{name}{silent}")
    wait_for(lambda: set(cpus(evsd).values()) == {one, two}, "all queues are polled")
    for name in "abc":
        evsd.call("queue.move", port=name, queue=0, cpu=one)
    wait_for(lambda: [cpus(evsd)[name] for name in "abc"] == [one] * 3, "one worker has all of them")
    evsd.call("worker.set", rebalance=1)
    wait_for(lambda: {cpus(evsd)["a"], cpus(evsd)["b"]} == {one, two}, "each busy queue has a worker")
    for name in "ab":
        evsd.call("port.del", name=name)
    evsd.check_accounts()


def test_new_flows_beyond_the_budget_have_a_name(lab):
    evsd = lab.evsd()
    evsd.call("worker.set", miss_budget=1)
    frames = [Ether(src=f"02:00:00:00:{i >> 8:02x}:{i & 255:02x}", dst="02:00:00:01:00:00", type=0x88B5) / bytes(46)
              for i in range(2000)]
    wrpcap(str(lab.dir / "in.pcap"), frames)
    evsd.call("port.add", bridge="br0", name="sink", type="dpdk", devargs=f"net_null_{lab.token}s,no-rx=1")
    evsd.call("port.add", bridge="br0", name="in", type="dpdk",
              devargs=f"net_pcap_{lab.token},rx_pcap={lab.dir / 'in.pcap'}")
    wait_for(lambda: evsd.port("in")["rx-pkts"] == len(frames), "all are received")
    evsd.check_accounts()
    dropped = evsd.drops().get(("in", "miss-budget"), 0)
    assert 0 < dropped < len(frames) - 200, "a burst of new flows is let pass"
    assert evsd.port("sink")["tx-pkts"] == len(frames) - dropped
