# SPDX-License-Identifier: Apache-2.0
"""Tables, JSON and the plot of a result.

A result is {"machine": {...}, "units": {title: unit}, "runs": {title: {switch: [a value each
repeat]}}}; a title names a scenario and its row.
"""
import math
import statistics

ORDER = ("evs", "ovs", "vpp", "limit")  # of columns; other builds of evs come after them


def cpu_name():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return None


def ratios(ours, theirs):
    """Ratio repeat by repeat: both were measured within seconds of each other."""
    return [a / b for a, b in zip(ours, theirs) if b]


def judge(target, runs):
    """(what the target is about, as text; whether it is met, None where it was not measured)."""
    if target is None:
        return "", None
    kind, bound = target
    values = ratios(runs.get("evs", []), runs.get("ovs", [])) if kind == "ovs" else runs.get("evs", [])
    text = "%sx OVS" % bound if kind == "ovs" else "%s %s" % target
    if not values:
        return text, None
    value = statistics.median(values)
    return text, value <= bound if kind == "<=" else value >= bound


def builds(names):
    """Those of them that are other builds of evs."""
    return [name for name in names if name not in ORDER]


def row_line(title, row, runs, names):
    """One line of the table, and whether its target is missed."""
    best = min if row.unit in ("us", "bytes", "packets") else max
    if row.target and row.target[0] != "ovs":
        best = statistics.median  # by which it is judged
    line = "%-28s%-8s" % (title, row.unit)
    for name in names:
        values = runs.get(name)
        line += "%11s" % ("%.4g" % best(values) if values else "-")
    for name in ["ovs"] + builds(names):
        pair = ratios(runs.get("evs", []), runs.get(name, []))
        line += "%24s" % ("%.2f (%.2f-%.2f)" % (statistics.median(pair), min(pair), max(pair))
                          if pair else "")
    text, met = judge(row.target, runs)
    line += "%12s  %s" % (text, {None: "", True: "met", False: "MISSED"}[met])
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
            line, bad = row_line(title, row, runs[title], names)
            lines.append(line)
            missed += [title] if bad else []
    lines.append("best of the repeats, their median where a target is of evs alone; "
                 "ratios: median (range) of the repeats")
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
        values = [max(row.get(name, [math.nan])) for row in runs.values()]
        bars = axes.bar([i + k * width for i in range(len(runs))], values, width, label=name)
        axes.bar_label(bars, fmt="%.3g", fontsize=6)
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(runs))], list(runs), fontsize=7,
                    rotation=30, ha="right")
    axes.set_yscale("log")
    axes.set_ylabel("million packets a second, one worker")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
