# SPDX-License-Identifier: Apache-2.0
"""Adapters: how each program is started and given ports and rules.

An adapter is a Switch with start() and load(devices, rules), which may be called again for more ports;
it runs one worker on the first of its two CPUs and everything else on the second.
"""
from .evs import Evs
from .ovs import Ovs
from .testpmd import Testpmd
from .vpp import Vpp

__all__ = ["Evs", "Ovs", "Testpmd", "Vpp"]
