#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Throughput while a controller changes rules: 10,000 flows, 1,000 and 10,000 changes a second, of
rules that the traffic does not meet, and of rules that it does; as a share of the throughput without."""
import argparse
import os
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import lab as benchlab, openflow, proc, traffic  # noqa: E402
from evsbench.scenarios import FORWARD_UDP, capture, replay_device, sink_device  # noqa: E402


class Churn(threading.Thread):
    """Adds and deletes rules at a rate, ten at a time between barriers."""

    def __init__(self, path, rate, targets):
        super().__init__(daemon=True)
        self.session = openflow.Session(path)
        self.rate, self.targets, self.done, self.sent = rate, targets, False, 0

    def run(self):
        start, i = time.monotonic(), 0
        while not self.done:
            batch = b""
            for _ in range(10):
                dst, port = self.targets[i // 2 % len(self.targets)]
                match = openflow.udp_match(dst, port)
                if i % 2 == 0:
                    batch += openflow.flow_mod(openflow.ADD, 1000, match, out_port=2)
                else:
                    batch += openflow.flow_mod(openflow.DELETE_STRICT, 1000, match)
                i += 1
            self.session.send(batch)
            self.session.barrier()
            self.sent = i
            ahead = i / self.rate - (time.monotonic() - start)
            if ahead > 0:
                time.sleep(ahead)
        self.seconds = time.monotonic() - start


class Pause(threading.Thread):
    """Nothing changes, but the client works as hard: it is not the switch that is measured by it."""

    def __init__(self, rate):
        super().__init__(daemon=True)
        self.rate, self.done = rate, False

    def run(self):
        while not self.done:
            for i in range(10):
                openflow.flow_mod(openflow.ADD, 1000, openflow.udp_match(i, i), out_port=2)
            time.sleep(10 / self.rate)


def window(telemetry, worker, thread, seconds):
    """Packets in a second of the worker's CPU time while the thread runs."""
    thread.start()
    time.sleep(0.2)
    ports = telemetry.ethdevs()
    sent, spent = telemetry.sent(ports), proc.run_time(worker)
    time.sleep(seconds)
    sent, spent = telemetry.sent(ports) - sent, proc.run_time(worker) - spent
    thread.done = True
    thread.join()
    return sent / spent


def measure(switch, folder, options):
    """Windows without and with changes take turns: each is compared with its neighbours."""
    flows = traffic.flows(options.flows)
    path = capture(folder, "udp4-%d" % options.flows, lambda: map(traffic.udp4, flows))
    away = [(0xC0A80000 | i, 80) for i in range(1000)]
    touching = [(f[1], f[3]) for f in flows[:1000]]
    result = {}
    switch.start()
    try:
        switch.load([replay_device(0, path), sink_device(1)], FORWARD_UDP)
        telemetry = switch.telemetry()
        time.sleep(2)
        worker = proc.busiest_thread(switch.pid())
        for rate in options.rates:
            for where, targets in (("away", away), ("touching", touching)):
                ratios, best = [], {"none": 0, "churn": 0}
                for _ in range(options.repeat):
                    none = window(telemetry, worker, Pause(rate), options.seconds)
                    churn = Churn(switch.folder + "/br0.mgmt", rate, targets)
                    with_churn = window(telemetry, worker, churn, options.seconds)
                    churn.session.close()
                    ratios.append(with_churn / none)
                    best = {"none": max(best["none"], none), "churn": max(best["churn"], with_churn)}
                row = {"kept": statistics.median(ratios), "spread": [min(ratios), max(ratios)],
                       "mpps_none": best["none"] / 1e6, "mpps": best["churn"] / 1e6,
                       "changes_per_s": churn.sent / churn.seconds, "errors": churn.session.errors}
                result["%s-%d" % (where, rate)] = row
                print("%-5s %-15s keeps %3.0f %% (%.0f to %.0f), best %.1f of %.1f Mpps, %.0f changes/s"
                      % (switch.name, "%s-%d" % (where, rate), 100 * row["kept"],
                         100 * min(ratios), 100 * max(ratios), row["mpps"], row["mpps_none"],
                         row["changes_per_s"]), flush=True)
        telemetry.close()
    finally:
        switch.stop()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.8, help="of a window")
    parser.add_argument("--repeat", type=int, default=5, help="pairs of windows")
    parser.add_argument("--flows", type=int, default=10000)
    parser.add_argument("--rates", type=int, nargs="+", default=[1000, 10000])
    benchlab.add_options(parser, ("ovs",), 400)
    options = parser.parse_args()
    with benchlab.opened(options) as lab:
        benchlab.save(options, {name: measure(lab.make(name), lab.folder, options)
                                for name in lab.names(["ovs"])})


if __name__ == "__main__":
    main()
