# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch with DPDK, from Debian's package, in folders and a network namespace of its own."""
import os
import re

from ..guests import guest_path
from ..proc import run, wait_for
from ..traffic import MAC_A, MAC_B
from .switch import Switch

VSWITCHD = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Ovs(Switch):
    WORKERS = "pmd-c"

    def __init__(self, folder, cpus, memory_mb, name="ovs"):
        super().__init__(folder, name, cpus, memory_mb)
        self.tso = False  # to be set before the start
        self.env = {"OVS_RUNDIR": self.folder, "OVS_DBDIR": self.folder,
                    "OVS_SYSCONFDIR": self.folder, "OVS_LOGDIR": self.folder}

    def vsctl(self, *args):
        return run(["ovs-vsctl", "--db=unix:" + self.folder + "/db.sock", "--timeout=60", *args])

    def start(self):
        if not os.path.exists(VSWITCHD):
            raise RuntimeError("Open vSwitch with DPDK is not installed: tools/install-deps bench")
        database = self.folder + "/conf.db"
        run(["ovsdb-tool", "create", database, SCHEMA])
        self.spawn(["taskset", "-c", str(self.control_cpu), "ovsdb-server", database,
                    "--remote=punix:" + self.folder + "/db.sock",
                    "--unixctl=" + self.folder + "/ovsdb.ctl"], "ovsdb.log", env=self.env)
        wait_for("ovsdb-server", lambda: os.path.exists(self.folder + "/db.sock"))
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                   'other_config:dpdk-extra="--no-pci --huge-unlink --file-prefix %s"' % self.prefix,
                   "other_config:pmd-cpu-mask=0x%x" % (1 << self.worker_cpu),
                   "other_config:dpdk-lcore-mask=0x%x" % (1 << self.control_cpu),
                   "other_config:userspace-tso-enable=%s" % ("true" if self.tso else "false"),
                   "other_config:dpdk-socket-mem=%d" % self.memory_mb,
                   "other_config:dpdk-socket-limit=%d" % self.memory_mb)
        self.spawn(["unshare", "--net", VSWITCHD, "unix:" + self.folder + "/db.sock",
                    "--unixctl=" + self.folder + "/vswitchd.ctl"], "vswitchd.log", env=self.env)
        self.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev",
                   "fail-mode=secure", "protocols=OpenFlow13")

    def load(self, devices, rules, mtu=None):
        for name, ofport, device in self.new_ports(devices):
            path = guest_path(device)
            kind = (["type=dpdkvhostuserclient", "options:vhost-server-path=" + path] if path
                    else ["type=dpdk", "options:dpdk-devargs=\"%s\"" % device])
            if mtu:
                kind.append("mtu_request=%d" % mtu)
            self.vsctl("add-port", "br0", name, "--", "set", "Interface", name, *kind,
                       "ofport_request=%d" % ofport)
            error = self.vsctl("get", "Interface", name, "error").strip()
            if error not in ("[]", '""'):
                raise RuntimeError("OVS refused %s: %s" % (device, error))
        self.add_flows(rules)

    def load_underlay(self, device, tunnel, ofport):
        """A tunnel port of br0 for any network, and what lies below it."""
        self.vsctl("add-br", "phy", "--", "set", "Bridge", "phy", "datapath_type=netdev",
                   "other-config:hwaddr=\"%s\"" % MAC_A.hex(":"))
        self.vsctl("add-port", "phy", "u", "--", "set", "Interface", "u", "type=dpdk",
                   'options:dpdk-devargs="%s"' % device)
        inside = ["nsenter", "--net", "--target", str(self.pid())]
        run([*inside, "ip", "address", "add", "%s/%d" % (tunnel.local, tunnel.prefix), "dev", "phy"])
        run([*inside, "ip", "link", "set", "phy", "up"])
        self.vsctl("add-port", "br0", "vx", "--", "set", "Interface", "vx", "type=" + tunnel.kind,
                   "options:remote_ip=" + tunnel.remote, "options:key=flow",
                   "ofport_request=%d" % ofport)
        control = ["ovs-appctl", "-t", self.folder + "/vswitchd.ctl"]
        wait_for("the route", lambda: "phy" in run([*control, "ovs/route/show"]))
        run([*control, "tnl/neigh/set", "phy", tunnel.remote, MAC_B.hex(":")])

    def n_cached(self):
        shown = run(["ovs-appctl", "-t", self.folder + "/vswitchd.ctl", "upcall/show"])
        return int(re.search(r"current (\d+)", shown).group(1))

    def n_strangers(self):
        """Packets so far that the first cache (EMC) did not know."""
        shown = run(["ovs-appctl", "-t", self.folder + "/vswitchd.ctl", "dpif-netdev/pmd-stats-show"])
        return sum(int(n) for n in re.findall(
            r"(?:smc hits|megaflow hits|miss with success upcall|miss with failed upcall): (\d+)", shown))

    def use_workers(self, cpus):
        mask = sum(1 << cpu for cpu in set(cpus))
        self.vsctl("set", "Open_vSwitch", ".", "other_config:pmd-cpu-mask=0x%x" % mask)

    def _move(self, wanted):
        """wanted(port): the CPU that polls its first queue."""
        for name in self.vsctl("list-ports", "br0").split():
            self.vsctl("set", "Interface", name,
                       "other_config:pmd-rxq-affinity=\"0:%d\"" % wanted(name))

    def give_own_worker(self, port, own, other):
        self._move(lambda name: own if name == port else other)

    def skew(self, cpu):
        """All queues on one of the workers."""
        self._move(lambda name: cpu)
