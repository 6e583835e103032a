# SPDX-License-Identifier: Apache-2.0
"""The bench of a test: makes daemons, namespaces and wires, and takes all away at its end."""
import contextlib
import itertools
import os
import pathlib
import shutil
import tempfile

from .capture import Capture
from .evsd import Evsd
from .guest import Guest
from .netns import Netns, sh, veth
from .testpmd import Testpmd
from .vm import Vm
from .wait import wait_for

EAL_DIR = pathlib.Path("/var/run/dpdk")  # where DPDK keeps a folder a --file-prefix
SERIAL = itertools.count()


class Lab:
    """Names carry the process and a serial number, so that several test runs do not meet."""

    def __init__(self):
        self.token = f"{os.getpid() % 46656:x}{next(SERIAL):x}"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="evs-lab-"))
        self.stack = contextlib.ExitStack()
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.daemons = []
        self.n_captures = 0

    def close(self):
        """Takes all down; a daemon that does not end well fails the test, after the rest is gone."""
        failure = None
        for evsd in self.daemons:
            try:
                evsd.stop()
            except AssertionError as error:
                failure = error
        self.stack.close()
        if failure:
            raise failure

    def logs(self):
        return "".join(f"--- {evsd.log_path}\n{evsd.log[-6000:]}\n" for evsd in self.daemons)

    def iface(self, name):
        """A name that nobody else uses, short enough for the kernel (15)."""
        full = f"e{self.token}{name}"
        assert len(full) <= 15, full
        return full

    def evsd(self, *options, bridge="br0", start=True, **kwargs):
        """A daemon, with a bridge without internal port unless told otherwise."""
        n = len(self.daemons)
        prefix = f"evs{self.token}_{n}"
        evsd = Evsd(self.dir / f"evsd{n}", prefix, *options, **kwargs)
        self.daemons.append(evsd)
        self.stack.callback(shutil.rmtree, EAL_DIR / prefix, ignore_errors=True)  # of one that was killed
        if start:
            evsd.start()
            if bridge:
                evsd.call("bridge.add", name=bridge, internal=False)
        return evsd

    def netns(self, name):
        return Netns(f"evs-{self.token}-{name}", self.stack)

    def tap_guest(self, evsd, name, *addresses, bridge="br0", mtu=None, mac=None, quiet=False, offload=False,
                  **options):
        """A namespace behind a tap port: (namespace, its interface)."""
        iface = self.iface(name)
        if mtu:
            options["mtu"] = mtu
        evsd.call("port.add", bridge=bridge, name=name, type="tap", ifname=iface, **options)
        guest = self.netns(name)
        guest.take(iface, *addresses, mtu=mtu, mac=mac, quiet=quiet, offload=offload)
        return guest, iface

    def veth_guest(self, evsd, name, *addresses, type="af-packet", bridge="br0", mtu=None, quiet=False, offload=False,
                   **options):
        """A namespace behind a veth whose near end is the port: (namespace, its interface)."""
        near, far = self.iface(name + "n"), self.iface(name)
        veth(self.stack, near, far, offload)
        guest = self.netns(name)
        if mtu:
            sh("ip", "link", "set", near, "mtu", mtu)
            options["mtu"] = mtu
        guest.take(far, *addresses, mtu=mtu, quiet=quiet, offload=offload)
        evsd.call("port.add", bridge=bridge, name=name, type=type, iface=near, **options)
        return guest, far

    def vhost_port(self, evsd, name, bridge="br0", **options):
        """Its socket is in the lab's folder."""
        evsd.call("port.add", bridge=bridge, name=name, type="vhost-user", path=str(self.dir / name), **options)

    def attach(self, evsd, name, features=0, wait=True, **options):
        """A guest in Python for a vhost-user port that is there; wait: until it is served."""
        status = evsd.port(name)["status"]
        guest = Guest(status["path"], features, listen=status["mode"] == "client", **options)
        self.stack.callback(guest.close)
        if wait:
            wait_for(lambda: evsd.port(name)["link"] == "up", f"{name} is served")
        return guest

    def vhost_guest(self, evsd, name, features=0, mode="server", **options):
        """A vhost-user port, and a guest in Python behind it. mode: what evsd is; options: the guest's."""
        self.vhost_port(evsd, name, mode=mode)
        return self.attach(evsd, name, features, **options)

    def vm(self, path, start=True, **options):
        """A virtual machine at a vhost-user socket, which boots."""
        vm = Vm(path, **options)
        self.stack.callback(vm.kill)
        return vm.start() if start else vm

    def testpmd(self, name, options=""):
        """One behind the vhost-user port of this name, of which evsd is the client; options: of its device."""
        prefix = f"evs{self.token}_{name}"
        testpmd = Testpmd(self.dir / name, prefix, self.dir / f"{name}.log", options)
        self.stack.callback(shutil.rmtree, EAL_DIR / prefix, ignore_errors=True)
        self.stack.callback(testpmd.kill)
        return testpmd

    def two_hosts(self):
        """Two daemons whose bridges a veth joins, and who looks on at the first: (daemons, (namespace, interface))."""
        evsds, ends = [self.evsd(), self.evsd()], [self.iface("t0"), self.iface("t1")]
        veth(self.stack, *ends)
        sh("ip", "link", "set", ends[1], "up")
        for evsd, end in zip(evsds, ends):
            evsd.call("port.add", bridge="br0", name="trunk", type="af-packet", iface=end)
        return evsds, self.tap_guest(evsds[0], "obs", "10.0.0.9/24", quiet=True)

    def capture(self, netns, iface, expression="", limit=5000):
        self.n_captures += 1
        return Capture(netns, iface, self.dir / f"capture{self.n_captures}.pcap", expression, limit)
