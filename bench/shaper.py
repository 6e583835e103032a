#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does bandwidth hold? Rates over 1 s and 50 ms, burst and peak as a plot, TCP with a ping beside it,
priority, weights, guarantees, and what policing and shaping cost. Needs no huge pages.

Sources and sinks are DPDK's null devices; packets are counted by their driver. All on one worker, so
figures of cost are ratios within one run. `--only NAME,...` picks parts."""
import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "tests", "functional"))
from evsbench.proc import Daemon, Telemetry, run, wait_for  # noqa: E402

RATES = [1e6, 10e6, 100e6, 1e9, 10e9, 40e9]
SIZES = [64, 1500, 9000]
SOURCE_PPS = 5e6  # what a null source surely brings besides


class Switch:
    """An evsd without huge pages: null sources at ports 1 to n, a sink behind them."""

    def __init__(self, build, folder, worker_cpu, sizes=(1500,), mtu=9000):
        self.build, self.folder = build, tempfile.mkdtemp(dir=folder)
        prefix = "evsshape-%d-%s" % (os.getpid(), os.path.basename(self.folder))
        self.daemon = Daemon(
            [build + "/evsd", "--run-dir", self.folder, "--no-config", "--worker-cpus", str(worker_cpu),
             "--dpdk", "--no-huge -m 400 --file-prefix " + prefix], self.folder + "/evsd.log")
        wait_for("evsd", lambda: self.daemon.check() or os.path.exists(self.folder + "/evs.sock"))
        self.ctl("bridge", "add", "br0", "fail-mode=secure", "internal=off")
        for i, size in enumerate(sizes):
            self.ctl("port", "add", "br0", "s%d" % i, "type=dpdk", "devargs=net_null%d,size=%d" % (i, size),
                     "mtu=%d" % mtu)
        self.ctl("port", "add", "br0", "out", "type=dpdk", "devargs=net_null%d,no-rx=1" % len(sizes), "mtu=%d" % mtu)
        self.sink, self.out, self.size = len(sizes), len(sizes) + 1, sizes[0]
        self.telemetry = Telemetry(prefix)

    def ctl(self, *words):
        return run([self.build + "/evsctl", "--socket", self.folder + "/evs.sock", *words])

    def flow(self, text):
        self.ctl("flow", "add", "br0", text)

    def show(self, kind):
        rows = json.loads(self.ctl("--json", "qos", "show", "out"))
        return {row["id"]: row for row in rows if row["kind"] == kind}

    def sent(self):
        """(time, bytes) of the sink, which counts packets; all are of the first source's size."""
        before = time.monotonic()
        n = self.telemetry.ask("/ethdev/stats,%d" % self.sink)["opackets"] * self.size
        return (before + time.monotonic()) / 2, n

    def cpu_wait(self):
        """Seconds for which the worker was ready to run and had no CPU: its rates suffer from that."""
        folder, sum_ns = "/proc/%d/task" % self.daemon.process.pid, 0
        for task in os.listdir(folder):
            with open("%s/%s/comm" % (folder, task)) as name, open("%s/%s/schedstat" % (folder, task)) as stat:
                if name.read().startswith("evs-w"):
                    sum_ns += int(stat.read().split()[1])
        return sum_ns / 1e9

    def sample(self, seconds, step):
        """Samples about every step."""
        samples, end = [self.sent()], time.monotonic() + seconds
        while samples[-1][0] < end:
            time.sleep(max(0, samples[0][0] + len(samples) * step - time.monotonic()))
            samples.append(self.sent())
        return samples

    def close(self):
        self.telemetry.close()
        self.daemon.stop()


def rates_over(samples, window):
    """Bit rates over windows of this length, beginning at each sample."""
    out, j = [], 0
    for i, (t, n) in enumerate(samples):
        while j < len(samples) and samples[j][0] < t + window:
            j += 1
        if j == len(samples):
            break
        out.append((samples[j][1] - n) * 8 / (samples[j][0] - t))
    return out


