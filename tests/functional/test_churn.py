# SPDX-License-Identifier: Apache-2.0
"""Eight ports of many kinds come and go under traffic; nothing is lost, leaked or miscounted.

    a --tap-- br0 --tap-- b   guests that talk all the time; flood --null-- br0: packets without end
               |
       tap, null sink, null source, ring, two veths, patch --- patch on br1: added and deleted
"""
import os

import pytest
from evslib import wait_for
from evslib.evsd import is_sanitized
from evslib.netns import veth

N_ROUNDS = int(os.environ.get("EVS_CHURN_ROUNDS", 25))
WARM_UP = 5
GROWTH_KB = 16384  # of allocators and page tables, not a port's worth each round


def null(lab, name, *options):
    return {"type": "dpdk", "devargs": ",".join([f"net_null_e{lab.token}{name}", *options])}


def flood(lab):
    return {"bridge": "br0", "name": "flood", **null(lab, "f", "size=64")}


def eight(lab):
    """(name, bridge, parameters)"""
    return [("c-tap", "br0", {"type": "tap", "ifname": lab.iface("c")}),
            ("c-sink", "br0", null(lab, "k", "no-rx=1")),
            ("c-source", "br0", null(lab, "s", "size=64")),
            ("c-ring", "br0", {"type": "dpdk", "devargs": f"net_ring_e{lab.token}"}),
            ("c-veth1", "br0", {"type": "af-packet", "iface": lab.iface("v1")}),
            ("c-veth2", "br1", {"type": "af-packet", "iface": lab.iface("v2")}),
            ("c-patch1", "br0", {"type": "patch", "peer": "c-patch2"}),
            ("c-patch2", "br1", {"type": "patch", "peer": "c-patch1"})]


def churn(evsd, ports, turn):
    """The order differs each time."""
    ports = ports[turn % 8:] + ports[:turn % 8]
    for name, bridge, params in ports:
        evsd.call("port.add", bridge=bridge, name=name, **params)
    for name, _, _ in ports if turn % 2 else reversed(ports):
        evsd.call("port.del", name=name)


def keep_ring(evsd, ports):
    """DPDK's ring outlives its port, with up to 1,023 frames in it: to a port that stays it gives them all."""
    name, bridge, params = next(port for port in ports if port[0] == "c-ring")
    evsd.call("port.add", bridge=bridge, name=name, **params)


def reasons(evsd):
    return evsd.call("stats.show")["drops-by-reason"]


def quiet(evsd):
    """Without flood nothing but the two guests' taps and the ring's port holds buffers."""
    evsd.check_accounts()
    return evsd.footprint()


def test_eight_ports_come_and_go_under_traffic(lab):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs a second CPU")
    evsd = lab.evsd(memory_mb=512, workers=f"{cpus[0]},{cpus[1]}")
    evsd.call("bridge.add", name="br1", internal=False)
    veth(lab.stack, lab.iface("v1"), lab.iface("w1"))
    veth(lab.stack, lab.iface("v2"), lab.iface("w2"))
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24")
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24")
    ports = eight(lab)
    evsd.call("port.add", **flood(lab))  # also touches every buffer once
    for turn in range(WARM_UP):
        churn(evsd, ports, turn)
    evsd.call("port.del", name="flood")
    wait_for(lambda: a.can_ping("10.0.0.2"))
    keep_ring(evsd, ports)
    before = quiet(evsd)
    evsd.call("port.del", name="c-ring")
    ping = a.popen("ping", "-q", "-i", "0.02", "10.0.0.2")
    evsd.call("port.add", **flood(lab))
    counted = {}
    for turn in range(N_ROUNDS):
        churn(evsd, ports, turn)
        now = reasons(evsd)
        assert all(now.get(reason, 0) >= n for reason, n in counted.items()), "what deleted ports dropped is kept"
        counted = now
    assert ping.poll() is None
    ping.terminate()
    evsd.call("port.del", name="flood")
    evsd.check_accounts()
    stats = evsd.call("stats.show")
    print(f"{N_ROUNDS} rounds: {stats}")
    assert stats["dropped"] == sum(stats["drops-by-reason"].values()), stats
    keep_ring(evsd, ports)
    wait_for(lambda: a.can_ping("10.0.0.2"), "the guests still talk")
    wait_for(lambda: quiet(evsd)["buffers"] <= before["buffers"], "every buffer is back")
    wait_for(lambda: all(quiet(evsd)[key] == before[key] for key in ("descriptors", "threads")), "descriptors and threads are what they were")
    after = quiet(evsd)
    print(f"before {before}, after {after}")
    if not is_sanitized():
        assert after["memory_kb"] - before["memory_kb"] < GROWTH_KB
