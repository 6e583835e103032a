# SPDX-License-Identifier: Apache-2.0
"""evs, from a build folder; several builds may stand side by side under different names."""
import json
import os

from ..guests import guest_path
from ..proc import run, wait_for
from ..traffic import MAC_A, MAC_B
from .switch import Switch


class Evs(Switch):
    WORKERS = "evs-w"

    def __init__(self, folder, cpus, memory_mb, build="build", name="evs"):
        super().__init__(folder, name, cpus, memory_mb)
        self.build = build

    def ctl(self, *args):
        return run([self.build + "/evsctl", "--socket", self.folder + "/evs.sock", *args])

    def start(self):
        self.spawn(
            [self.build + "/evsd", "--run-dir", self.folder, "--no-config",
             "--worker-cpus", str(self.worker_cpu), "--control-cpus", str(self.control_cpu),
             "--dpdk", "--no-pci --huge-unlink --socket-mem %d --file-prefix %s"
             % (self.memory_mb, self.prefix)], "evsd.log")

        def ready():
            self.daemons[-1].check()
            return os.path.exists(self.folder + "/evs.sock")
        wait_for("evsd", ready)
        self.ctl("bridge", "add", "br0", "fail-mode=secure", "internal=off")

    def load(self, devices, rules, mtu=None):
        for name, ofport, device in self.new_ports(devices):
            path = guest_path(device)
            kind = ["type=vhost-user", "path=" + path] if path else ["type=dpdk", "devargs=" + device]
            if mtu:
                kind.append("mtu=%d" % mtu)
            self.ctl("port", "add", "br0", name, *kind, "ofport=%d" % ofport)
        self.add_flows(rules)

    def load_underlay(self, device, tunnel, ofport):
        """A tunnel port of br0 for any network, and what lies below it."""
        self.ctl("bridge", "add", "phy", "internal=off", "hwaddr=" + MAC_A.hex(":"),
                 "address=%s/%d" % (tunnel.local, tunnel.prefix))
        self.ctl("port", "add", "phy", "u", "type=dpdk", "devargs=" + device)
        self.ctl("neigh", "add", "phy", tunnel.remote, MAC_B.hex(":"))
        self.ctl("port", "add", "br0", "vx", "type=" + tunnel.kind, "remote=" + tunnel.remote,
                 ("key" if tunnel.kind in ("gre", "stt") else "vni") + "=flow",
                 "ofport=%d" % ofport,
                 # over IPv6 packets without checksum, which the traffic has, must be asked for
                 *(["csum=off"] if tunnel.version == 6 and tunnel.kind not in ("gre", "stt") else []))

    def worker_show(self):
        """Cycles per packet and stage, one line a worker."""
        return "\n".join("%.1f cycles a packet: %s" % (worker["cycles-per-pkt"], ", ".join(
            "%s %.1f" % stage for stage in worker["stage-cycles-per-pkt"].items() if stage[1]))
            for worker in json.loads(self.ctl("--json", "worker", "show")))

    def n_cached(self):
        return sum(row["flows"] for row in json.loads(self.ctl("--json", "cache", "show")))

    def n_strangers(self):
        """Packets so far that the first cache did not know."""
        return sum(row["wide-hits"] + row["misses"]
                   for row in json.loads(self.ctl("--json", "cache", "show")))

    def use_workers(self, cpus):
        for cpu in set(cpus) - {self.worker_cpu}:
            self.ctl("worker", "add", str(cpu))

    def _move(self, wanted):
        """wanted(port): the CPU that polls its first queue."""
        self.ctl("worker", "set", "rebalance=0")
        for row in json.loads(self.ctl("--json", "queue", "show")):
            self.ctl("queue", "move", row["port"], str(row["queue"]), str(wanted(row["port"])))

    def give_own_worker(self, port, own, other):
        self._move(lambda name: own if name == port else other)

    def skew(self, cpu):
        """All queues on one of the workers."""
        self._move(lambda name: cpu)

    def let_rebalance(self):
        self.ctl("worker", "set", "rebalance=1")
