# SPDX-License-Identifier: Apache-2.0
"""One evsd of a test, in its own directory, without huge pages and PCI devices."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from .rpc import RpcClient, RpcError
from .wait import wait_for

BUILD = pathlib.Path(os.environ.get("EVS_BUILD", pathlib.Path(__file__).parents[3] / "build"))
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion .* failed")


def is_sanitized():
    """AddressSanitizer keeps what was freed for a while."""
    return b"__asan_init" in (BUILD / "evsd").read_bytes()


def memory_kb(pid):
    """What it allocated and touched, to the page: anonymous memory, and DPDK's with --no-huge. Files' pages come and
    go, and VmRSS lags behind what each thread took. Not the flow caches: these are mapped once, for huge pages (flag
    hg), and come to life as flows touch them, up to the size that was configured."""
    total = kb = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        key, *words = line.split()
        if not key.endswith(":"):
            counts = "Rss:" if "/memfd:nohuge" in words else "Anonymous:"
        elif key == counts:
            kb = int(words[0])
        elif key == "VmFlags:" and "hg" not in words:
            total += kb
    return total


class EvsctlError(Exception):
    def __init__(self, args, run):
        super().__init__(f"evsctl {' '.join(args)}: status {run.returncode}: {run.stderr.strip()}")
        self.status, self.stderr, self.stdout = run.returncode, run.stderr, run.stdout


class Evsd:
    """Started by start(); the test ends with stop(), which insists on a clean end."""

    def __init__(self, directory, prefix, *options, config=False, memory_mb=256, workers=None):
        self.dir = pathlib.Path(directory)
        self.run_dir, self.state_dir = self.dir / "run", self.dir / "state"
        self.log_path = self.dir / "evsd.log"
        eal = f"--no-huge -m {memory_mb} --file-prefix {prefix}"
        self.argv = [str(BUILD / "evsd"), "--run-dir", str(self.run_dir), "--state-dir", str(self.state_dir),
                     "--dpdk", eal, *options]
        if not config:
            self.argv.append("--no-config")
        if workers:
            self.argv += ["--worker-cpus", workers]
        self.process = None
        self.client = None

    @property
    def socket_path(self):
        return self.run_dir / "evs.sock"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self):
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, "evsd answers on its socket", timeout=60)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"evsd ended with status {self.process.returncode}:\n{self.log[-3000:]}")
        if not self.socket_path.exists():
            return False
        self.client = self.connect()
        return self.client.call("version")

    def connect(self):
        return RpcClient(self.socket_path)

    def call(self, method, **params):
        return self.client.call(method, **params)

    def transaction(self, *calls):
        """Calls as (method, params)."""
        return self.client.call("transaction", calls=[{"method": m, "params": p} for m, p in calls])

    def evsctl(self, *words, check=True, json_output=False, stdin=None):
        """Runs the client; returns its output (parsed with json_output)."""
        argv = [str(BUILD / "evsctl"), "--socket", str(self.socket_path)]
        argv += (["--json"] if json_output else []) + [str(word) for word in words]
        run = subprocess.run(argv, text=True, capture_output=True, timeout=60, input=stdin)
        if check and run.returncode:
            raise EvsctlError([str(word) for word in words], run)
        if not check:
            return run
        return json.loads(run.stdout) if json_output else run.stdout

    # What the stories look at.

    def ports(self):
        return {port["name"]: port for port in self.call("port.show")}

    def port(self, name):
        return self.ports()[name]

    def macs(self, bridge="br0"):
        """{(mac, vlan): port name}"""
        return {(row["mac"], row["vlan"]): row["port"] for row in self.call("fdb.show", bridge=bridge)}

    def drops(self):
        """{(port, reason): packets}"""
        return {(row["port"], row["reason"]): row["pkts"] for row in self.call("drop.show")}

    def worker_sum(self, key):
        return sum(row[key] for row in self.call("worker.show"))

    def check_accounts(self):
        """Received + copied + injected = sent + dropped + held + punted, to the packet, once all is quiet."""
        def balanced():
            stats = self.call("stats.show")
            assert stats["in-flight"] == 0, stats
            return True
        wait_for(balanced, "every received packet is accounted for")

    def footprint(self):
        """What it holds; memory_kb includes what lies ready for the next one who asks."""
        proc = pathlib.Path(f"/proc/{self.process.pid}")
        return {"descriptors": len(os.listdir(proc / "fd")), "threads": len(os.listdir(proc / "task")),
                "memory_kb": memory_kb(self.process.pid), "buffers": self.call("stats.show")["buffers"]["in-use"]}

    # Ends.

    def kill(self):
        """As a crash would: no clean-up."""
        self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        if self.client:
            self.client.close()
        self.client = self.process = None

    def stop(self):
        """SIGTERM; fails unless evsd ends with status 0, tidily and without a finding.

        Returns how long it took, in seconds."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        took, status = time.monotonic() - begin, self.process.returncode
        self._forget()
        found = SANITIZER.search(self.log)
        assert not found, f"evsd: {found.group(0)}:\n{self.log[found.start():found.start() + 4000]}"
        assert status == 0, f"evsd ended with status {status}:\n{self.log[-4000:]}"
        assert not self.socket_path.exists(), "evsd left its socket behind"
        return took


__all__ = ["Evsd", "EvsctlError", "RpcError", "BUILD"]