def accuracy(options, folder):
    rows = []
    for size in SIZES:
        with contextlib.closing(Switch(options.build, folder, options.worker_cpu, sizes=[size])) as switch:
            switch.flow("in_port=1,actions=output:%d" % switch.out)
            for rate in RATES:
                if rate / 8 / size > SOURCE_PPS:
                    continue
                switch.ctl("qos", "set", "out", "egress.average=%d" % rate)
                time.sleep(0.5)
                waited, start = switch.cpu_wait(), time.monotonic()
                samples = switch.sample(2.2, 0.01)
                waited = (switch.cpu_wait() - waited) / (time.monotonic() - start) * 100
                second = [abs(r / rate - 1) * 100 for r in rates_over(samples, 1)]
                short = sorted(abs(r / rate - 1) * 100 for r in rates_over(samples, 0.05))
                rows.append({"rate": rate, "size": size, "error-1s-%": statistics.median(second),
                             "error-1s-max-%": max(second), "error-50ms-%": statistics.median(short),
                             "error-50ms-p95-%": short[int(len(short) * 0.95)], "no-cpu-%": waited})
                print("%6g Mbit/s %5d B: 1 s %.2f %% (worst %.2f), 50 ms %.2f %% (95th percentile %.2f); no CPU for %.0f %%"
                      % (rate / 1e6, size, *list(rows[-1].values())[2:]), flush=True)
    return rows


def burst(options, folder, average=200e6, peak=500e6, size=3e6):
    """Idle for long, then full: the burst at the peak, then the average."""
    with contextlib.closing(Switch(options.build, folder, options.worker_cpu)) as switch:
        switch.ctl("qos", "set", "out", "egress.average=%d" % average, "egress.peak=%d" % peak,
                   "egress.burst=%d" % size)
        time.sleep(1)
        switch.flow("in_port=1,actions=output:%d" % switch.out)
        samples = switch.sample(0.4, 0.002)
    start = next(i for i, s in enumerate(samples) if s[1] > samples[0][1]) - 1
    samples = [(t - samples[start][0], n) for t, n in samples[start:]]
    until = size * 8 / (peak - average)
    points = [((a[0] + b[0]) / 2, (b[1] - a[1]) * 8 / (b[0] - a[0])) for a, b in zip(samples, samples[5:])]
    at = {name: [r for t, r in points if low < t < high] for name, low, high in
          (("peak", 0.005, until - 0.005), ("average", until + 0.01, 0.38))}
    result = {name: statistics.mean(values) for name, values in at.items()}
    sent = next(n for t, n in samples if t >= until) - samples[0][1]
    result["burst-bytes"] = sent - average * until / 8
    print("burst of %g MB: %.1f Mbit/s for %.0f ms, then %.1f; %.2f MB above the average"
          % (size / 1e6, result["peak"] / 1e6, until * 1e3, result["average"] / 1e6, result["burst-bytes"] / 1e6))
    if options.plot:
        plot(options.plot, points, [(0, peak), (until, peak), (until, average), (0.38, average)])
    return result


def plot(path, points, ideal):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(8, 4))
    axes.plot([t * 1e3 for t, _ in ideal], [r / 1e6 for _, r in ideal], label="ideal", color="grey", lw=3)
    axes.plot([t * 1e3 for t, _ in points], [r / 1e6 for _, r in points], label="measured, over 10 ms")
    axes.set(xlabel="ms since the first packet", ylabel="Mbit/s", ylim=(0, None), title="burst at the peak, then the average")
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    print("plot: " + path)


def tcp(options, folder):
    """Two namespaces, 100 Mbit/s between them."""
    os.environ["EVS_BUILD"] = os.path.abspath(options.build)
    from evslib.lab import Lab
    lab, result = Lab(), {}
    try:
        evsd = lab.evsd()
        a, _ = lab.tap_guest(evsd, "a", "10.9.0.1/24")
        b, _ = lab.tap_guest(evsd, "b", "10.9.0.2/24")
        a.ping("10.9.0.2")

        def rtt(seconds):
            out = a.run("ping", "-i", "0.05", "-c", int(seconds * 20), "-q", "10.9.0.2")
            return float(re.search(r"= [\d.]+/([\d.]+)/", out).group(1))
        result["ping-idle-ms"] = rtt(1)
        evsd.call("qos.set", port="b", **{"egress.average": "100Mbit/s"})
        ping = a.popen("ping", "-i", "0.05", "-c", "100", "-q", "10.9.0.2", stdout=subprocess.PIPE, text=True)
        end = a.iperf(b, "10.9.0.2", "-O", "1", seconds=5)
        out = ping.communicate(timeout=30)[0]
        result["ping-ms"] = float(re.search(r"= [\d.]+/([\d.]+)/", out).group(1))
        result["mbps"] = end["sum_received"]["bits_per_second"] / 1e6
    finally:
        lab.close()
    print("TCP through 100 Mbit/s: %(mbps).1f Mbit/s; ping %(ping-ms).2f ms, %(ping-idle-ms).2f without load" % result)
    return result


