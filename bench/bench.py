#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures evs beside Open vSwitch with DPDK and beside the drivers' own limit, interleaved.

examples:
  bench/bench.py                              every scenario against everything
  bench/bench.py --scenario flows-1k --repeat 5
  bench/bench.py --also before=../old/build   a second build of evs beside this one
"""
import argparse
import os
import platform
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, proc, report  # noqa: E402
from evsbench.scenarios import OVERLAY_PORT, SCENARIOS  # noqa: E402
from evsbench.switches import Evs, Ovs, Testpmd  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", help="one of: "
                        + ", ".join(s.name for s in SCENARIOS))
    parser.add_argument("--against", default="evs,ovs,limit", help="default: %(default)s")
    parser.add_argument("--build", default="build", help="folder of evsd and evsctl")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BUILD",
                        help="measure another build of evs, too")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds before it")
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    parser.add_argument("--memory", type=int, default=1024, metavar="MB",
                        help="huge pages of a switch (%(default)s)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE.png")
    parser.add_argument("--show-worker", action="store_true", help="print evs' cycles per stage")
    return parser.parse_args()


def makers(options, folder):
    cpus = (options.worker_cpu, options.control_cpu)
    result = {}
    for name in options.against.split(","):
        if name == "evs":
            result[name] = lambda: Evs(folder, *cpus, build=options.build, memory_mb=options.memory)
        elif name == "ovs":
            result[name] = lambda: Ovs(folder, *cpus, memory_mb=options.memory)
        elif name == "limit":
            result[name] = lambda: Testpmd(folder, *cpus, memory_mb=options.memory)
        else:
            sys.exit("bench: unknown switch '%s': use evs, ovs, limit" % name)
    for pair in options.also:
        name, build = pair.split("=", 1)
        result[name] = lambda name=name, build=build: Evs(folder, *cpus, build=build, name=name,
                                                         memory_mb=options.memory)
    return result


def measure(make, setup, options):
    switch = make()
    try:
        switch.start()
        devices = setup["devices"]
        if "underlay" in setup and hasattr(switch, "load_underlay"):
            switch.load_underlay(setup["underlay"], OVERLAY_PORT)
        elif "underlay" in setup:
            devices = devices + [setup["underlay"]]
        switch.load(devices, setup["rules"])
        telemetry = switch.telemetry()
        proc.wait_for("the ports", lambda: len(telemetry.ethdevs()) >= len(devices))
        time.sleep(options.warm_up)
        windows = proc.rates(telemetry, options.seconds)
        telemetry.close()
        if options.show_worker and hasattr(switch, "worker_show"):
            print(switch.worker_show())
        return max(windows)
    finally:
        switch.stop()


def main():
    options = arguments()
    wanted = [s for s in SCENARIOS if not options.scenario or s.name in options.scenario]
    if not wanted:
        sys.exit("bench: no such scenario: " + ", ".join(options.scenario))
    result = {"machine": {"cpu": platform.processor() or platform.machine(),
                          "kernel": platform.release(), "time": time.strftime("%F %T")},
              "runs": {s.name: {} for s in wanted}}
    folder = tempfile.mkdtemp(prefix="evsbench-")
    try:
        with hugepages.reserved(options.memory * 11 // 8):
            for repeat in range(options.repeat):
                for scenario in wanted:
                    setup = scenario.make(folder)
                    for name, make in makers(options, tempfile.mkdtemp(dir=folder)).items():
                        rate = measure(make, setup, options)
                        result["runs"][scenario.name].setdefault(name, []).append(rate)
                        print("%d/%d %-12s %-8s %9.3f Mpps" % (repeat + 1, options.repeat,
                                                               scenario.name, name, rate / 1e6),
                              flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text, missed = report.table(result, wanted)
    print("\n" + text)
    if options.json:
        report.save(result, options.json)
    if options.plot:
        report.plot(result, options.plot)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
