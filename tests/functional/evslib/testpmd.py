# SPDX-License-Identifier: Apache-2.0
"""A guest with DPDK's own driver for virtio: testpmd, told what to do line by line."""
import os
import re
import subprocess

from .wait import wait_for


class Testpmd:
    """Its device listens on `path`; testpmd starts when the switch has connected."""

    def __init__(self, path, prefix, log, options=""):
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@({cpus}),1@({cpus})", "--no-pci", "--no-huge", "-m", "128",
                 "--no-telemetry", "--file-prefix", prefix,
                 f"--vdev=net_virtio_user0,path={path},server=1,queue_size=256{options}",
                 "--", "-i", "--no-mlockall", "--total-num-mbufs=4096"],
                stdin=subprocess.PIPE, stdout=out, stderr=out)

    def wait_ready(self):
        wait_for(lambda: "testpmd> " in self.log.read_text(errors="replace") or self._check(), "testpmd is ready")
        return self

    def _check(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"testpmd ended with {self.process.returncode}:\n{self.log.read_text(errors='replace')[-2000:]}")

    def say(self, *lines):
        self._check()
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def counts(self):
        """(received, sent) by the driver so far."""
        done = len(self.log.read_bytes())
        self.say("show port stats 0")
        text = wait_for(lambda: re.search(rb"RX-packets: (\d+).*TX-packets: (\d+).*Tx-pps", self.log.read_bytes()[done:], re.S),
                        "testpmd shows its counts")
        return tuple(map(int, text.groups()))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
