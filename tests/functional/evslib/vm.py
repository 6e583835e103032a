# SPDX-License-Identifier: Apache-2.0
"""A virtual machine: QEMU without KVM, Debian's cloud kernel, busybox; its network is a vhost-user port."""
import os
import pathlib
import re
import select
import shutil
import subprocess
import time

from .qmp import Qmp
from .wait import wait_for

ROOT = pathlib.Path(__file__).parents[3]
GUEST = ROOT / "build-vm" / "guest"


def installed():
    return bool(shutil.which("qemu-system-x86_64") and (GUEST.exists() or (ROOT / "build-vm" / "boot").exists()))


class Vm:
    """vm.run("ping …") runs in the guest's shell, by its serial line."""

    def __init__(self, socket, *, address=None, mac="52:54:00:00:00:01", mtu=None, vlan=None, queues=1, cpus=None,
                 memory_mb=128, server=True, device="", options=(), incoming=None):
        subprocess.run([ROOT / "tools" / "make-guest"], check=True, stdout=subprocess.DEVNULL)
        words = [f"evs.{key}={value}" for key, value in
                 (("addr", address), ("mtu", mtu), ("vlan", vlan)) if value]
        net = f"virtio-net-pci,netdev=n0,mac={mac},vectors=0,romfile="
        if queues > 1:
            net += ",mq=on"
        if mtu:
            net += f",host_mtu={mtu}"
        self.qmp_path, self.qmp = str(socket) + ".qmp", None
        if incoming:
            options = [*options, "-incoming", f"unix:{incoming}"]
        self.argv = [
            "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", str(memory_mb),
            "-object", f"memory-backend-memfd,id=mem,size={memory_mb}M,share=on", "-numa", "node,memdev=mem",
            "-smp", str(cpus or queues), "-nographic", "-nodefaults", "-serial", "stdio", "-monitor", "none",
            "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
            "-kernel", str(GUEST / "vmlinuz"), "-initrd", str(GUEST / "initramfs.gz"),
            "-append", " ".join(["console=ttyS0 quiet panic=-1 no_timer_check", *words]),
            "-chardev", f"socket,id=c0,path={socket}" + (",server=on,wait=off" if server else ",reconnect=1"),
            "-netdev", f"vhost-user,id=n0,chardev=c0,queues={queues}", "-device", net + device, *options]
        self.process = None
        self.seen = ""

    def start(self):
        self.seen = ""
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        return self

    def monitor(self):
        """The connection to QEMU itself."""
        if not self.qmp:
            self.qmp = Qmp(self.qmp_path)
        return self.qmp

    def migrate(self, path):
        """To a QEMU that was started with incoming=path; returns what QEMU says of it."""
        self.monitor().call("migrate", uri=f"unix:{path}")
        wait_for(lambda: self.qmp.call("query-migrate").get("status") in ("completed", "failed"), "the migration ends")
        info = self.qmp.call("query-migrate")
        assert info["status"] == "completed", info
        return info

    def wait_ready(self, timeout=300):
        self._read_until("EVS-GUEST-READY", timeout)
        return self

    def _read_until(self, pattern, timeout):
        end = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            if time.monotonic() > end or (self.process.poll() is not None and not self._readable()):
                raise AssertionError(f"guest: no {pattern!r} in:\n{self.seen[-3000:]}")
            if self._readable():
                self.seen += os.read(self.process.stdout.fileno(), 65536).decode(errors="replace")
        return self.seen

    def _readable(self):
        return select.select([self.process.stdout], [], [], 0.2)[0]

    def send(self, command):
        """Starts a command and does not wait."""
        self.seen = ""
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()

    def run(self, command, timeout=60, check=True):
        """Its output; a status other than 0 is an error."""
        self.send(f"{command}; echo EVS-STATUS=$?.")
        text = self._read_until(r"EVS-STATUS=\d+\.", timeout)
        output, status = re.search(r"^(.*)EVS-STATUS=(\d+)\.", text, re.S).groups()
        if check and status != "0":
            raise AssertionError(f"guest: {command!r} ended with {status}:\n{output}")
        return output.replace("\r", "")

    def wait_for(self, pattern, timeout=60):
        """Until a command started by send() says so."""
        self._read_until(pattern, timeout)
        self.seen = ""

    def ping(self, address, count=3, size=56, wait=60):
        """Percent lost. wait: seconds, for each echo. One at a time: busybox's ping waits for the last of several
        only as long as the others took, or a second, whatever -W says."""
        words = f"ping -q -c 1 -s {size} -W {wait} {address} >/dev/null"
        output = self.run(f"n=0; for i in $(seq {count}); do {words} && n=$((n + 1)); done; echo EVS-BACK=$n.",
                          timeout=60 + count * wait)
        return 100 - int(re.search(r"EVS-BACK=(\d+)\.", output).group(1)) * 100 // count

    def reboot(self):
        self.send("reboot -f")
        return self.wait_ready()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
        if self.qmp:
            self.qmp.close()
        self.process = self.qmp = None
