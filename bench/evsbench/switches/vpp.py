# SPDX-License-Identifier: Apache-2.0
"""VPP (fd.io), where somebody installed it: Debian has no package of it.

It matches MAC addresses only: what goes from port to port is cross-connected, everything else is
bridged. Rules that ask for more, guests and tunnels are refused. Written after VPP's documentation.
"""
import os
import shutil

from ..guests import guest_path
from ..proc import run, wait_for
from .switch import Switch

STARTUP = """unix {{ nodaemon nobanner runtime-dir {folder} cli-listen {folder}/cli.sock }}
api-segment {{ prefix {prefix} }}
socksvr {{ socket-name {folder}/api.sock }}
statseg {{ socket-name {folder}/stats.sock }}
cpu {{ main-core {control} corelist-workers {worker} }}
plugins {{ plugin default {{ disable }} plugin dpdk_plugin.so {{ enable }} }}
dpdk {{ no-pci telemetry file-prefix {prefix} {vdevs} }}
"""


class Vpp(Switch):
    WORKERS = "vpp_wk"

    def __init__(self, folder, cpus, memory_mb, name="vpp"):
        super().__init__(folder, name, cpus, memory_mb)

    def start(self):
        if not shutil.which("vpp"):
            raise RuntimeError("VPP is not installed: there is no vpp in PATH")  # its ports are options

    def ctl(self, *args):
        return run(["vppctl", "-s", self.folder + "/cli.sock", *args])

    def load(self, devices, rules, mtu=None):
        if self.daemons or mtu or any(guest_path(device) for device in devices):
            raise RuntimeError("VPP is measured with devices that it has from the start")
        if any("nw_" in rule or "tp_" in rule or "set_field" in rule for rule in rules):
            raise RuntimeError("VPP's bridge matches MAC addresses only")
        startup = os.path.join(self.folder, "startup.conf")
        with open(startup, "w") as out:
            out.write(STARTUP.format(folder=self.folder, prefix=self.prefix, control=self.control_cpu,
                                     worker=self.worker_cpu,
                                     vdevs=" ".join("vdev " + device for device in devices)))
        self.spawn(["vpp", "-c", startup], "vpp.log")

        def ports():
            self.daemons[-1].check()
            return len(self._ports()) >= len(devices)
        wait_for("VPP's ports", ports)
        self._connect(self._ports(), all("udp" not in rule and "NORMAL" not in rule for rule in rules))

    def _ports(self):
        """Names of its interfaces, but not its own."""
        if not os.path.exists(self.folder + "/cli.sock"):
            return []
        rows = [line.split() for line in self.ctl("show", "interface").splitlines()[1:]
                if line[:1].strip()]
        return [row[0] for row in rows if row and row[0] != "local0"]

    def _connect(self, ports, crossed):
        for i, port in enumerate(ports):
            self.ctl("set", "interface", "promiscuous", "on", port)
            self.ctl("set", "interface", "l2", *(["xconnect", port, ports[i ^ 1]] if crossed
                                                 else ["bridge", port, "1"]))
            self.ctl("set", "interface", "state", port, "up")
