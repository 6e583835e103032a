# SPDX-License-Identifier: Apache-2.0
"""evs, from a build folder; several builds may stand side by side under different names."""
import os

from ..proc import Daemon, Telemetry, run, wait_for


class Evs:
    def __init__(self, folder, worker_cpu, control_cpu, build="build", name="evs"):
        self.name, self.build = name, build
        self.folder = os.path.join(folder, name)
        self.worker_cpu, self.control_cpu = worker_cpu, control_cpu
        self.prefix = "evsbench-%s-%d" % (name, os.getpid())
        self.daemon = None

    def ctl(self, *args):
        return run([self.build + "/evsctl", "--socket", self.folder + "/evs.sock", *args])

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        self.daemon = Daemon(
            [self.build + "/evsd", "--run-dir", self.folder, "--no-config",
             "--worker-cpus", str(self.worker_cpu), "--control-cpus", str(self.control_cpu),
             "--dpdk", "--no-pci --socket-mem 1024 --file-prefix " + self.prefix],
            self.folder + "/evsd.log")

        def ready():
            self.daemon.check()
            return os.path.exists(self.folder + "/evs.sock")
        wait_for("evsd", ready)
        self.ctl("bridge", "add", "br0", "fail-mode=secure", "internal=off")

    def load(self, devices, rules):
        for i, device in enumerate(devices):
            self.ctl("port", "add", "br0", "p%d" % i, "type=dpdk", "devargs=" + device,
                     "ofport=%d" % (i + 1))
        path = self.folder + "/rules.txt"
        with open(path, "w") as out:
            out.write("\n".join(rules) + "\n")
        run(["ovs-ofctl", "-O", "OpenFlow13", "add-flows", "unix:" + self.folder + "/br0.mgmt",
             path])

    def telemetry(self):
        self.daemon.check()
        return Telemetry(self.prefix)

    def worker_show(self):
        return self.ctl("worker", "show")

    def stop(self):
        if self.daemon:
            self.daemon.stop()
