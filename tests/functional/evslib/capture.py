# SPDX-License-Identifier: Apache-2.0
"""tcpdump at an interface, read by scapy."""
import re
import signal
import subprocess

from .wait import wait_for


class Capture:
    """From the moment of its making until stop(): with lab.capture(ns, iface) as cap: ...

    Packets are in the file as they come, not a second later; there is room for some 2,000 that nobody
    reads just then. It ends by itself after `limit` packets: scapy reads some 1,000 a second."""

    def __init__(self, netns, iface, path, expression="", limit=5000):
        self.path, self.said = path, str(path) + ".log"
        with open(self.said, "wb") as said:
            self.process = netns.popen("tcpdump", "-n", "-U", "--immediate-mode", "-s", "16384", "-B", "32768", "-c", limit,
                                       "-i", iface, "-w", path, *expression.split(), stdout=said, stderr=said)
        wait_for(lambda: "listening on" in open(self.said).read(), f"tcpdump listens on {iface}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def packets(self):
        """What was captured so far, as scapy packets."""
        import scapy.layers.inet
        import scapy.layers.inet6
        import scapy.layers.l2  # noqa: F401 - the types of link that a file may name
        from scapy.error import Scapy_Exception
        from scapy.utils import rdpcap
        try:
            return list(rdpcap(str(self.path)))
        except (Scapy_Exception, EOFError):
            return []

    def wait(self, n, where=lambda packet: True):
        """Waits until n packets satisfy `where`; returns those."""
        def enough():
            found = [packet for packet in self.packets() if where(packet)]
            return found if len(found) >= n else None
        return wait_for(enough, f"{n} packets in {self.path}", interval=0.1)

    def _is_drained(self):
        """Has it written all that the kernel gave it? It says so when it is asked."""
        def counts():
            return re.findall(r"(\d+) packets? captured, (\d+) packets? received", open(self.said).read())
        n = len(counts())
        self.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: len(counts()) > n or self.process.poll() is not None, "tcpdump counts", interval=0.002)
        return self.process.poll() is not None or counts()[-1][0] == counts()[-1][1]

    def stop(self):
        if self.process.poll() is None:
            wait_for(self._is_drained, "tcpdump has written what was there")
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        return self.packets()


def bad_checksums(packets):
    """Those whose IPv4, TCP, UDP or ICMP checksum or length is wrong: computed anew, they differ.

    A UDP checksum of 0 says that there is none (RFC 768)."""
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import IPv6

    bad = []
    for packet in packets:
        layer = packet.getlayer(IP) or packet.getlayer(IPv6)
        if layer is None:
            continue
        fresh = layer.copy()
        for kind, fields in ((IP, ("chksum", "len")), (IPv6, ("plen",)), (TCP, ("chksum",)),
                             (UDP, ("chksum", "len")), (ICMP, ("chksum",))):
            inner = fresh.getlayer(kind)
            if kind is UDP and inner is not None and inner.chksum == 0:
                fields = ("len",)
            for field in fields if inner is not None else ():
                delattr(inner, field)
        fragment = IP in packet and (packet[IP].flags.MF or packet[IP].frag)
        if bytes(fresh) != bytes(layer) and not fragment:
            bad.append(packet)
    return bad
