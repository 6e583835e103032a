# SPDX-License-Identifier: Apache-2.0
"""Network namespaces as guests: interfaces, addresses, ping, iperf3, raw frames."""
import ctypes
import json
import os
import re
import socket
import subprocess

from .wait import wait_for

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def missing_echoes(out, count):
    """Of the first count echoes, how many did not come back, by ping's output.

    ping -c gives the last ones two round trips only, whatever -W says; -c with -w waits for as many
    answers, and sends further echoes meanwhile: those are not counted.
    """
    return count - len({int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", out)} & set(range(1, count + 1)))


def sh(*words, check=True, timeout=60):
    """Runs a command; its output. Failure tells what it said."""
    run = subprocess.run([str(word) for word in words], text=True, capture_output=True, timeout=timeout,
                         stdin=subprocess.DEVNULL)
    if check and run.returncode:
        raise RuntimeError(f"{' '.join(str(word) for word in words)}: {run.stderr.strip() or run.stdout.strip()}")
    return run.stdout


class Netns:
    """A namespace; `stack` (an ExitStack) takes it and what it starts away again."""

    def __init__(self, name, stack):
        self.name = name
        self.stack = stack
        sh("ip", "netns", "add", name)
        stack.callback(sh, "ip", "netns", "del", name, check=False)
        self.run("ip", "link", "set", "lo", "up")
        # No router solicitations or duplicate detection: the tests count packets.
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.router_solicitations", 0)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    def argv(self, *words):
        return ["ip", "netns", "exec", self.name, *[str(word) for word in words]]

    def run(self, *words, check=True, timeout=60):
        return sh(*self.argv(*words), check=check, timeout=timeout)

    def popen(self, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.argv(*words), **options)
        self.stack.callback(_end, process)
        return process

    def take(self, iface, *addresses, mtu=None, mac=None, quiet=False, offload=False):
        """Moves an interface in here, gives it addresses, brings it up.

        quiet: without IPv6, so that the kernel sends nothing by itself. offload: the kernel may leave
        checksums and segmentation to the switch."""
        sh("ip", "link", "set", iface, "netns", self.name)
        if not offload:
            self.run("ethtool", "-K", iface, "tx", "off", check=False)
        # Room for what is sent while the machine lets nobody read.
        self.run("ip", "link", "set", iface, "txqueuelen", 10000, check=False)
        if quiet:
            self.sysctl(f"net.ipv6.conf.{iface}.disable_ipv6", 1)
        if mac:
            self.run("ip", "link", "set", iface, "address", mac)
        if mtu:
            self.run("ip", "link", "set", iface, "mtu", mtu)
        for address in addresses:
            self.run("ip", "addr", "add", address, "dev", iface, *(["nodad"] if ":" in address else []))
        self.run("ip", "link", "set", iface, "up")
        return iface

    def mac(self, iface):
        return json.loads(self.run("ip", "-j", "link", "show", iface))[0]["address"]

    def ping(self, address, count=3, size=56, fragment=True, check=True, wait=60):
        """True if every echo came back whole."""
        words = ["ping", "-c", count, "-i", "0.05", "-W" if count == 1 else "-w", wait, "-s", size]
        run = subprocess.run(self.argv(*words, *([] if fragment else ["-M", "do"]), address),
                             text=True, capture_output=True, timeout=wait + 60)
        good = run.returncode == 0 and not missing_echoes(run.stdout, count) and "wrong data" not in run.stdout
        assert good or not check, f"{self.name}: ping {address}: {run.stdout.strip()} {run.stderr.strip()}"
        return good

    def can_ping(self, address, **options):
        return self.ping(address, count=1, wait=1, check=False, **options)

    def iperf(self, server, address, *options, megabytes=10, seconds=None):
        """Runs iperf3 from here to a server in another namespace, for an amount or a time; its report.

        Of an amount, up to 4 MB may still stand in socket buffers when the client ends: not received.
        """
        length = ["-t", seconds] if seconds else ["-n", f"{megabytes}M"]
        listener = server.popen("iperf3", "-s", "-1", "-B", address, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for(lambda: ":5201" in server.run("ss", "-Htln"), "iperf3 listens")
        out = self.run("iperf3", "-J", "-c", address, *length, "--connect-timeout", 60000, *options,
                       timeout=300)
        listener.wait(60)
        report = json.loads(out)
        assert "error" not in report, report["error"]
        return report["end"]

    def packet_socket(self, iface):
        """A raw AF_PACKET socket of this namespace: the calling thread visits it to open one."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.name}", "rb") as there:
            _setns(there.fileno())
            try:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                sock.bind((iface, 0))
            finally:
                _setns(home.fileno())
        self.stack.callback(sock.close)
        return sock

    def send(self, iface, *frames):
        """Sends frames (bytes or scapy packets) as they are, one close behind the other."""
        sock = self.packet_socket(iface)
        for frame in [bytes(frame) for frame in frames]:
            sock.send(frame)
        sock.close()


def veth(stack, name, peer, offload=False):
    """A veth pair in the caller's namespace."""
    sh("ip", "link", "add", name, "type", "veth", "peer", "name", peer)
    stack.callback(sh, "ip", "link", "del", name, check=False)
    for iface in (name, peer):
        if not offload:
            sh("ethtool", "-K", iface, "tx", "off", "gro", "off", "gso", "off", "tso", "off", check=False)
        sh("sysctl", "-qw", f"net.ipv6.conf.{iface}.disable_ipv6=1", check=False)
    sh("ip", "link", "set", name, "up")


def _setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
