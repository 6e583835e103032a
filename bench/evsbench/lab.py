# SPDX-License-Identifier: Apache-2.0
"""Where a measurement runs: CPUs, memory, folders, and the programs that take part in it."""
import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time

from . import hugepages, proc
from .guests import Generator
from .scenarios import OVERLAY_PORT
from .switches import Evs, Ovs, Testpmd, Vpp
from .turns import rounds
from .windows import Meter, cpu_of

OTHERS = {"ovs": Ovs, "vpp": Vpp, "limit": Testpmd}
GUESTS_MB = 192  # of huge pages, for the guests or the generator of a switch


def switches(known):
    """The type of --against."""
    def read(text):
        for name in text.split(","):
            if name not in known and name != "none":
                raise argparse.ArgumentTypeError("%s is none of %s, none" % (name, ", ".join(known)))
        return text
    return read


def add_options(parser, against, memory_mb=1024):
    """Those that every comparison of switches has. against: what there may be beside evs; VPP only where it
    is installed, or asked for."""
    default = ",".join(name for name in against if name != "vpp" or shutil.which("vpp"))
    parser.add_argument("--against", default=default, type=switches(against),
                        help="of %s; or none; default: %%(default)s" % ", ".join(against))
    parser.add_argument("--build", default="build", help="folder of evsd and evsctl")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BUILD",
                        help="measure another build of evs, too")
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    parser.add_argument("--memory", type=int, default=memory_mb, metavar="MB",
                        help="huge pages of a switch (%(default)s)")
    parser.add_argument("--json", metavar="FILE")


def save(options, result):
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=1)
            out.write("\n")


class Lab:
    """options: those of add_options(); rate() needs seconds and warm_up besides."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.builds = {"evs": options.build}
        for pair in options.also:
            name, found, build = pair.partition("=")
            if not found:
                sys.exit("bench: --also wants NAME=BUILD, not " + pair)
            self.builds[name] = build
        for build in self.builds.values():
            if not os.path.exists(build + "/evsd"):
                sys.exit("bench: there is no %s/evsd: run make, or say --build" % build)

    def names(self, known=("ovs", "limit")):
        """The switches that take turns. known: what a scenario can be measured against."""
        against = self.options.against.split(",")
        return [name for name in known if name in against and name != "evs"] + list(self.builds)

    def make(self, name, memory_mb=None, swapped=False):
        """A switch that is not started yet, in a folder of its own. swapped: its worker where control is
        else, and the reverse."""
        cpus = (self.options.worker_cpu, self.options.control_cpu)
        cpus = cpus[::-1] if swapped else cpus
        folder = tempfile.mkdtemp(dir=self.folder)
        memory_mb = memory_mb or self.options.memory
        if name in self.builds:
            return Evs(folder, cpus, memory_mb, self.builds[name], name)
        return OTHERS[name](folder, cpus, memory_mb)

    @contextlib.contextmanager
    def running(self, name, devices, rules, two_workers=False, swapped=False):
        """A switch with its ports and rules."""
        switch = self.make(name, swapped=swapped)
        try:
            switch.start()
            if two_workers:
                self.second_worker(switch)
            self.add(switch, devices, rules)
            yield switch
        finally:
            switch.stop()

    def second_worker(self, switch):
        switch.use_workers([self.options.worker_cpu, self.options.control_cpu])

    def add(self, switch, devices, rules):
        """More ports and rules. devices: of the ports; {"underlay": device, "tunnel": kind} is below tunnel
        port OVERLAY_PORT."""
        underlays = [device for device in devices if isinstance(device, dict)]
        devices = [device for device in devices if isinstance(device, str)]
        for underlay in underlays:
            if hasattr(switch, "load_underlay"):
                switch.load_underlay(underlay["underlay"], underlay["tunnel"], OVERLAY_PORT)
            else:
                devices.append(underlay["underlay"])
        switch.load(devices, rules)

    @contextlib.contextmanager
    def generator(self, n_ports, frames=None):
        """A guest that sends: its devices are the first ports of the switch that comes next."""
        folder = tempfile.mkdtemp(dir=self.folder)
        generator = Generator(os.path.abspath(self.options.build), folder, self.options.control_cpu,
                              n_ports, frames, GUESTS_MB)
        try:
            generator.start()
            yield generator
        finally:
            generator.stop()

    @staticmethod
    def meter(switch, ports=None, cpu=None):
        """Of what the drivers of the ports send (all: None). cpu: where the worker is that serves them, if
        there are others."""
        telemetry = switch.telemetry()
        proc.wait_for("the ports", telemetry.ethdevs)
        found = telemetry.ethdevs()
        return Meter(telemetry, [found[i] for i in ports] if ports else found,
                     [thread for thread in switch.workers() if cpu is None or cpu_of(thread) == cpu])

    def rate(self, switch, ports=None, best=True, warm_up=None, seconds=None):
        """Packets a second that the drivers of the ports sent (all: None), after the warm-up."""
        meter = self.meter(switch, ports)
        time.sleep(self.options.warm_up if warm_up is None else warm_up)
        rate = meter.rate(seconds or self.options.seconds, best)
        meter.telemetry.close()
        return rate


@contextlib.contextmanager
def opened(options, in_turns=False, at_least=1):
    """A lab with memory for so many switches at once, each with guests; for those that take turns, if they do.
    All that it starts goes before whatever else the machine does."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    folder = tempfile.mkdtemp(prefix="evsbench-")
    try:
        lab = Lab(options, folder)
        at_once = max(at_least, *map(len, rounds(lab.names(OTHERS)) if in_turns else [()]))
        with hugepages.reserved((options.memory + GUESTS_MB + 32) * at_once // 2):
            yield lab
    finally:
        shutil.rmtree(folder, ignore_errors=True)