def shares(options, folder, what, average, settings, n):
    """n full sources into queues 1 to n; Mbit/s of each."""
    with contextlib.closing(Switch(options.build, folder, options.worker_cpu, sizes=[1000] * n)) as switch:
        switch.ctl("qos", "set", "out", "egress.average=%d" % average, *settings)
        for i in range(1, n + 1):
            switch.flow("in_port=%d,actions=set_queue:%d,output:%d" % (i, i, switch.out))
        time.sleep(0.5)
        before, t0 = switch.show("queue"), time.monotonic()
        time.sleep(2)
        after, seconds = switch.show("queue"), time.monotonic() - t0
    got = [(after[i]["bytes"] - before[i]["bytes"]) * 8 / seconds / 1e6 for i in range(1, n + 1)]
    print("%s: %s Mbit/s of %g" % (what, ", ".join("%.1f" % mbps for mbps in got), average / 1e6))
    return got


def weights(options, folder):
    return shares(options, folder, "weights 1:2:4", 700e6,
                  ["queue.%d.weight=%d" % (i + 1, w) for i, w in enumerate((1, 2, 4))], 3)


def guarantees(options, folder):
    return shares(options, folder, "bulk of priority 0, guarantees of 100 and 50", 500e6,
                  ["queue.1.priority=0", "queue.2.min-rate=100M", "queue.3.min-rate=50M"], 3)


def priority(options, folder):
    """50 Mbit/s of priority 0 beside an overload; ingress shaping makes the source."""
    with contextlib.closing(Switch(options.build, folder, options.worker_cpu, sizes=[200, 1500])) as switch:
        switch.ctl("qos", "set", "s0", "ingress.mode=shape", "ingress.average=50M", "ingress.burst=9014")
        switch.ctl("qos", "set", "out", "egress.average=500M", "egress.burst=9014", "queue.1.priority=0",
                   "queue.1.aqm=none")
        switch.flow("in_port=1,actions=set_queue:1,output:%d" % switch.out)
        switch.flow("in_port=2,actions=set_queue:2,output:%d" % switch.out)
        time.sleep(3)
        queue = switch.show("queue")[1]
        port = switch.show("port")[0]
    result = {"mbps": queue["rate-bps"] / 1e6, "lost": queue["full-drops"] + queue["aqm-drops"],
              "wait-p99-us": queue["wait-p99-us"], "burst-us": 9014 * 8 / 500, "port-mbps": port["rate-bps"] / 1e6}
    print("priority 0 beside an overload: %(mbps).1f Mbit/s, %(lost)d lost, waits %(wait-p99-us).0f us (99 %%); "
          "a burst takes %(burst-us).0f us; the port sends %(port-mbps).1f" % result)
    return result


def cost(options, folder):
    micro = json.loads(run([options.build + "/bench/micro_qos", "4096", "2"]))
    best = {}
    for _ in range(4):
        for mode in ("plain", "neighbour", "police", "shape"):
            cycles = json.loads(run([options.build + "/bench/micro_pmd", "1000", "1", "0.6", mode]))["cycles"]
            best[mode] = min(cycles, best.get(mode, cycles))
    print("alone, cycles a packet: policed %.1f, shaped with 4,096 queues %.1f, with limits and guarantees %.1f"
          % (micro["rfc2698"] - micro["nothing"], micro["shaped"], micro["shaped-limited"]))
    print("whole path: " + ", ".join("%s %.1f" % item for item in best.items()))
    print("one policer, packets a second of CPU time by 1, 2, 4 threads: %s million"
          % [micro["mpps-" + n] for n in ("1-thread", "2-threads", "4-threads")])
    return {"alone": micro, "path": best}


PARTS = {part.__name__: part for part in (accuracy, burst, tcp, priority, weights, guarantees, cost)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--plot", metavar="PNG")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory(prefix="evsshape-") as folder:
        for name in options.only.split(","):
            result[name] = PARTS[name](options, folder)
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
