#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two results of bench.py: the ratio to OVS and to the limit, scenario by scenario, so that
the machine's day does not matter. Exit status 1 if something got worse by more than --tolerance."""
import argparse
import json
import statistics
import sys


def relative(runs, to):
    pairs = [a / b for a, b in zip(runs.get("evs", []), runs.get(to, [])) if b]
    return statistics.median(pairs) if pairs else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--tolerance", type=float, default=0.10)
    options = parser.parse_args()
    with open(options.before) as old, open(options.after) as new:
        before, after = json.load(old)["runs"], json.load(new)["runs"]
    worse = 0
    print("%-14s %-8s %10s %10s %9s" % ("scenario", "against", "before", "after", "change"))
    for scenario in after:
        for to in ("ovs", "limit"):
            a = relative(before.get(scenario, {}), to)
            b = relative(after[scenario], to)
            if a is None or b is None:
                continue
            change = b / a - 1
            worse += change < -options.tolerance
            print("%-14s %-8s %10.3f %10.3f %+8.1f%%%s" % (
                scenario, to, a, b, 100 * change,
                "  worse" if change < -options.tolerance else ""))
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
