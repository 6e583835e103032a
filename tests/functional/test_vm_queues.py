# SPDX-License-Identifier: Apache-2.0
"""Guests of 16 queue pairs: every pair passes frames both ways, and their number changes under traffic.

    many --vhost-user, 16 pairs-- br0 --vhost-user, 1 or 2 pairs-- one     guests in Python (evslib/guest.py)
    vm   --vhost-user, 16 pairs-- br0 --tap-- host                    QEMU, Linux
"""
import os
import re
import struct

import pytest
from evslib import guest, wait_for
from evslib.vm import installed
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

PAIRS, BURST = 16, 2
FLOWS = 320  # by chance none of 16 pairs is left out, but once in fifty million times


def frame(flow, number):
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2") /
                 UDP(sport=1000 + flow, dport=9) / Raw(struct.pack("!II", flow, number)))


class Pair:
    """send() gives each flow's next frames to the guest of many pairs, and tells which pairs they came by. The other
    guest sends each flow by one of its pairs, one for each worker."""

    def __init__(self, lab, rings, cpus=()):
        self.evsd, self.sent, self.senders = lab.evsd(workers=",".join(map(str, cpus))), 0, len(cpus) or 1
        self.one, self.many = (self.add(lab, name, rings, n) for name, n in (("one", self.senders), ("many", PAIRS)))
        for name, other in (("one", "many"), ("many", "one")):
            wait_for(lambda name=name: self.evsd.port(name)["link"] == "up", f"{name} is up")
            self.evsd.evsctl("flow", "add", "br0", f"priority=9,in_port={name},actions=output:{other}")
        self.wait_queues(self.senders, "one")
        self.wait_queues(PAIRS)
        for queue, cpu in enumerate(cpus):
            self.evsd.call("queue.move", port="one", queue=queue, cpu=cpu)
            wait_for(lambda: self.cpu_of("one", queue) == cpu, "the queue has its worker")

    def add(self, lab, name, rings, pairs):
        path = lab.dir / name
        self.evsd.call("port.add", bridge="br0", name=name, type="vhost-user", path=str(path), mode="server")
        end = guest.Guest(path, guest.MQ | guest.PROTOCOL, base=guest.MODERN | rings, pairs=pairs)
        lab.stack.callback(end.close)
        return end

    def cpu_of(self, port, queue):
        return {(q["port"], q["queue"]): q["cpu"] for q in self.evsd.call("queue.show")}[port, queue]

    def wait_queues(self, n, name="many"):
        wait_for(lambda: self.evsd.port(name)["rx-queues"] == n, f"{n} queues are served")

    def tell(self, pairs):
        """So many, as SET_VRING_ENABLE says; the rest rests."""
        for ring in self.many.rings:
            self.many.enable(ring, ring < 2 * pairs)

    def enable(self, pairs):
        self.tell(pairs)
        self.wait_queues(pairs)

    def steer(self, how):
        self.evsd.evsctl("port", "set", "many", f"tx-steering={how}")

    def send(self, changes=()):
        """changes: numbers of pairs that the guest takes, each in the middle of another round of frames; then a flow
        may come by several."""
        got, changes = {pair: [] for pair in range(PAIRS)}, list(changes)
        rounds = range(self.sent, self.sent + max(BURST, len(changes)))

        def collect():
            for pair, frames in got.items():
                frames += [struct.unpack_from("!II", data, 42) for _, data in self.many.receive(pair)]
            return sum(map(len, got.values()))

        def reap():
            return all([self.one.reap(pair) for pair in range(self.senders)])
        for number in rounds:
            for flow in range(FLOWS):
                if changes and flow == FLOWS // 2:
                    self.tell(changes.pop(0))
                self.one.send(frame(flow, number), wait=False, pair=flow % self.senders)
                if flow % guest.N_SEND == guest.N_SEND - 1:
                    wait_for(reap, "the switch takes the frames", interval=0.001)
                    collect()
        wait_for(lambda: collect() == FLOWS * len(rounds), "all have come")
        assert sorted(sum(got.values(), [])) == [(flow, number) for flow in range(FLOWS) for number in rounds]
        for pair, frames in got.items():
            for flow in range(FLOWS):
                numbers = [number for f, number in frames if f == flow]
                assert numbers == sorted(numbers), f"flow {flow} keeps its order in pair {pair}"
        self.sent = rounds.stop
        return {pair: {flow for flow, _ in frames} for pair, frames in got.items() if frames}

    def send_steadily(self):
        """The pairs by which frames come, a flow by one."""
        flows = self.send()
        assert sum(map(len, flows.values())) == FLOWS, "a flow comes by one pair"
        return set(flows)

    def send_back(self, pairs):
        """A frame by each pair; what the switch counted of each queue."""
        for pair in range(pairs):
            self.many.send(frame(pair, self.sent), pair=pair)
        got = []
        wait_for(lambda: got.extend(self.one.receive()) or len(got) == pairs, "a frame of each pair has come")
        assert sorted(struct.unpack_from("!I", data, 42)[0] for _, data in got) == list(range(pairs))
        counters = self.evsd.call("port.show", name="many", xstats=True)[0]["xstats"]
        return [counters[f"rx_q{queue}_packets"] for queue in range(pairs)]


