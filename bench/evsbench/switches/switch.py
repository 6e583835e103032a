# SPDX-License-Identifier: Apache-2.0
"""What all adapters have: daemons, the last of which is the switch itself."""
import itertools
import os

from ..proc import Daemon, Telemetry, forget_eal, run, threads


class Switch:
    """daemons: in the order in which they were started; n_ports: how many it has, all at once or
    load by load; WORKERS: how the names of the threads begin that serve them."""

    WORKERS = ""
    _numbers = itertools.count(1)  # several of a kind may run at once

    def __init__(self, folder, name, cpus, memory_mb):
        self.name, self.folder = name, os.path.join(folder, name)
        self.worker_cpu, self.control_cpu = cpus
        self.prefix = "evsbench-%s-%d-%d" % (name, os.getpid(), next(self._numbers))
        self.memory_mb, self.daemons, self.n_ports = memory_mb, [], 0
        os.makedirs(self.folder, exist_ok=True)

    def spawn(self, argv, log, **kwargs):
        self.daemons.append(Daemon(argv, os.path.join(self.folder, log), **kwargs))

    def new_ports(self, devices):
        """(name, OpenFlow number, device) of what is added; numbers begin at 1."""
        first, self.n_ports = self.n_ports, self.n_ports + len(devices)
        return [("p%d" % i, i + 1, device) for i, device in enumerate(devices, first)]

    def add_flows(self, rules):
        path = os.path.join(self.folder, "rules.txt")
        with open(path, "w") as out:
            out.write("\n".join(rules) + "\n")
        run(["ovs-ofctl", "-O", "OpenFlow13", "add-flows", "unix:" + self.folder + "/br0.mgmt", path])

    def telemetry(self):
        for daemon in self.daemons:
            daemon.check()
        return Telemetry(self.prefix)

    def workers(self):
        return threads(self.pid(), self.WORKERS)

    def pid(self):
        return self.daemons[-1].process.pid

    def pause(self):
        for daemon in reversed(self.daemons):
            daemon.pause()

    def resume(self):
        for daemon in self.daemons:
            daemon.resume()

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.stop()
        forget_eal(self.prefix)
