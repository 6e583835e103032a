# SPDX-License-Identifier: Apache-2.0
"""Two guests played by one testpmd with virtio-user devices: each sends back what it receives."""
import os
import subprocess
import time

from .proc import Daemon, Telemetry, wait_for

MAX_BUFFER = 2048 - 128


def device(path):
    """How a scenario names the port of a guest; the adapters of the switches know it."""
    return "guest:" + path


def guest_path(name):
    return name[len("guest:"):] if name.startswith("guest:") else None


class Guests:
    """n guests that listen on DIR/vmN.sock; the switch is the client of the sockets."""

    def __init__(self, folder, cpu, n=2, size=64, options="", memory_mb=192):
        self.paths = [os.path.join(folder, "vm%d.sock" % i) for i in range(n)]
        self.folder, self.cpu, self.size, self.options = folder, cpu, size, options
        self.prefix = "evsbench-guests-%d" % os.getpid()
        self.memory_mb = memory_mb
        self.daemon = None

    def devices(self):
        return [device(path) for path in self.paths]

    def start(self):
        for path in self.paths:
            if os.path.exists(path):
                os.unlink(path)
        mbuf = 2176 if self.size <= MAX_BUFFER else (self.size + 128 + 127) // 128 * 128
        count = min(16384, self.memory_mb * 700000 // (mbuf + 200))
        # Which CPUs EAL may use is said by --lcores: both logical cores share one CPU.
        argv = ["dpdk-testpmd", "--lcores", "0@%d,1@%d" % (self.cpu, self.cpu), "--no-pci",
                "--in-memory", "--single-file-segments", "--socket-mem", str(self.memory_mb),
                "--file-prefix", self.prefix]
        for i, path in enumerate(self.paths):
            argv += ["--vdev=net_virtio_user%d,path=%s,server=1,queue_size=1024%s%s"
                     % (i, path, "," if self.options else "", self.options)]
        argv += ["--", "-i", "--forward-mode=io", "--port-topology=loop", "--no-mlockall",
                 "--nb-cores=1", "--mbuf-size=%d" % mbuf, "--total-num-mbufs=%d" % count,
                 "--max-pkt-len=%d" % max(self.size + 4, 1518), "--txd=1024", "--rxd=1024"]
        self.daemon = Daemon(argv, os.path.join(self.folder, "guests.log"), stdin=subprocess.PIPE)
        # Its devices start one after the other, each when the switch has connected to the last.

    def _say(self, line):
        self.daemon.process.stdin.write((line + "\n").encode())
        self.daemon.process.stdin.flush()

    def run(self, bursts):
        """Lets them forward, after `bursts` times 32 packets of their own each; 0: none."""
        telemetry = self.telemetry()
        wait_for("the guests' ports", lambda: len(telemetry.ethdevs()) == len(self.paths))
        wait_for("the guests' links", lambda: self._up(telemetry))
        telemetry.close()
        time.sleep(1)  # the switch's own reconnects and queue states
        if bursts:
            self._say("set txpkts %d" % self.size)
        self._say("start tx_first %d" % bursts if bursts else "start")

    def _up(self, telemetry):
        self.daemon.check()
        return all(telemetry.ask("/ethdev/link_status,%d" % port)["status"] == "UP"
                   for port in telemetry.ethdevs())

    def telemetry(self):
        self.daemon.check()
        return Telemetry(self.prefix)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
        for path in self.paths:
            if os.path.exists(path):
                os.unlink(path)
