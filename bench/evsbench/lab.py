# SPDX-License-Identifier: Apache-2.0
"""Where a measurement runs: CPUs, memory, folders, and the programs that take part in it."""
import contextlib
import os
import tempfile
import time

from . import proc
from .guests import Generator
from .scenarios import OVERLAY_PORT
from .switches import Evs, Ovs, Testpmd


class Lab:
    """options: worker_cpu, control_cpu, memory, build, also, seconds, warm_up."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.builds = {"evs": options.build, **dict(pair.split("=", 1) for pair in options.also)}

    def names(self, against):
        """The switches of a scenario, in the order in which they take turns."""
        return [name for name in against if name in ("ovs", "limit")] + list(self.builds)

    def make(self, name, memory_mb=None):
        """A switch that is not started yet, in a folder of its own."""
        cpus = (self.options.worker_cpu, self.options.control_cpu)
        folder = tempfile.mkdtemp(dir=self.folder)
        memory_mb = memory_mb or self.options.memory
        if name == "ovs":
            return Ovs(folder, *cpus, memory_mb=memory_mb)
        if name == "limit":
            return Testpmd(folder, *cpus, memory_mb=memory_mb)
        return Evs(folder, *cpus, build=self.builds[name], name=name, memory_mb=memory_mb)

    @contextlib.contextmanager
    def running(self, name, devices, rules, two_workers=False):
        """A switch with its ports and rules. devices: of its ports; {"underlay": device} among them is
        below tunnel port OVERLAY_PORT."""
        switch = self.make(name)
        underlays = [device["underlay"] for device in devices if isinstance(device, dict)]
        devices = [device for device in devices if isinstance(device, str)]
        try:
            switch.start()
            if two_workers:
                switch.use_workers([self.options.worker_cpu, self.options.control_cpu])
            for underlay in underlays:
                if hasattr(switch, "load_underlay"):
                    switch.load_underlay(underlay, OVERLAY_PORT)
                else:
                    devices.append(underlay)
            switch.load(devices, rules)
            yield switch
        finally:
            switch.stop()

    @contextlib.contextmanager
    def generator(self, n_ports, frames=None):
        """A guest that sends: its devices are the first ports of the switch that comes next."""
        folder = tempfile.mkdtemp(dir=self.folder)
        generator = Generator(os.path.abspath(self.options.build), folder, self.options.control_cpu,
                              n_ports, frames)
        try:
            generator.start()
            yield generator
        finally:
            generator.stop()

    def rate(self, switch, ports=None, best=True):
        """Packets a second that the drivers of the ports sent (all: None), after the warm-up."""
        telemetry = switch.telemetry()
        proc.wait_for("the ports", telemetry.ethdevs)
        time.sleep(self.options.warm_up)
        ports = [telemetry.ethdevs()[i] for i in ports] if ports else None
        windows = sorted(proc.rates(telemetry, self.options.seconds, ports=ports))
        telemetry.close()
        return windows[-1] if best else windows[len(windows) // 2]
