# SPDX-License-Identifier: Apache-2.0
"""The bridge's own interface: the host takes part.

    host (10.77.N.1 on the bridge's device) -- br -- tap -- a (10.77.N.2)
"""
import os

from evslib import wait_for
from evslib.netns import sh


def test_internal_port(lab):
    net = f"10.77.{os.getpid() % 250}"
    bridge = lab.iface("br")
    evsd = lab.evsd(bridge=None)
    evsd.call("bridge.add", name=bridge, address=f"{net}.1/24")
    a, _ = lab.tap_guest(evsd, "a", f"{net}.2/24", bridge=bridge)
    a.ping(f"{net}.1", count=10)
    wait_for(lambda: sh("ping", "-c", 2, "-i", "0.05", f"{net}.2", check=False).count(" 2 received"))
    evsd.check_accounts()
    evsd.call("bridge.del", name=bridge)
    wait_for(lambda: not sh("ip", "link", "show", bridge, check=False), "the device is gone")
