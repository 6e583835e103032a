# SPDX-License-Identifier: Apache-2.0
"""`make demo-vm`, whose exit status says whether all that it shows was so: two machines in a VLAN, OpenFlow rules
between them, the switch killed under their feet."""
import subprocess
import sys

import pytest
from evslib.vm import ROOT, installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")


def test_demo():
    run = subprocess.run([sys.executable, ROOT / "tools" / "demo-vm"], text=True, stdin=subprocess.DEVNULL, timeout=900,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout
    shown = [line.split(None, 1)[1] for line in run.stdout.splitlines() if line.startswith("  ok ")]
    assert "vm1 pings vm2 again" in shown and "FAIL" not in run.stdout
