# SPDX-License-Identifier: Apache-2.0
"""Guests with virtio-user devices: two of one testpmd, which send back what they receive, and one
that generates packets (bench/generator.c)."""
import json
import os
import signal
import subprocess
import time

from .proc import Daemon, Telemetry, forget_eal, wait_for

HEADROOM, CRC = 128, 4  # the driver wants room for a checksum that is not there


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
        self.prefix = "evsbench-%s-%d" % (os.path.basename(folder), os.getpid())
        self.memory_mb = memory_mb
        self.daemon = None

    def devices(self):
        return [device(path) for path in self.paths]

    def start(self):
        for path in self.paths:
            if os.path.exists(path):
                os.unlink(path)
        mbuf = max(2176, (self.size + CRC + HEADROOM + 127) // 128 * 128)
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
                 "--max-pkt-len=%d" % max(self.size + CRC, 1518), "--txd=1024", "--rxd=1024"]
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

    def pause(self):
        self.daemon.pause()

    def resume(self):
        self.daemon.resume()

    def stop(self):
        if self.daemon:
            self.daemon.stop()
        forget_eal(self.prefix)
        for path in self.paths:
            if os.path.exists(path):
                os.unlink(path)


class Generator:
    """One process with n ports on DIR/genN.sock: it sends through the first, receives on the last."""

    def __init__(self, build, folder, cpu, n=2, frames=None, memory_mb=192):
        self.paths = [os.path.join(folder, "gen%d.sock" % i) for i in range(n)]
        self.build, self.folder, self.cpu = build, folder, cpu
        self.frames, self.memory_mb, self.daemon = frames, memory_mb, None

    def devices(self):
        return [device(path) for path in self.paths]

    def start(self):
        program = self.build + "/bench/generator"
        if not os.path.exists(program):
            raise RuntimeError("there is no %s: ninja -C %s bench/generator (make bench does it)"
                               % (program, self.build))
        argv = [program, "--lcores", "0@%d" % self.cpu, "--no-pci",
                "--in-memory", "--single-file-segments", "--socket-mem", str(self.memory_mb),
                "--no-telemetry"]
        argv += ["--vdev=net_virtio_user%d,path=%s,server=1,queue_size=1024" % pair
                 for pair in enumerate(self.paths)]
        self.daemon = Daemon(argv + ["--"] + ([self.frames] if self.frames else []),
                             os.path.join(self.folder, "generator.log"),
                             stdin=subprocess.PIPE)
        self.seen = 0

    def _answers(self):
        self.daemon.check()
        with open(self.daemon.log, errors="replace") as log:
            return [line for line in log if line.startswith(("{", "ready"))]

    def connected(self):
        """Waits until the switch serves all ports."""
        wait_for("the generator's ports", self._answers)
        time.sleep(1)

    def begin(self, rate, flows, seconds):
        """Starts a run: packets a second (0: all that go), flows (0: each packet a new one)."""
        self.seen = len(self._answers())
        self.daemon.process.stdin.write(b"%d %d %f\n" % (rate, flows, seconds))
        self.daemon.process.stdin.flush()

    def end(self, early=False):
        """What came of the run: sent, received, pps, p50_us, p99_us, p999_us. early: it ends now."""
        if early:
            self.daemon.process.send_signal(signal.SIGUSR1)
        wait_for("the end of a run", lambda: len(self._answers()) > self.seen, 60)
        return json.loads(self._answers()[-1])

    def run(self, rate, flows, seconds):
        self.begin(rate, flows, seconds)
        return self.end()

    def pause(self):
        self.daemon.pause()

    def resume(self):
        self.daemon.resume()

    def stop(self):
        if self.daemon:
            self.daemon.stop()
