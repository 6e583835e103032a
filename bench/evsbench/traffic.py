# SPDX-License-Identifier: Apache-2.0
"""Captures to replay and rules to load, made from a fixed seed.

Packets are written as bytes, not through a packet library: 100,000 of them take a second.
"""
import random
import socket
import struct

MAC_A = bytes.fromhex("020000000001")
MAC_B = bytes.fromhex("020000000002")


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp4(flow, size=64, dst=MAC_B, src=MAC_A):
    """An Ethernet frame of `size` bytes (FCS counted, not written) for (src, dst, sport, dport)."""
    ip_src, ip_dst, sport, dport = flow
    length = size - 4 - 14
    header = struct.pack("!BBHHHBBHII", 0x45, 0, length, 0, 0, 64, 17, 0, ip_src, ip_dst)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    udp = struct.pack("!HHHH", sport, dport, length - 20, 0)
    return (dst + src + b"\x08\x00" + header + udp).ljust(size - 4, b"\x00")


def udp6(flow, size=78, dst=MAC_B, src=MAC_A):
    ip_src, ip_dst, sport, dport = flow
    length = size - 4 - 14 - 40
    prefix = bytes.fromhex("20010db8") + bytes(8)
    header = struct.pack("!IHBB", 6 << 28, length, 17, 64)
    header += prefix + struct.pack("!I", ip_src) + prefix + struct.pack("!I", ip_dst)
    # a checksum is mandatory; it is not looked at by what is measured
    udp = struct.pack("!HHHH", sport, dport, length, 0xFFFF)
    return (dst + src + b"\x86\xdd" + header + udp).ljust(size - 4, b"\x00")


