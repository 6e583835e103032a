# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch with its userspace datapath in a namespace: the other end of tunnels."""
import itertools
import os

from .netns import sh
from .wait import wait_for

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
SERIAL = itertools.count()


class Ovs:
    """A peer with two bridges: br-phy, which has the underlay's address, and br-int, whose internal device is the guest."""

    def __init__(self, lab, *underlay, guest="10.0.0.2/24", mtu=1400):
        self.netns = lab.netns(f"o{next(SERIAL)}")
        self.dir = lab.dir / self.netns.name
        self.dir.mkdir()
        self.uplink = None
        sh("ovsdb-tool", "create", self.dir / "conf.db", SCHEMA)
        self._start("ovsdb-server", self.dir / "conf.db", f"--remote=punix:{self.db}", "--no-chdir")
        wait_for(lambda: os.path.exists(self.db), "ovsdb-server answers")
        self.vsctl("--no-wait", "init")
        self._start("ovs-vswitchd", f"unix:{self.db}", "--disable-system", "--no-chdir")
        for bridge in ("br-phy", "br-int"):
            self.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail-mode=standalone")
        for address in underlay:
            self.netns.run("ip", "address", "add", address, "dev", "br-phy", *(["nodad"] if ":" in address else []))
        self.netns.run("ip", "link", "set", "br-phy", "up")
        self.netns.run("ip", "address", "add", guest, "dev", "br-int")
        self.netns.run("ip", "link", "set", "br-int", "mtu", mtu, "up")

    @property
    def db(self):
        return f"{self.dir}/db.sock"

    def _start(self, program, *words):
        log = open(self.dir / f"{program}.log", "wb")
        env = dict(os.environ, OVS_RUNDIR=str(self.dir), OVS_LOGDIR=str(self.dir), OVS_DBDIR=str(self.dir))
        self.netns.popen(program, *words, f"--unixctl={self.dir}/{program}.ctl", stdout=log, stderr=log, env=env)
        log.close()

    def vsctl(self, *words):
        return self.netns.run("ovs-vsctl", f"--db=unix:{self.db}", *words)

    def appctl(self, *words):
        return self.netns.run("ovs-appctl", "-t", f"{self.dir}/ovs-vswitchd.ctl", *words)

    def ofctl(self, verb, bridge, *words):
        return self.netns.run("ovs-ofctl", "-O", "OpenFlow13", verb, f"unix:{self.dir}/{bridge}.mgmt", *words)

    def add_uplink(self, iface):
        """The wire to the other side: an interface of the caller's namespace moves here."""
        self.netns.take(iface, quiet=True)
        self.vsctl("add-port", "br-phy", iface)
        self.uplink = iface

    def tunnel(self, name, kind, remote, **options):
        self.vsctl("add-port", "br-int", name, "--", "set", "interface", name, f"type={kind}",
                   f"options:remote_ip={remote}", *[f"options:{key}={value}" for key, value in options.items()])
        return int(self.vsctl("get", "interface", name, "ofport"))