@pytest.mark.parametrize("rings", [0, guest.PACKED], ids=["split", "packed"])
def test_every_pair_passes_frames(lab, rings):
    pair = Pair(lab, rings)
    assert pair.send_back(PAIRS) == [1] * PAIRS
    assert len(pair.send_steadily()) == 1, "the one worker has a ring for itself"
    pair.steer("hash")
    for pairs in (PAIRS, 5, 1, PAIRS):
        pair.enable(pairs)
        assert pair.send_steadily() == set(range(pairs))
    assert pair.send_back(PAIRS) == [2] * PAIRS
    pair.steer("thread")
    assert len(pair.send_steadily()) == 1
    assert not any(pair.evsd.drops().values())
    pair.evsd.check_accounts()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two workers need two CPUs")
@pytest.mark.parametrize("rings", [0, guest.PACKED], ids=["split", "packed"])
def test_flows_of_several_workers(lab, rings):
    pair = Pair(lab, rings, cpus=sorted(os.sched_getaffinity(0))[:2])
    assert len(pair.send_steadily()) == 2, "each worker has a ring for itself"
    pair.steer("hash")
    for pairs in (3, PAIRS):
        pair.enable(pairs)
        assert pair.send_steadily() == set(range(pairs))
    pair.send(changes=(3, PAIRS, 1, PAIRS))
    pair.wait_queues(PAIRS)
    assert pair.send_steadily() == set(range(PAIRS))
    counters = pair.evsd.call("port.show", name="many", xstats=True)[0]["xstats"]
    assert all(counters[f"tx_worker{worker}_packets"] >= pair.sent * FLOWS // 2 for worker in range(2))
    assert not any(pair.evsd.drops().values())
    pair.evsd.check_accounts()


def progress(evsd):
    """How far each ring is, of those enabled."""
    rings = {int(key[4:]): text for key, text in evsd.port("vm")["status"].items() if re.fullmatch(r"ring\d+", key)}
    return {ring: int(re.search(r"last used (\d+)", text).group(1)) for ring, text in rings.items() if ", enabled," in text}


@pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")
def test_ethtool_under_traffic(lab):
    evsd = lab.evsd()
    lab.vhost_port(evsd, "vm", **{"tx-steering": "hash"})
    vm = lab.vm(lab.dir / "vm", address="10.0.0.1/24", queues=PAIRS, cpus=2).wait_ready()
    lab.tap_guest(evsd, "h", "10.0.0.3/24")
    # each connection another flow; all are refused
    vm.run("touch /go; { while [ -e /go ]; do nc -w 1 10.0.0.3 9 </dev/null 2>/dev/null; done & }")
    for queues in (PAIRS, 5, 1, PAIRS):
        vm.run(f"ethtool -L eth0 combined {queues}")
        wait_for(lambda: evsd.port("vm")["rx-queues"] == queues, f"{queues} queues are served")
        before = progress(evsd)
        assert sorted(before) == list(range(2 * queues))
        wait_for(lambda: all(progress(evsd)[ring] != n for ring, n in before.items()), "each ring passes frames")
    vm.run("rm /go; wait")  # a child that ends while it reads makes this shell end, too, now and then
    assert vm.ping("10.0.0.3") == 0
    evsd.check_accounts()