class Tunnel:
    """A kind of tunnel: the type of its port, the IP version below, options as they are sent."""

    def __init__(self, name, kind, version=4, options=b""):
        self.name, self.kind, self.version, self.options = name, kind, version, options
        self.local, self.remote = (("10.1.0.1", "10.1.0.2") if version == 4
                                   else ("fd01::1", "fd01::2"))
        self.prefix = 24 if version == 4 else 64

    def header(self, size, vni, sport):
        """What is behind IP, before `size` bytes of payload."""
        if self.kind == "gre":
            return struct.pack("!HHI", 0x2000, 0x6558, vni)
        if self.kind == "stt":  # like TCP's, in one segment
            return (struct.pack("!HHIIBBHHH", sport, 7471, (18 + size) << 16, sport, 0x50, 0x18, 0xFFFF, 0, 0) +
                    struct.pack("!BBHHHQH", 0, 0x04, 0, 0, 0, vni, 0))
        tunnel = (struct.pack("!II", 0x08000000, vni << 8) if self.kind == "vxlan" else
                  struct.pack("!BBHI", len(self.options) // 4, 0, 0x6558, vni << 8) + self.options)
        port = 4789 if self.kind == "vxlan" else 6081
        return struct.pack("!HHHH", sport, port, 8 + len(tunnel) + size, 0) + tunnel

    def frame(self, inner, vni, sport):
        """What the remote end sends to the local one."""
        payload = self.header(len(inner), vni, sport) + inner
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        ends = b"".join(socket.inet_pton(family, ip) for ip in (self.remote, self.local))
        proto = {"gre": 47, "stt": 6}.get(self.kind, 17)
        if self.kind == "stt":
            summed = ends + struct.pack("!HH", proto, len(payload)) + payload
            payload = payload[:16] + struct.pack("!H", checksum(summed + bytes(len(summed) % 2))) + payload[18:]
        if self.version == 6:
            header = struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + ends
            return MAC_A + MAC_B + b"\x86\xdd" + header + payload
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0) + ends
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        return MAC_A + MAC_B + b"\x08\x00" + header + payload


VXLAN, VXLAN6 = Tunnel("vxlan", "vxlan"), Tunnel("vxlan6", "vxlan", 6)
GENEVE, GRE = Tunnel("geneve", "geneve"), Tunnel("gre", "gre")
STT = Tunnel("stt", "stt")


def write_pcap(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def flows(n, seed=1):
    """n different five-tuples (the protocol is always UDP), in random order."""
    rng = random.Random(seed)
    found = set()
    while len(found) < n:
        found.add((0x0A000000 | rng.getrandbits(20), 0x0A800000 | rng.getrandbits(20),
                   rng.randrange(1024, 65536), rng.randrange(1, 65536)))
    result = sorted(found)
    rng.shuffle(result)
    return result


# (source prefix, destination prefix, source port mask, destination port mask): 20 shapes as access
# lists have them: subnets to services, ranges of ports. Subnets overlap, so that many packets have
# to be compared with the ports of several rules before the right one is found.
ACL_SHAPES = [
    (32, 32, 0xFFFF, 0xFFFF), (32, 24, 0, 0xFFFF), (24, 32, 0, 0xFFFF), (24, 24, 0, 0),
    (32, 16, 0, 0xFFFF), (16, 32, 0, 0xFFFF), (28, 20, 0, 0xFFF8), (16, 16, 0, 0xFFFF),
    (20, 16, 0xFFFF, 0), (24, 12, 0xF000, 0xFFFF), (12, 20, 0, 0xFFFE), (14, 14, 0, 0xFF00),
    (8, 24, 0, 0xFFF0), (24, 8, 0xFFF0, 0), (12, 12, 0, 0xFFFF), (18, 14, 0xFFFC, 0),
    (10, 20, 0, 0xFFC0), (13, 13, 0xFFFF, 0xFF80), (32, 8, 0, 0), (15, 15, 0, 0xFFE0),
]


def prefix_mask(length):
    return (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF if length else 0


def acl(n_rules, n_flows, seed=2):
    """Rules of 20 shapes, and flows each of which hits at least one of them.

    Returns (rules as (priority, match), flows)."""
    rng = random.Random(seed)
    rules = []
    for i in range(n_rules):
        src, dst, sport, dport = ACL_SHAPES[i % len(ACL_SHAPES)]
        rules.append((rng.randrange(1, 30000),
                      ((0x0A000000 | rng.getrandbits(24)) & prefix_mask(src), prefix_mask(src)),
                      ((0x0B000000 | rng.getrandbits(24)) & prefix_mask(dst), prefix_mask(dst)),
                      (rng.getrandbits(16) & sport, sport), (rng.getrandbits(16) & dport, dport)))
    found = set()
    while len(found) < n_flows:
        _, src, dst, sport, dport = rules[rng.randrange(n_rules)]
        fill = [rng.getrandbits(24) | 0x0A000000, rng.getrandbits(24) | 0x0B000000,
                rng.getrandbits(16), rng.getrandbits(16)]
        found.add(tuple(value | (free & ~mask)
                        for (value, mask), free in zip((src, dst, sport, dport), fill)))
    result = sorted(found)
    rng.shuffle(result)
    return rules, result


def ip_text(value, mask):
    text = socket.inet_ntoa(struct.pack("!I", value))
    return text if mask == 0xFFFFFFFF else text + "/" + socket.inet_ntoa(struct.pack("!I", mask))


def acl_text(rules, actions):
    """The rules in ovs-ofctl's syntax."""
    lines = []
    for priority, src, dst, sport, dport in rules:
        match = ["priority=%d" % priority, "udp"]
        for name, (value, mask) in (("nw_src", src), ("nw_dst", dst)):
            if mask:
                match.append("%s=%s" % (name, ip_text(value, mask)))
        for name, (value, mask) in (("tp_src", sport), ("tp_dst", dport)):
            if mask:
                match.append("%s=0x%x/0x%x" % (name, value, mask))
        lines.append(",".join(match) + ",actions=" + actions)
    return lines
