#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Throughput while a controller changes rules: 10,000 flows, 0, 1,000 and 10,000 changes a second,
of rules that the traffic does not meet, and of rules that it does."""
import argparse
import json
import os
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, openflow, proc, traffic  # noqa: E402
from evsbench.scenarios import FORWARD_UDP, capture, replay_device, sink_device  # noqa: E402
from evsbench.switches import Evs, Ovs  # noqa: E402


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


def measure(switch, folder, seconds):
    flows = traffic.flows(10000)
    path = capture(folder, "udp4-10000", lambda: map(traffic.udp4, flows))
    cases = {"none": (0, None)}
    for rate in (1000, 10000):
        cases["away-%d" % rate] = (rate, [(0xC0A80000 | i, 80) for i in range(1000)])
        cases["touching-%d" % rate] = (rate, [(f[1], f[3]) for f in flows[:1000]])
    result = {}
    switch.start()
    try:
        switch.load([replay_device(0, path), sink_device(1)], FORWARD_UDP)
        telemetry = switch.telemetry()
        time.sleep(2)
        for name, (rate, targets) in cases.items():
            churn = Churn(switch.folder + "/br0.mgmt", rate, targets) if rate else None
            if churn:
                churn.start()
                time.sleep(0.5)
            windows = proc.rates(telemetry, seconds)
            row = {"mpps_best": max(windows) / 1e6, "mpps_mean": sum(windows) / len(windows) / 1e6}
            if churn:
                churn.done = True
                churn.join()
                row["changes_per_s"] = churn.sent / churn.seconds
                row["errors"] = churn.session.errors
                churn.session.close()
            result[name] = row
            print("%-8s %-15s %s" % (switch.name, name, row), flush=True)
        telemetry.close()
    finally:
        switch.stop()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--against", default="evs,ovs")
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory(prefix="evsbench-") as folder, hugepages.reserved(1400):
        for name in options.against.split(","):
            cpus = (options.worker_cpu, options.control_cpu)
            switch = (Evs(folder, *cpus, build=options.build) if name == "evs"
                      else Ovs(folder, *cpus))
            result[name] = measure(switch, folder, options.seconds)
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
