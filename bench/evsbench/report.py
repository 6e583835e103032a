# SPDX-License-Identifier: Apache-2.0
"""Tables, JSON and the plot of a result.

A result is {"machine": {...}, "runs": {scenario: {switch: [best window of each repeat, pps]}}}.
"""
import json
import statistics


def best(runs):
    return max(runs) if runs else None


def spread(runs):
    return (max(runs) - min(runs)) / max(runs) if runs and max(runs) else 0


def ratios(ours, theirs):
    """Ratio repeat by repeat: both were measured within seconds of each other."""
    return [a / b for a, b in zip(ours, theirs) if b]


def table(result, scenarios):
    names = []
    for runs in result["runs"].values():
        names += [name for name in runs if name not in names]
    lines = ["%-12s" % "scenario" + "".join("%12s" % name for name in names)
             + "%24s%9s" % ("evs/ovs", "target")]
    missed = []
    for scenario in scenarios:
        runs = result["runs"].get(scenario.name)
        if not runs:
            continue
        line = "%-12s" % scenario.name
        for name in names:
            value = best(runs.get(name, []))
            line += "%12s" % ("-" if value is None else "%.3f" % (value / 1e6))
        pair = ratios(runs.get("evs", []), runs.get("ovs", []))
        if pair:
            line += "%24s" % ("%.2f (%.2f-%.2f)" % (statistics.median(pair), min(pair), max(pair)))
            line += "%9s" % (scenario.target or "-")
            if scenario.target and statistics.median(pair) < scenario.target:
                missed.append(scenario.name)
                line += "  below target"
        lines.append(line)
    lines.append("million packets a second, best window; evs/ovs: median (range) of the repeats")
    return "\n".join(lines), missed


def save(result, path):
    with open(path, "w") as out:
        json.dump(result, out, indent=1)
        out.write("\n")


def plot(result, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    scenarios = list(result["runs"])
    names = []
    for runs in result["runs"].values():
        names += [name for name in runs if name not in names]
    width = 0.8 / max(len(names), 1)
    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    for k, name in enumerate(names):
        values = [(best(result["runs"][s].get(name, [])) or 0) / 1e6 for s in scenarios]
        bars = axes.bar([i + k * width for i in range(len(scenarios))], values, width, label=name)
        axes.bar_label(bars, fmt="%.3g", fontsize=7)
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(scenarios))], scenarios, fontsize=8)
    axes.set_yscale("log")
    axes.set_ylabel("million packets a second, one worker")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
