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
import functools
import os
import platform
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import lab as benchlab, report  # noqa: E402
from evsbench.table import SCENARIOS  # noqa: E402
from evsbench.turns import Turn, in_turns  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", metavar="PATTERN",
                        help="one or more of: " + ", ".join(s.name for s in SCENARIOS))
    benchlab.add_options(parser, ("ovs", "vpp", "limit"))
    parser.add_argument("--repeat", type=int, default=3, help="starts of each switch, where a ratio has a target")
    parser.add_argument("--turns", type=int, default=15, help="of each of these")
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=1, help="seconds before the first")
    parser.add_argument("--plot", metavar="FILE.png")
    parser.add_argument("--show-worker", action="store_true", help="print evs' cycles per stage")
    return parser.parse_args()


def chosen(patterns):
    """The scenarios that match."""
    names = {s.name for s in SCENARIOS
             if not patterns or any(fnmatch.fnmatch(s.name, pattern) for pattern in patterns)}
    if not names:
        sys.exit("bench: no such scenario: " + ", ".join(patterns))
    return [s for s in SCENARIOS if s.name in names]


class Runs:
    """What was measured: {title: {switch: values}}. A failure is a gap, told at once."""

    def __init__(self):
        self.values, self.failed = {}, set()

    def tell(self, scenario, name, values=None, error=None):
        if error:
            self.failed.add(scenario.name)
            print("%s: %s failed: %s" % (scenario.name, name, error), file=sys.stderr, flush=True)
            return
        for row in scenario.rows:
            value = values.get(row.name)
            if value is not None:
                new = [float("%.5g" % each) for each in (value if isinstance(value, list) else [value])]
                self.values.setdefault(scenario.title(row), {}).setdefault(name, []).extend(new)
                print("%-28s %-8s %s %s" % (scenario.title(row), name, report.spread(new), row.unit),
                      flush=True)

    def take(self, lab, scenario, repeat):
        names = lab.names([name for name in scenario.against if name != "evs"])
        tell = functools.partial(self.tell, scenario)
        if scenario.opened:
            in_turns(lab, scenario.opened, names, repeat,
                     lambda name, rates=(), error=None: tell(name, {"": [rate / 1e6 for rate in rates]}, error),
                     scenario.has_ratio())
        elif scenario.together:
            try:
                for name, values in scenario.together(lab, names).items():
                    tell(name, values)
            except (RuntimeError, TimeoutError, OSError) as error:
                tell(" or ".join(names), error=error)
        else:
            self.take_each(lab, scenario, names, tell)

    @staticmethod
    def take_each(lab, scenario, names, tell):
        for name in names:
            try:
                tell(name, scenario.measure(lab, name))
            except (RuntimeError, TimeoutError, OSError) as error:
                tell(name, error=error)


def main():
    options, runs, start = arguments(), Runs(), time.monotonic()
    wanted = chosen(options.scenario)
    with benchlab.opened(options, in_turns=True, at_least=3) as lab:  # of one switch three: two alone, and both workers
        for scenario in wanted:
            print("-- %s: %s" % (scenario.name, scenario.help), flush=True)
            runs.take(lab, scenario, options.repeat)
    text, missed = report.table(runs.values, wanted)
    print("\n" + text)
    if runs.failed:
        print("not measured, see above: " + ", ".join(sorted(runs.failed)))
    print("%d of %d windows were taken again, since others had more than a tenth of the workers' time in them"
          % (Turn.again, Turn.total))
    print("%.0f seconds" % (time.monotonic() - start))
    result = {"machine": {"cpu": report.cpu_name() or platform.machine(), "kernel": platform.release(),
                          "time": time.strftime("%F %T")},
              "units": {s.title(row): row.unit for s in wanted for row in s.rows}, "runs": runs.values}
    benchlab.save(options, result)
    if options.plot:
        report.plot(result, options.plot)
    return 1 if missed or runs.failed else 0


if __name__ == "__main__":
    sys.exit(main())
