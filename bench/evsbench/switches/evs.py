# SPDX-License-Identifier: Apache-2.0
"""evs, from a build folder; several builds may stand side by side under different names."""
import json
import os

from ..guests import guest_path
from ..proc import Daemon, Telemetry, run, thread_run_time, wait_for
from ..traffic import MAC_A, MAC_B, UNDERLAY_LOCAL, UNDERLAY_REMOTE


class Evs:
    def __init__(self, folder, worker_cpu, control_cpu, build="build", name="evs",
                 memory_mb=1024):
        self.name, self.build = name, build
        self.folder = os.path.join(folder, name)
        self.worker_cpu, self.control_cpu = worker_cpu, control_cpu
        self.prefix = "evsbench-%s-%d" % (name, os.getpid())
        self.memory_mb, self.daemon = memory_mb, None

    def ctl(self, *args):
        return run([self.build + "/evsctl", "--socket", self.folder + "/evs.sock", *args])

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        self.daemon = Daemon(
            [self.build + "/evsd", "--run-dir", self.folder, "--no-config",
             "--worker-cpus", str(self.worker_cpu), "--control-cpus", str(self.control_cpu),
             "--dpdk", "--no-pci --huge-unlink --socket-mem %d --file-prefix %s"
             % (self.memory_mb, self.prefix)],
            self.folder + "/evsd.log")

        def ready():
            self.daemon.check()
            return os.path.exists(self.folder + "/evs.sock")
        wait_for("evsd", ready)
        self.ctl("bridge", "add", "br0", "fail-mode=secure", "internal=off")

    def load(self, devices, rules, mtu=None):
        for i, device in enumerate(devices):
            path = guest_path(device)
            kind = ["type=vhost-user", "path=" + path] if path else ["type=dpdk", "devargs=" + device]
            if mtu:
                kind.append("mtu=%d" % mtu)
            self.ctl("port", "add", "br0", "p%d" % i, *kind, "ofport=%d" % (i + 1))
        path = self.folder + "/rules.txt"
        with open(path, "w") as out:
            out.write("\n".join(rules) + "\n")
        run(["ovs-ofctl", "-O", "OpenFlow13", "add-flows", "unix:" + self.folder + "/br0.mgmt",
             path])

    def load_underlay(self, device, ofport):
        """A tunnel port of br0 for any network, and what lies below it."""
        self.ctl("bridge", "add", "phy", "internal=off", "hwaddr=" + MAC_A.hex(":"),
                 "address=%s/24" % UNDERLAY_LOCAL)
        self.ctl("port", "add", "phy", "u", "type=dpdk", "devargs=" + device)
        self.ctl("neigh", "add", "phy", UNDERLAY_REMOTE, MAC_B.hex(":"))
        self.ctl("port", "add", "br0", "vx", "type=vxlan", "remote=" + UNDERLAY_REMOTE, "vni=flow",
                 "ofport=%d" % ofport)

    def telemetry(self):
        self.daemon.check()
        return Telemetry(self.prefix)

    def worker_show(self):
        """Cycles per packet and stage, one line a worker."""
        return "\n".join("%.1f cycles a packet: %s" % (worker["cycles-per-pkt"], ", ".join(
            "%s %.1f" % stage for stage in worker["stage-cycles-per-pkt"].items() if stage[1]))
            for worker in json.loads(self.ctl("--json", "worker", "show")))

    def pid(self):
        return self.daemon.process.pid

    def worker_run_time(self):
        return thread_run_time(self.pid(), "evs-w")

    def n_cached(self):
        return sum(row["flows"] for row in json.loads(self.ctl("--json", "cache", "show")))

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

    def stop(self):
        if self.daemon:
            self.daemon.stop()
