# SPDX-License-Identifier: Apache-2.0
"""`make demo-vm`, whose exit status says whether all that it shows was so: two machines in a VLAN, OpenFlow rules
between them, the switch killed under their feet."""
import os
import signal
import subprocess
import sys

import pytest
from evslib.vm import ROOT, installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")


def end(demo):
    """When interrupted, it takes away what it made; when it must be killed, its machines and switch go with it."""
    if demo.poll() is None:
        demo.send_signal(signal.SIGINT)
        try:
            print(demo.communicate(timeout=60)[0])
        except subprocess.TimeoutExpired:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()


def test_demo():
    demo = subprocess.Popen([sys.executable, ROOT / "tools" / "demo-vm"], text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = demo.communicate(timeout=900)
    finally:
        end(demo)
    assert demo.returncode == 0, said
    shown = [line.split(None, 1)[1] for line in said.splitlines() if line.startswith("  ok ")]
    assert "vm1 pings vm2 again" in shown and "FAIL" not in said
