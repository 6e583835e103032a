# SPDX-License-Identifier: Apache-2.0
"""Guests of 16 queue pairs: every pair passes frames both ways, and their number changes under traffic.

    many --vhost-user, 16 pairs-- br0 --vhost-user, 1 pair-- one      guests in Python (evslib/guest.py)
    vm   --vhost-user, 16 pairs-- br0 --tap-- host                    QEMU, Linux
"""
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
    """send() gives each flow's next frames to the guest of many pairs, and tells which pairs they came by."""

    def __init__(self, lab, rings):
        self.evsd, self.sent = lab.evsd(), 0
        self.one, self.many = (lab.vhost_guest(self.evsd, name, guest.MQ | guest.PROTOCOL, base=guest.MODERN | rings,
                                               pairs=pairs) for name, pairs in (("one", 1), ("many", PAIRS)))
        for name, other in (("one", "many"), ("many", "one")):
            self.evsd.evsctl("flow", "add", "br0", f"priority=9,in_port={name},actions=output:{other}")
        self.wait_queues(PAIRS)

    def wait_queues(self, n):
        wait_for(lambda: self.evsd.port("many")["rx-queues"] == n, f"{n} queues are served")

    def enable(self, pairs):
        """So many, as SET_VRING_ENABLE says; the rest rests."""
        for ring in self.many.rings:
            self.many.enable(ring, ring < 2 * pairs)
        self.wait_queues(pairs)

    def steer(self, how):
        self.evsd.evsctl("port", "set", "many", f"tx-steering={how}")

    def send(self):
        got = {pair: [] for pair in range(PAIRS)}

        def collect():
            for pair, frames in got.items():
                frames += [struct.unpack_from("!II", data, 42) for _, data in self.many.receive(pair)]
            return sum(map(len, got.values()))
        for number in range(self.sent, self.sent + BURST):
            for flow in range(FLOWS):
                self.one.send(frame(flow, number), wait=False)
                if flow % guest.N_SEND == guest.N_SEND - 1:
                    wait_for(self.one.reap, "the switch takes the frames", interval=0.001)
                    collect()
        wait_for(lambda: collect() == FLOWS * BURST, "all have come")
        pair_of = {}
        for pair, frames in got.items():
            for flow in {flow for flow, _ in frames}:
                assert pair_of.setdefault(flow, pair) == pair, f"flow {flow} comes by one pair"
                numbers = [number for f, number in frames if f == flow]
                assert numbers == list(range(self.sent, self.sent + BURST)), f"flow {flow} keeps its order"
        self.sent += BURST
        return set(pair_of.values())

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
    assert len(pair.send()) == 1, "the one worker has a ring for itself"
    pair.steer("hash")
    for pairs in (PAIRS, 5, 1, PAIRS):
        pair.enable(pairs)
        assert pair.send() == set(range(pairs))
    assert pair.send_back(PAIRS) == [2] * PAIRS
    pair.steer("thread")
    assert len(pair.send()) == 1
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
