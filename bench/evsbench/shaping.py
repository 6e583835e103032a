# SPDX-License-Identifier: Apache-2.0
"""An evsd with null sources and a shaped sink, and what it sent over time."""
import contextlib
import os
import subprocess
import tempfile
import time

from evslib.rpc import RpcClient

from .proc import Daemon, Telemetry, forget_eal, run, wait_for

LATE = 0.0005  # a count that took longer to get is no sample


def worker(pid):
    """The task of an evsd's worker: (folder, number)."""
    folder = "/proc/%d/task" % pid
    for task in os.listdir(folder):
        with open("%s/%s/comm" % (folder, task)) as name:
            if name.read().startswith("evs-w"):
                return folder, task
    raise RuntimeError("evsd has no worker")


def reserve(pid):
    """Gives the worker 95 % of a CPU, so that what else the machine does hardly touches it."""
    _, task = worker(pid)
    subprocess.run(["taskset", "-cp", "0-%d" % (os.cpu_count() - 1), task], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["chrt", "-d", "-T", "950000", "-D", "1000000", "-P", "1000000", "-p", "0", task], check=True)


class Switch:
    """Without huge pages: null sources at ports 1 to n (s0, s1, ...), sinks behind them (out, out1, ...)."""

    def __init__(self, options, folder, sizes=(1500,), sinks=1, calm=True, mtu=9000):
        self.build, self.folder, self.mtu, self.n_sinks = options.build, tempfile.mkdtemp(dir=folder), mtu, sinks
        self.reserve = options.calm and calm
        self.sink, self.out, self.sizes = len(sizes), len(sizes) + 1, sizes
        self.prefix = "evsshape-%d-%s" % (os.getpid(), os.path.basename(self.folder))
        self.rpc = self.telemetry = None
        self.daemon = Daemon(
            [self.build + "/evsd", "--run-dir", self.folder, "--no-config", "--worker-cpus", str(options.worker_cpu),
             "--dpdk", "--no-huge -m 400 --file-prefix " + self.prefix], self.folder + "/evsd.log")

    def start(self):
        wait_for("evsd", lambda: self.daemon.check() or os.path.exists(self.folder + "/evs.sock"))
        self.rpc = RpcClient(self.folder + "/evs.sock")
        self.ctl("bridge", "add", "br0", "fail-mode=secure", "internal=off")
        for i, size in enumerate(self.sizes):
            self.add("s%d" % i, "size=%d" % size, i)
        for i in range(self.n_sinks):
            self.add("out%s" % (i or ""), "no-rx=1", self.sink + i)
        self.telemetry = Telemetry(self.prefix)
        if self.reserve:
            reserve(self.daemon.process.pid)

    def add(self, name, what, number):
        self.ctl("port", "add", "br0", name, "type=dpdk", "devargs=net_null%d,%s" % (number, what), "mtu=%d" % self.mtu)

    def ctl(self, *words):
        return run([self.build + "/evsctl", "--socket", self.folder + "/evs.sock", *words])

    def flow(self, text):
        self.ctl("flow", "add", "br0", text)

    def show(self, kind, port="out"):
        return {row["id"]: row for row in self.rpc.call("qos.show", port=port) if row["kind"] == kind}

    @contextlib.contextmanager
    def alone(self):
        """Its CPU is the worker's (SCHED_FIFO), for less than the second after which the kernel steps in."""
        _, task = worker(self.daemon.process.pid)
        subprocess.run(["chrt", "-f", "-p", "50", task], check=True)
        try:
            yield
        finally:
            subprocess.run(["chrt", "-o", "-p", "0", task], check=True)

    def lost(self):
        """Seconds for which the worker was ready to run and had no CPU: its rates suffer from that."""
        folder, task = worker(self.daemon.process.pid)
        with open("%s/%s/schedstat" % (folder, task)) as stat:
            return int(stat.read().split()[1]) / 1e9

    def sent(self):
        """(time, how exactly, packets, bytes) of the sink. Where frames are all of one size the driver counts, else
        the switch."""
        while True:
            before = time.monotonic()
            if len(self.sizes) == 1:
                pkts = self.telemetry.ask("/ethdev/stats,%d" % self.sink)["opackets"]
                size = pkts * self.sizes[0]
            else:
                row = self.rpc.call("port.show", name="out")[0]
                pkts, size = row["tx-pkts"], row["tx-bytes"]
            after = time.monotonic()
            if after - before < LATE:
                return (before + after) / 2, pkts, size

    def sample(self, seconds, step):
        """Samples about every step."""
        samples, end = [self.sent()], time.monotonic() + seconds
        while samples[-1][0] < end:
            time.sleep(max(0, samples[0][0] + len(samples) * step - time.monotonic()))
            samples.append(self.sent())
        return samples

    def close(self):
        for client in (self.rpc, self.telemetry):
            if client:
                client.close()
        self.daemon.stop()
        forget_eal(self.prefix)


@contextlib.contextmanager
def switch(*args, **kwargs):
    sw = Switch(*args, **kwargs)
    try:
        sw.start()
        yield sw
    finally:
        sw.close()


def rates_over(samples, window, bits):
    """Bit rates over windows of this length, beginning at each sample; bits(packets, bytes) counts."""
    out, j = [], 0
    for i, (t, *counts) in enumerate(samples):
        while j < len(samples) and samples[j][0] < t + window:
            j += 1
        if j == len(samples):
            break
        out.append((bits(*samples[j][1:]) - bits(*counts)) / (samples[j][0] - t))
    return out
