# SPDX-License-Identifier: Apache-2.0
"""Adapters: how each program is started and given ports and rules.

An adapter has a name, start(), load(devices, rules), telemetry(), stop(), and runs one worker on
CPU `worker_cpu` with everything else on `control_cpu`.
"""
from .evs import Evs
from .ovs import Ovs
from .testpmd import Testpmd

__all__ = ["Evs", "Ovs", "Testpmd"]
