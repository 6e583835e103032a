# SPDX-License-Identifier: Apache-2.0
"""Control answers, and ends, while every worker is at 100 %. How soon, is printed: a test can not know
what else the machine does.

    source --null-- br0 --null-- sink, both workers busy
"""
import os
import statistics
import time

import pytest
from evslib import wait_for

N_CALLS = 200


@pytest.fixture
def busy(lab):
    cpus = sorted(os.sched_getaffinity(0))[:2]
    evsd = lab.evsd(memory_mb=512, workers=",".join(str(cpu) for cpu in cpus))
    for i, _ in enumerate(cpus):
        evsd.call("port.add", bridge="br0", name=f"source{i}", type="dpdk", devargs=f"net_null_e{lab.token}s{i}")
    evsd.call("port.add", bridge="br0", name="sink", type="dpdk", devargs=f"net_null_e{lab.token}k,no-rx=1")
    wait_for(lambda: evsd.port("sink")["tx-pkts"] > 1e6, "packets flow")
    return evsd


def test_version_is_answered_while_workers_are_busy(busy):
    took_ms = []
    for _ in range(N_CALLS):
        begin = time.monotonic()
        busy.call("version")
        took_ms.append((time.monotonic() - begin) * 1000)
    print(f"version: median {statistics.median(took_ms):.2f} ms, worst {max(took_ms):.2f} ms")
    assert busy.worker_sum("pkts") > 1e6


def test_a_full_load_does_not_delay_the_end(busy):
    before = busy.port("sink")["tx-pkts"]
    wait_for(lambda: busy.port("sink")["tx-pkts"] > before + 1e5, "packets still flow")
    print(f"ended in {busy.stop():.2f} s")
