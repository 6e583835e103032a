#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does bandwidth hold? Rates over 1 s and 50 ms, burst and peak as a plot, TCP with a ping beside it,
priority, weights, guarantees, many shaped ports, several workers, and what policing and shaping cost.
Needs no huge pages.

Sources and sinks are DPDK's null devices; packets are counted by their driver. All on one worker, so
figures of cost are ratios within one run. `--only NAME,...` picks parts; `--calm` on a machine with
other work."""
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
from evsbench.proc import run  # noqa: E402
from evsbench.shaping import rates_over, reserve, switch  # noqa: E402

RATES = [1e6, 10e6, 100e6, 1e9, 10e9, 40e9]
SIZES = {"64": [64], "512": [512], "1500": [1500], "9000": [9000], "mixed": [64, 1500, 9000]}
SOURCE_PPS = 16e6  # what a worker surely brings to a shaped port
LAYER_1 = 24       # preamble, start, checksum, gap


def errors(samples, rate, window, frame, bits):
    """Percent by which windows miss the rate; a frame can not be divided."""
    ideal = rate * window
    got = (abs(r * window - ideal) - frame * 8 for r in rates_over(samples, window, bits))
    return sorted(max(0, bits_off) / ideal * 100 for bits_off in got)


def accuracy(options, folder):
    rows = []
    for name in options.sizes.split(","):
        sizes = SIZES[name]
        with switch(options, folder, sizes=sizes) as sw:
            for i in range(len(sizes)):
                sw.flow("in_port=%d,actions=output:%d" % (i + 1, sw.out))
            for layer in options.layers.split(","):
                extra = LAYER_1 if layer == "l1" else 0

                def bits(pkts, size, extra=extra):
                    return (size + extra * pkts) * 8
                for rate in RATES:
                    if rate / 8 / (statistics.mean(sizes) + extra) > SOURCE_PPS:
                        print("%6g Mbit/s %5s B %s: more packets than a worker handles" % (rate / 1e6, name, layer))
                        continue
                    sw.ctl("qos", "set", "out", "egress.average=%d" % rate, "egress.layer=" + layer)
                    time.sleep(0.3)
                    lost, start = sw.lost(), time.monotonic()
                    samples = sw.sample(2, 0.01)
                    lost = (sw.lost() - lost) / (time.monotonic() - start) * 100
                    second = errors(samples, rate, 1, max(sizes), bits)
                    short = errors(samples, rate, 0.05, max(sizes), bits)
                    rows.append({"rate": rate, "size": name, "layer": layer,
                                 "error-1s-%": statistics.median(second), "error-1s-max-%": second[-1],
                                 "error-50ms-%": statistics.median(short), "error-50ms-max-%": short[-1],
                                 "no-cpu-%": lost})
                    print("%6g Mbit/s %5s B %s: 1 s %.2f %% (worst %.2f), 50 ms %.2f %% (worst %.2f); no CPU for %.1f %%"
                          % (rate / 1e6, name, layer, *list(rows[-1].values())[3:]), flush=True)
    return rows


def burst(options, folder, average=200e6, peak=500e6, size=3e6):
    """Idle for long, then full: the burst at the peak, then the average."""
    with switch(options, folder) as sw:
        sw.ctl("qos", "set", "out", "egress.average=%d" % average, "egress.peak=%d" % peak, "egress.burst=%d" % size)
        time.sleep(1)
        sw.flow("in_port=1,actions=output:%d" % sw.out)
        samples = [(t, n) for t, _, n in sw.sample(0.4, 0.002)]
    first = next(i for i, s in enumerate(samples) if s[1] > samples[0][1])
    # when it began lies between two samples: the peak says when
    begin = samples[first][0] - (samples[first][1] - samples[0][1]) * 8 / peak
    samples = [(0, samples[0][1])] + [(t - begin, n) for t, n in samples[first:]]
    until = size * 8 / (peak - average)
    points = [((a[0] + b[0]) / 2, (b[1] - a[1]) * 8 / (b[0] - a[0])) for a, b in zip(samples, samples[5:])]
    at = {name: [r for t, r in points if low < t < high] for name, low, high in
          (("peak", 0.005, until - 0.015), ("average", until + 0.01, 0.38))}
    result = {name: statistics.mean(values) for name, values in at.items()}
    t, sent = next((t, n) for t, n in samples if t >= until)
    result["burst-bytes"] = sent - samples[0][1] - average * t / 8
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


@contextlib.contextmanager
def guests(options, offload=False, ecn=False):
    """Two namespaces behind taps of an evsd; with offload, segments of 64 kB pass."""
    os.environ["EVS_BUILD"] = os.path.abspath(options.build)
    from evslib.lab import Lab
    lab = Lab()
    try:
        evsd = lab.evsd()
        if options.calm:
            reserve(evsd.process.pid)
        a, _ = lab.tap_guest(evsd, "a", "10.9.0.1/24", offload=offload)
        b, _ = lab.tap_guest(evsd, "b", "10.9.0.2/24", offload=offload)
        for guest in (a, b):
            guest.run("sysctl", "-qw", "net.ipv4.tcp_ecn=%d" % ecn)
        a.ping("10.9.0.2")
        yield evsd, a, b
    finally:
        lab.close()


def rtt(out):
    return float(re.search(r"= [\d.]+/([\d.]+)/", out).group(1))


def stream(options, what, settings, n=1, **kwargs):
    """TCP for five seconds, its first not counted, and a ping beside it."""
    with guests(options, **kwargs) as (evsd, a, b):
        evsd.call("qos.set", port="b", **settings)
        result = {"what": what, "ping-idle-ms": rtt(a.run("ping", "-i", "0.05", "-c", "20", "-q", "10.9.0.2"))}
        ping = a.popen("ping", "-i", "0.05", "-c", "100", "-q", "10.9.0.2", stdout=subprocess.PIPE, text=True)
        end = a.iperf(b, "10.9.0.2", "-O", "1", "-P", n, seconds=5)
        result["ping-ms"] = rtt(ping.communicate(timeout=30)[0])
        result["mbps"] = end["sum_received"]["bits_per_second"] / 1e6
        row = next(row for row in evsd.call("qos.show", port="b") if row["kind"] == "queue")
        result.update({key: row[key] for key in ("pkts", "full-drops", "aqm-drops", "marks", "wait-p50-us", "wait-p99-us")})
    print("TCP, %(what)s: %(mbps).1f Mbit/s; ping %(ping-ms).2f ms, %(ping-idle-ms).2f without load; of %(pkts)d packets "
          "%(full-drops)d dropped at the tail, %(aqm-drops)d by the AQM, %(marks)d marked" % result, flush=True)
    return result


def tcp(options, folder):
    return stream(options, "100 Mbit/s", {"egress.average": "100M"})


def aqm(options, folder):
    """What keeps a queue of eight streams short, beside none; with and without ECN."""
    wred = {"egress.aqm": "wred", "queue.0.wred-min": 20, "queue.0.wred-max": 100}
    return [stream(options, "100 Mbit/s, %s%s" % (name, ", ECN" if ecn else ""), {"egress.average": "100M", **settings}, n=8, ecn=ecn)
            for name, settings in (("none", {"egress.aqm": "none"}), ("codel", {}), ("wred", wred)) for ecn in (False, True)]


def segments(options, folder):
    """Segments of up to 64 kB, longer than the burst."""
    return [stream(options, "segments of 64 kB, %s, burst of %s" % (rate, burst), {"egress.average": rate, "egress.burst": burst},
                   offload=True) for rate, burst in (("100M", "1514"), ("1G", "1514"), ("1G", "625kB"))]


def shares(options, folder, what, average, settings, n):
    """n full sources into queues 1 to n; Mbit/s of each."""
    with switch(options, folder, sizes=[1000] * n) as sw:
        sw.ctl("qos", "set", "out", "egress.average=%d" % average, *settings)
        for i in range(1, n + 1):
            sw.flow("in_port=%d,actions=set_queue:%d,output:%d" % (i, i, sw.out))
        time.sleep(0.5)
        before, t0 = sw.show("queue"), time.monotonic()
        time.sleep(2)
        after, seconds = sw.show("queue"), time.monotonic() - t0
    got = [(after[i]["bytes"] - before[i]["bytes"]) * 8 / seconds / 1e6 for i in range(1, n + 1)]
    print("%s: %s Mbit/s of %g" % (what, ", ".join("%.1f" % mbps for mbps in got), average / 1e6))
    return got


def weights(options, folder):
    return shares(options, folder, "weights 1:2:4", 700e6,
                  ["queue.%d.weight=%d" % (i + 1, w) for i, w in enumerate((1, 2, 4))], 3)


def guarantees(options, folder):
    return shares(options, folder, "bulk of priority 0, guarantees of 100 and 50", 500e6,
                  ["queue.1.priority=0", "queue.2.min-rate=100M", "queue.3.min-rate=50M"], 3)


def tenants(options, folder):
    return shares(options, folder, "bulk of priority 0, a tenant with two queues and a guarantee of 100", 500e6,
                  ["queue.1.priority=0", "class.1.min-rate=100M", "queue.2.class=1", "queue.3.class=1"], 3)


def priority(options, folder, average=500e6, size=62500):
    """50 Mbit/s of priority 0 beside an overload of ten times and more; ingress shaping makes the source. In many short
    runs, of which those count in which the worker did not lose its CPU."""
    runs, lost = [], 0
    with switch(options, folder, sizes=[200, 1500], calm=False) as sw:
        sw.ctl("qos", "set", "s0", "ingress.mode=shape", "ingress.average=50M", "ingress.burst=9014")
        sw.flow("in_port=1,actions=set_queue:1,output:%d" % sw.out)
        sw.flow("in_port=2,actions=set_queue:2,output:%d" % sw.out)
        for _ in range(20):
            with sw.alone() if options.calm else contextlib.nullcontext():
                sw.ctl("qos", "set", "out", "egress.average=%d" % average, "egress.burst=%d" % size,
                       "queue.1.priority=0", "queue.1.aqm=none", "queue.2.priority=4")
                cpu, before, t0 = sw.lost(), sw.rpc.call("port.show", name="s1")[0], time.monotonic()
                time.sleep(0.3)
                queue, after = sw.show("queue")[1], sw.rpc.call("port.show", name="s1")[0]
                cpu, dt = sw.lost() - cpu, time.monotonic() - t0
            sw.ctl("qos", "del", "out")
            time.sleep(0.1)
            lost += queue["full-drops"] + queue["aqm-drops"]
            if cpu > 0.0001:
                continue
            runs.append({"wait-max-us": queue["wait-max-us"], "wait-p99-us": queue["wait-p99-us"],
                         "mbps": queue["bytes"] * 8 / dt / 1e6,
                         "overload": (after["rx-bytes"] - before["rx-bytes"]) * 8 / dt / average})
    result = {"lost": lost, "burst-us": size * 8e6 / average, "runs": runs,
              "mbps": statistics.mean(run["mbps"] for run in runs), "overload": min(run["overload"] for run in runs)}
    print("priority 0 beside %(overload).0f times the rate: %(mbps).1f Mbit/s, %(lost)d lost" % result)
    runs.sort(key=lambda run: run["wait-max-us"])
    for run, what in (runs[0], "least"), (runs[len(runs) // 2], "median"), (runs[-1], "most"):
        print("  highest wait in 0.3 s, %s of %d runs: %.0f us (99 %%: %.0f); a burst takes %.0f"
              % (what, len(runs), run["wait-max-us"], run["wait-p99-us"], result["burst-us"]))
    return result


def neighbours(options, folder, mix=(0, 1, 8, 28)):
    """Shaped ports with a backlog beside an unshaped pair: how often is a queue polled, and what passes?"""
    rows = []
    with switch(options, folder, sizes=[64, 1000], sinks=max(mix) + 1) as sw:
        sw.flow("in_port=1,actions=output:%d" % sw.out)
        for n in mix:
            for i in range(1, n + 1):
                sw.ctl("qos", "set", "out%d" % i, "egress.average=1G")
            outputs = ",".join("output:%d" % (sw.out + i) for i in range(1, n + 1))
            sw.flow("in_port=2,actions=" + (outputs or "drop"))
            time.sleep(0.5)

            def look():
                worker = sw.rpc.call("worker.show")[0]
                held = sw.rpc.call("stats.show")["held"]
                return time.monotonic(), worker["loops"], sw.sent()[1], held
            before = look()
            time.sleep(1)
            after = look()
            dt = after[0] - before[0]
            rows.append({"shaped": n, "loop-us": dt * 1e6 / (after[1] - before[1]), "mpps": (after[2] - before[2]) / dt / 1e6,
                         "held": after[3]})
            print("%(shaped)4d shaped ports with %(held)6d packets waiting: each queue polled every %(loop-us).1f us, "
                  "the unshaped pair passes %(mpps).1f Mpps" % rows[-1], flush=True)
    return rows


def workers(options, folder):
    rows = json.loads(run([options.build + "/bench/micro_shape", "3"]))
    for row in rows:
        print("%(others)d workers send to the port of another, %(queues)d queues: %(cycles-other).1f cycles a packet for them, "
              "%(cycles-owner).1f for the owner" % row)
    return rows


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


PARTS = {part.__name__: part for part in (
    accuracy, burst, tcp, aqm, segments, priority, weights, guarantees, tenants, neighbours, workers, cost)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--calm", action="store_true", help="reserve a CPU for the worker (SCHED_DEADLINE)")
    parser.add_argument("--sizes", default=",".join(SIZES), help="of accuracy")
    parser.add_argument("--layers", default="l2,l1", help="of accuracy")
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
