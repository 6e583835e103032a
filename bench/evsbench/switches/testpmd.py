# SPDX-License-Identifier: Apache-2.0
"""testpmd, mode io: the limit, since it neither parses nor looks anything up."""
import subprocess

from ..guests import guest_path
from .switch import Switch


class Testpmd(Switch):
    WORKERS = "rte-worker"

    def __init__(self, folder, cpus, memory_mb, name="limit"):
        super().__init__(folder, name, cpus, memory_mb)

    def start(self):
        pass  # its ports are options

    def load(self, devices, _rules, mtu=None):
        argv = ["dpdk-testpmd", "-l", "%d,%d" % (self.control_cpu, self.worker_cpu),
                "--main-lcore", str(self.control_cpu), "--no-pci", "--file-prefix", self.prefix,
                "--socket-mem", str(self.memory_mb), "--huge-unlink"]
        for i, device in enumerate(devices):
            path = guest_path(device)
            argv += ["--vdev", "net_vhost%d,iface=%s,client=1" % (i, path) if path else device]
        mbuf_size = max(2176, (mtu or 0) + 256)
        mbufs = min(300000, (self.memory_mb << 20) * 7 // 10 // (mbuf_size + 192))
        argv += ["--", "--forward-mode=io", "--auto-start", "--total-num-mbufs=%d" % mbufs,
                 "--port-topology=chained", "--no-mlockall"]
        if mtu:
            argv += ["--max-pkt-len=%d" % (mtu + 18), "--mbuf-size=%d" % mbuf_size]
        if len(devices) > 1:
            argv[argv.index("--port-topology=chained")] = "--port-topology=paired"
        self.spawn(argv, "testpmd.log", stdin=subprocess.PIPE)
