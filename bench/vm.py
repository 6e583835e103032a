#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Virtual machines: evs beside Open vSwitch with DPDK and beside testpmd `io` on net_vhost ports.

    vm-vm   guest <-> switch <-> guest, a closed loop of 512 packets of each guest
    pvp     device -> switch -> guest -> switch -> device; the device makes packets without end

Both guests are virtio-user devices of one testpmd, which sends back what it receives. Packets are
counted in the guests (vm-vm) or where they leave (pvp), by the drivers, in windows of 0.25 s, of
which the best counts. All switches are measured in turn, round by round; ratios are taken within
a round."""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, proc  # noqa: E402
from evsbench.guests import Guests  # noqa: E402
from evsbench.scenarios import FORWARD, null_device, sink_device  # noqa: E402
from evsbench.switches import Evs, Ovs, Testpmd  # noqa: E402

MEMORY_MB = 192  # of the switch, and of the guests


class Case:
    def __init__(self, kind, size, ring="split"):
        self.kind, self.size = kind, size
        self.options = {"split": "", "in-order": "in_order=1", "packed": "packed_vq=1"}[ring]
        self.name = "%s-%d%s" % (kind, size, "" if ring == "split" else "-" + ring)
        self.mtu = size - 14 if size > 1514 else None

    def measure(self, make, folder, options):
        guests = Guests(folder, options.control_cpu, 2 if self.kind == "vm-vm" else 1, self.size,
                        self.options, MEMORY_MB)
        switch = make()
        try:
            guests.start()
            switch.start()
            return self._rates(switch, guests, options)
        finally:
            switch.stop()
            guests.stop()

    def _rates(self, switch, guests, options):
        devices, rules = guests.devices(), FORWARD
        if self.kind == "pvp":
            devices = [null_device(0, self.size), sink_device(1)] + devices
            rules = ["priority=1,in_port=1,actions=output:3", "priority=1,in_port=3,actions=output:2"]
            if switch.name == "limit":  # which knows pairs only
                devices, rules = [null_device(0, self.size), guests.devices()[0]], None
        switch.load(devices, rules, self.mtu)
        guests.run(16 if self.kind == "vm-vm" else 0)
        telemetry = guests.telemetry()
        time.sleep(options.warm_up)
        windows = proc.rates(telemetry, options.seconds)
        telemetry.close()
        if options.show_worker and hasattr(switch, "worker_show"):
            print(switch.worker_show())
        return max(windows)


CASES = [Case("vm-vm", 64), Case("vm-vm", 64, "in-order"), Case("vm-vm", 64, "packed"),
         Case("vm-vm", 1500), Case("pvp", 64), Case("pvp", 512), Case("pvp", 1500),
         Case("pvp", 9000)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--against", default="evs,ovs,limit")
    parser.add_argument("--build", default="build")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BUILD")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--warm-up", type=float, default=1)
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    parser.add_argument("--show-worker", action="store_true", help="print evs' cycles per stage")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def makers(folder, options):
    cpus = (options.worker_cpu, options.control_cpu)
    known = {"evs": lambda: Evs(folder, *cpus, build=options.build, memory_mb=MEMORY_MB),
             "ovs": lambda: Ovs(tempfile.mkdtemp(dir=folder), *cpus, memory_mb=MEMORY_MB),
             "limit": lambda: Testpmd(folder, *cpus, memory_mb=MEMORY_MB)}
    result = {name: known[name] for name in options.against.split(",")}
    for pair in options.also:
        name, build = pair.split("=", 1)
        result[name] = lambda name=name, build=build: Evs(folder, *cpus, build=build, name=name,
                                                          memory_mb=MEMORY_MB)
    return result


def ratio(runs, to):
    pairs = [a / b for a, b in zip(runs.get("evs", []), runs.get(to, [])) if b]
    return statistics.median(pairs) if pairs else None


def report(result):
    for name, runs in result.items():
        line = "%-16s" % name + "".join("%8s %7.3f" % (who, max(rates) / 1e6)
                                        for who, rates in runs.items())
        for to in ("ovs", "limit"):
            if ratio(runs, to):
                line += "   evs/%s %.2f" % (to, ratio(runs, to))
        print(line)
    print("million packets a second, best window; ratios: median of the rounds")


def main():
    options = arguments()
    result = {}
    with tempfile.TemporaryDirectory(prefix="evsbench-") as folder, hugepages.reserved(MEMORY_MB):
        for repeat in range(options.repeat):
            for case in CASES:
                if options.case and case.name not in options.case:
                    continue
                for name, make in makers(folder, options).items():
                    rate = case.measure(make, folder, options)
                    result.setdefault(case.name, {}).setdefault(name, []).append(rate)
                    print("%d/%d %-16s %-8s %8.3f Mpps" % (repeat + 1, options.repeat, case.name,
                                                           name, rate / 1e6), flush=True)
    print()
    report(result)
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
