#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Virtual machines: evs beside Open vSwitch with DPDK and beside testpmd `io` on net_vhost ports.

    vm-vm   guest <-> switch <-> guest, a closed loop of 512 packets of each guest
    pvp     device -> switch -> guest -> switch -> device; the device makes packets without end
    tso     guest -> switch -> guest, TCP segments of 65,000 bytes, as many as go; those received count

Both guests are virtio-user devices of one testpmd, which sends back what it receives. Packets are
counted in the guests, by the drivers. evs, its other builds and Open vSwitch take turns, window by
window (evsbench/turns.py): evs/ovs is the median of pairs of windows. The limit shares the CPU with
nobody: it is started once and has its turns before theirs, so evs/limit is the median of the one by the
median of the other, marked ~ in the report. `--against limit` lets evs and the limit take turns: pairs again."""
import argparse
import contextlib
import functools
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import lab as benchlab  # noqa: E402
from evsbench.guests import Generator, Guests  # noqa: E402
from evsbench.scenarios import FORWARD, null_device, sink_device  # noqa: E402
from evsbench.report import ratios, spread  # noqa: E402
from evsbench.turns import in_turns, rounds  # noqa: E402
from evsbench.windows import Meter, upper  # noqa: E402

MEMORY_MB = 192  # of the switch
LARGE_S = 0.1


class Case:
    against = ("ovs", "limit")

    def __init__(self, kind, size, ring="split"):
        self.kind, self.size = kind, size
        self.options = {"split": "", "in-order": "in_order=1", "packed": "packed_vq=1"}[ring]
        self.name = "%s-%d%s" % (kind, size, "" if ring == "split" else "-" + ring)
        self.mtu = size - 14 if size > 1514 else None

    @contextlib.contextmanager
    def open(self, lab, name):
        """A switch with its guests, and the function that takes packets a second."""
        guests = Guests(tempfile.mkdtemp(dir=lab.folder), lab.options.control_cpu,
                        2 if self.kind == "vm-vm" else 1, self.size, self.options, benchlab.GUESTS_MB)
        switch = lab.make(name, MEMORY_MB)
        try:
            guests.start()
            switch.start()
            self._connect(switch, guests)
            yield [switch, guests], self._meter(switch, guests, lab.options).window
        finally:
            switch.stop()
            guests.stop()

    def _connect(self, switch, guests):
        devices, rules = guests.devices(), FORWARD
        if self.kind == "pvp":
            devices = [null_device(0, self.size), sink_device(1)] + devices
            rules = ["priority=1,in_port=1,actions=output:3", "priority=1,in_port=3,actions=output:2"]
            if switch.name == "limit":  # which knows pairs only
                devices, rules = [null_device(0, self.size), guests.devices()[0]], None
        switch.load(devices, rules, self.mtu)

    def _meter(self, switch, guests, options):
        guests.run(16 if self.kind == "vm-vm" else 0)
        time.sleep(options.warm_up)
        if options.show_worker and hasattr(switch, "worker_show"):
            print(switch.worker_show())
        telemetry = guests.telemetry()
        return Meter(telemetry, telemetry.ethdevs(), switch.workers())


class Large(Case):
    """One way: nothing that sends back would ask for segmentation again; nor does testpmd `io`, which
    drops what a guest asks of its frames."""

    against = ("ovs",)

    def __init__(self, size):
        super().__init__("tso", size)

    @contextlib.contextmanager
    def open(self, lab, name):
        guests = Generator(os.path.abspath(lab.options.build), tempfile.mkdtemp(dir=lab.folder),
                           lab.options.control_cpu, 2, "tso:%d" % self.size, benchlab.GUESTS_MB)
        switch = lab.make(name, MEMORY_MB)
        switch.tso = True  # for which Open vSwitch has an option
        try:
            guests.start()
            switch.start()
            switch.load(guests.devices(), FORWARD)
            guests.connected()
            guests.run(0, 1, lab.options.warm_up)
            yield [switch, guests], lambda: self._window(guests)
        finally:
            switch.stop()
            guests.stop()

    def _window(self, guests):
        """Whole segments a second, though they come cut."""
        run = guests.run(0, 1, LARGE_S)
        return run["received_bytes"] / self.size / LARGE_S, 0


CASES = [Case("vm-vm", 64), Case("vm-vm", 64, "in-order"), Case("vm-vm", 64, "packed"),
         Case("vm-vm", 512), Case("vm-vm", 1500), Case("vm-vm", 9000), Large(65000)]
CASES += [Case("pvp", size) for size in (64, 128, 256, 512, 1024, 1500, 2048, 4096, 9000)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    benchlab.add_options(parser, ("ovs", "limit"), MEMORY_MB)
    parser.add_argument("--repeat", type=int, default=3, help="starts of each switch")
    parser.add_argument("--turns", type=int, default=15, help="of each of these")
    parser.add_argument("--warm-up", type=float, default=1)
    parser.add_argument("--show-worker", action="store_true", help="print evs' cycles per stage")
    return parser.parse_args()


def ratio(runs, to, names):
    """As text; empty if there is none. names: of the switches."""
    if not runs.get("evs") or not runs.get(to):
        return ""
    took_turns = any({"evs", to} <= set(each) for each in rounds(names))
    if took_turns and len(runs["evs"]) == len(runs[to]):
        return "%.2f" % statistics.median(ratios(runs["evs"], runs[to]))
    return "~%.2f" % (statistics.median(runs["evs"]) / statistics.median(runs[to]))


def report(result, names):
    for name, runs in result.items():
        line = "%-16s" % name + "".join("%8s %7.3f" % (who, upper(rates)) for who, rates in runs.items())
        for to in ("ovs", "limit"):
            if ratio(runs, to, names):
                line += "   evs/%s %s" % (to, ratio(runs, to, names))
        print(line)
    print("million packets a second, what a tenth of the windows reach; ratios: median of pairs, ~ of medians")


def main():
    options = arguments()
    result, failed = {}, []

    def tell(case, name, rates=None, error=None):
        if error:
            failed.append(case)
            print("%s: %s failed: %s" % (case, name, error), file=sys.stderr, flush=True)
            return
        rates = [rate / 1e6 for rate in rates]
        result.setdefault(case, {}).setdefault(name, []).extend(rates)
        print("%-16s %-8s %s Mpps" % (case, name, spread(rates)), flush=True)

    with benchlab.opened(options, in_turns=True) as lab:
        names = lab.names()
        for case in CASES:
            if not options.case or case.name in options.case:
                in_turns(lab, case.open, lab.names(case.against), options.repeat, functools.partial(tell, case.name),
                         afresh=True)
    print()
    report(result, names)
    benchlab.save(options, result)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
