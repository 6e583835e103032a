# SPDX-License-Identifier: Apache-2.0
"""Tables, JSON and the plot of a result.

A result is {"machine": {...}, "units": {title: unit}, "runs": {title: {switch: [a value each
repeat]}}}; a title names a scenario and its row.
"""
import math
import statistics

from .windows import lower, upper

ORDER = ("evs", "ovs", "vpp", "limit")  # of columns; other builds of evs come after them


def cpu_name():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return None


def spread(values):
    """Their median and, of several, the middle half."""
    middle = "%9.3f" % statistics.median(values)
    if len(values) < 4:
        return middle
    low, _, high = statistics.quantiles(values, n=4)
    return "%s (%.3f-%.3f, %d turns)" % (middle, low, high, len(values))


def ratios(ours, theirs):
    """Ratio repeat by repeat: both were measured within seconds of each other."""
    return [a / b for a, b in zip(ours, theirs) if b]


def judge(target, runs):
    """(what the target is about, as text; whether it is met, None where it was not measured)."""
    if target is None:
        return "", None
    kind, bound = target
    ours, theirs = runs.get("evs", []), runs.get("ovs", [])
    text = "%sx OVS" % bound if kind == "ovs" else "%s %s" % target
    if not ours or (kind == "ovs" and not any(theirs)):
        return text, None
    if kind != "ovs":
        value = statistics.median(ours)
    elif len(ours) == len(theirs):
        value = statistics.median(ratios(ours, theirs))
    else:  # a round of one of them is missing: these are no pairs
        value = statistics.median(ours) / (statistics.median(theirs) or 1e-9)
    return text, value <= bound if kind == "<=" else value >= bound


def builds(names):
    """Those of them that are other builds of evs."""
    return [name for name in names if name not in ORDER]


def shown(row):
    """Which of its values stands for a row."""
    if row.unit in ("us", "bytes", "packets"):
        return lower
    return upper if row.unit in ("Mpps", "M/s") else statistics.median


def compared(ours, theirs, paired):
    """Their ratio, with the middle half of the pairs, if they are pairs."""
    pairs = ratios(ours, theirs)
    if not pairs:
        return ""
    if not paired or len(ours) != len(theirs) or len(pairs) < 4:
        ratio = statistics.median(ours) / statistics.median(theirs) if statistics.median(theirs) else math.inf
        return "%.2f" % ratio
    return "%.2f (%.2f-%.2f)" % tuple(statistics.quantiles(pairs, n=4)[i] for i in (1, 0, 2))


def row_line(scenario, row, runs, names):
    """One line of the table, and whether its target is missed."""
    best, ours = shown(row), runs.get("evs", [])
    if row.target and row.target[0] != "ovs":
        best = statistics.median  # by which it is judged
    line = "%-28s%-8s" % (scenario.title(row), row.unit)
    for name in names:
        values = runs.get(name)
        line += "%11s" % ("%.4g" % best(values) if values else "-")
    for name in ["ovs"] + builds(names):
        line += "%24s" % compared(ours, runs.get(name, []), scenario.is_paired())
    text, met = judge(row.target, runs)
    line += "%12s  %s" % (text, {None: "", True: "met", False: "MISSED"}[met])
    if len(ours) >= 4 and row.unit in ("%", "times"):
        line += "  (%.4g-%.4g)" % tuple(statistics.quantiles(ours, n=4)[::2])
    return line.rstrip(), met is False


def table(runs, scenarios):
    names = []
    for row in runs.values():
        names += [name for name in row if name not in names]
    names.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    lines = ["%-28s%-8s" % ("scenario", "unit") + "".join("%11s" % name for name in names)
             + "".join("%24s" % ("evs/" + name) for name in ["ovs"] + builds(names))
             + "%12s" % "target"]
    missed = []
    for scenario in scenarios:
        for row in scenario.rows:
            title = scenario.title(row)
            if title not in runs:
                continue
            line, bad = row_line(scenario, row, runs[title], names)
            lines.append(line)
            missed += [title] if bad else []
    lines.append("rates: what the best tenth of the windows reach; the median where a target is of evs alone; "
                 "ratios: median of the pairs; in brackets: the middle half, of pairs or of evs' own values")
    lines.append("missed: " + ", ".join(missed) if missed else "every target that was measured is met")
    return "\n".join(lines), missed


def plot(result, path):
    """Bars of all rows in packets a second, logarithmic."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    runs = {title: row for title, row in result["runs"].items()
            if result["units"].get(title, "Mpps") in ("Mpps", "M/s")}
    names = [name for name in ORDER if any(name in row for row in runs.values())]
    width = 0.8 / max(len(names), 1)
    figure, axes = pyplot.subplots(figsize=(12, 4.8))
    for k, name in enumerate(names):
        values = [upper(row.get(name, [math.nan])) for row in runs.values()]
        bars = axes.bar([i + k * width for i in range(len(runs))], values, width, label=name)
        axes.bar_label(bars, fmt="%.3g", fontsize=6)
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(runs))], list(runs), fontsize=7,
                    rotation=30, ha="right")
    axes.set_yscale("log")
    axes.set_ylabel("million packets a second, one worker")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
