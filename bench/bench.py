#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures evs beside Open vSwitch with DPDK and beside the drivers' own limit, interleaved.
Exit status 1 if a figure misses its target or could not be taken.

examples:
  bench/bench.py                                 every scenario against everything
  bench/bench.py --scenario flows-1k --repeat 5
  bench/bench.py --scenario 'attack-*' --scenario idle
  bench/bench.py --also before=../old/build      a second build of evs beside this one
"""
import argparse
import fnmatch
import os
import platform
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, report  # noqa: E402
from evsbench.lab import Lab  # noqa: E402
from evsbench.table import SCENARIOS  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", metavar="PATTERN",
                        help="one or more of: " + ", ".join(s.name for s in SCENARIOS))
    parser.add_argument("--against", default="ovs,limit", help="of ovs, limit, none; default: %(default)s")
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


def chosen(patterns):
    wanted = [s for s in SCENARIOS
              if not patterns or any(fnmatch.fnmatch(s.name, pattern) for pattern in patterns)]
    if not wanted:
        sys.exit("bench: no such scenario: " + ", ".join(patterns))
    return wanted


def take(lab, scenario, name, runs):
    """One switch's turn; a failure is a gap in the table, told at once. Returns whether it went well."""
    try:
        values = scenario.measure(lab, name)
    except (RuntimeError, TimeoutError, OSError) as error:
        print("%s: %s failed: %s" % (scenario.name, name, error), file=sys.stderr, flush=True)
        return False
    for row in scenario.rows:
        value = values.get(row.name)
        if value is None:
            continue
        runs.setdefault(scenario.title(row), {}).setdefault(name, []).append(value)
        print("%-28s %-8s %9.3f %s" % (scenario.title(row), name, value, row.unit), flush=True)
    return True


def main():
    options = arguments()
    wanted = chosen(options.scenario)
    runs, failed = {}, set()
    folder = tempfile.mkdtemp(prefix="evsbench-")
    lab = Lab(options, folder)
    against = options.against.split(",")
    try:
        with hugepages.reserved(options.memory * 11 // 8):
            for repeat in range(options.repeat):
                for scenario in wanted:
                    if repeat and scenario.once:
                        continue
                    print("-- %d/%d %s: %s" % (repeat + 1, options.repeat, scenario.name, scenario.help))
                    for name in lab.names([n for n in scenario.against if n in against]):
                        if not take(lab, scenario, name, runs):
                            failed.add(scenario.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text, missed = report.table(runs, wanted)
    print("\n" + text)
    if failed:
        print("not measured, see above: " + ", ".join(sorted(failed)))
    result = {"machine": {"cpu": report.cpu_name() or platform.machine(), "kernel": platform.release(),
                          "time": time.strftime("%F %T")},
              "units": {s.title(row): row.unit for s in wanted for row in s.rows}, "runs": runs}
    if options.json:
        report.save(result, options.json)
    if options.plot:
        report.plot(result, options.plot)
    return 1 if missed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
