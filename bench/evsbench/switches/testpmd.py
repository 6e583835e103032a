# SPDX-License-Identifier: Apache-2.0
"""testpmd, mode io: the limit, since it neither parses nor looks anything up."""
import os
import subprocess

from ..proc import Daemon, Telemetry


class Testpmd:
    name = "limit"

    def __init__(self, folder, worker_cpu, control_cpu):
        self.folder, self.worker_cpu, self.control_cpu = folder, worker_cpu, control_cpu
        self.prefix = "evsbench-testpmd-%d" % os.getpid()
        self.daemon = None

    def start(self):
        pass  # its ports are options

    def load(self, devices, _rules):
        argv = ["dpdk-testpmd", "-l", "%d,%d" % (self.control_cpu, self.worker_cpu),
                "--main-lcore", str(self.control_cpu), "--no-pci", "--file-prefix", self.prefix,
                "--socket-mem", "1024", "--huge-unlink"]
        for device in devices:
            argv += ["--vdev", device]
        argv += ["--", "--forward-mode=io", "--auto-start", "--total-num-mbufs=300000",
                 "--port-topology=chained", "--no-mlockall"]
        if len(devices) > 1:
            argv[argv.index("--port-topology=chained")] = "--port-topology=paired"
        self.daemon = Daemon(argv, os.path.join(self.folder, "testpmd.log"),
                             stdin=subprocess.PIPE)

    def telemetry(self):
        self.daemon.check()
        return Telemetry(self.prefix)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
