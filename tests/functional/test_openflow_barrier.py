# SPDX-License-Identifier: Apache-2.0
"""After a barrier's reply no packet goes by an older rule: hunted for while traffic comes at full rate.

    src (net_pcap, 3 flows, endless) ---- br0 ---- sink1..4 (net_null)

DPDK's own counters of the sinks are looked at, over its telemetry socket.
"""
import json
import os
import random
import socket
import struct
import time

from evslib import wait_for
from evslib import ofraw as of
from evslib.ofctl import Session, oxm
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

FLOWS, SINKS, SECONDS = 3, 4, 12
MIN_BARRIERS = 300  # however long they take
UDP4 = [oxm(5, b"\x08\x00"), oxm(10, b"\x11")]


class Telemetry:
    def __init__(self, prefix):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(f"/var/run/dpdk/{prefix}/dpdk_telemetry.v2")
        self.socket.recv(1 << 16)

    def ask(self, words):
        self.socket.send(words.encode())
        return next(iter(json.loads(self.socket.recv(1 << 16)).values()))

    def ports(self):
        return {self.ask(f"/ethdev/info,{n}")["name"]: n for n in self.ask("/ethdev/list")}

    def sent(self, n):
        return self.ask(f"/ethdev/stats,{n}")["opackets"]


def topology(lab):
    evsd = lab.evsd()
    path = str(lab.dir / "flows.pcap")
    frames = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2") /
              UDP(sport=7, dport=i) / bytes(22) for i in range(FLOWS)]
    wrpcap(path, frames * 20)
    session = Session(evsd.run_dir / "br0.mgmt")
    session.send(of.flow([], priority=0))  # drops
    session.barrier()
    for i in range(1, SINKS + 1):
        evsd.call("port.add", bridge="br0", name=f"sink{i}", type="dpdk", devargs=f"net_null_{lab.token}{i},no-rx=1",
                  ofport=i)
    evsd.call("port.add", bridge="br0", name="src", type="dpdk", ofport=9,
              devargs=f"net_pcap_{lab.token},rx_pcap={path},infinite_rx=1")
    telemetry = Telemetry(evsd.argv[evsd.argv.index("--dpdk") + 1].split()[-1])
    ports = telemetry.ports()
    return evsd, session, telemetry, [ports[f"net_null_{lab.token}{i}"] for i in range(1, SINKS + 1)]


class Model:
    """The rules as the test believes them to be: {priority: (flow or None for all, sink or None for drop)}"""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rules = {}

    def change(self):
        """Makes a random change; its message."""
        rng = self.random
        priority = rng.randrange(1, 6)
        if priority in self.rules and rng.random() < 0.4:
            which, _ = self.rules.pop(priority)
            return of.flow(self.fields(which), priority=priority, command=4)
        which, sink = rng.choice([None, *range(FLOWS)]), rng.choice([None, *range(1, SINKS + 1)])
        remove = b""
        if priority in self.rules and self.rules[priority][0] != which:
            remove = of.flow(self.fields(self.rules[priority][0]), priority=priority, command=4)
        self.rules[priority] = (which, sink)
        acts = of.actions(of.output(sink)) if sink else b""
        return remove + of.flow(self.fields(which), acts, priority=priority)

    @staticmethod
    def fields(which):
        return [] if which is None else [*UDP4, oxm(16, struct.pack("!H", which))]

    def busy(self):
        """The sinks that may get packets."""
        found = set()
        for flow in range(FLOWS):
            for priority in sorted(self.rules, reverse=True):
                which, sink = self.rules[priority]
                if which in (None, flow):
                    found.add(sink)
                    break
        return found


def test_hunt(lab):
    evsd, session, telemetry, sinks = topology(lab)
    model = Model(int(os.environ.get("EVS_SEED", "1")))
    session.send(of.flow([], of.actions(of.output(1)), priority=7))
    session.barrier()
    wait_for(lambda: telemetry.sent(sinks[0]) > 1000, "traffic flows")
    session.send(of.flow([], priority=7, command=4))
    end, n_barriers, n_changes, violations = time.monotonic() + SECONDS, 0, 0, []
    before = telemetry.sent(sinks[0])
    while time.monotonic() < end or n_barriers <= MIN_BARRIERS:
        n = model.random.randrange(1, 22)
        session.send(b"".join(model.change() for _ in range(n)))
        session.barrier()
        n_barriers, n_changes = n_barriers + 1, n_changes + n
        quiet = [i for i in range(SINKS) if i + 1 not in model.busy()]
        first = [telemetry.sent(sinks[i]) for i in quiet]
        time.sleep(0.0005)
        for i, count in zip(quiet, first):
            more = telemetry.sent(sinks[i]) - count
            if more:
                violations.append((n_barriers, i + 1, more, dict(model.rules)))
    print(f"{n_changes} changes, {n_barriers} barriers, {telemetry.sent(sinks[0]) - before} packets to sink1")
    assert session.errors == []
    assert violations == []
    session.send(of.flow([], priority=0, command=of.DELETE))
    session.barrier()
    evsd.call("port.del", name="src")
    evsd.check_accounts()
