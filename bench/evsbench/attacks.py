# SPDX-License-Identifier: Apache-2.0
"""What hurts flow caches: packets of a port that attacks its neighbours."""
import random
import socket
import struct

from . import traffic
from .scenarios import OVERLAY_PORT

N = 100000


def random_flows():
    rng = random.Random(3)
    for _ in range(N):
        yield traffic.udp4((rng.getrandbits(32), rng.getrandbits(32), rng.getrandbits(16),
                            rng.getrandbits(16)))


def tuple_explosion():
    """Addresses and ports that leave the path of the rules at every bit position in turn."""
    rng = random.Random(4)
    for i in range(N):
        yield traffic.udp4((0x0A000000 ^ (1 << i % 32) ^ rng.getrandbits(i % 32),
                            0x0B000000 ^ (1 << i // 32 % 32) ^ rng.getrandbits(i // 32 % 32),
                            1 << i % 16, 1 << i // 16 % 16))


def mac_flood():
    rng = random.Random(5)
    for i in range(N):
        yield traffic.udp4((rng.getrandbits(32), 1, 2, 3),
                           src=b"\x02" + rng.getrandbits(40).to_bytes(5, "big"),
                           dst=b"\x02" + rng.getrandbits(40).to_bytes(5, "big"))


def fragments():
    rng = random.Random(6)
    for i in range(N):
        frame = bytearray(traffic.udp4((rng.getrandbits(32), rng.getrandbits(32), 1, 2)))
        frame[20:22] = struct.pack("!H", 0x2000 | rng.getrandbits(8) * (i % 2))
        frame[23] = 1 if i % 3 == 0 else 17
        yield bytes(frame)


def extension_headers():
    rng = random.Random(7)
    for i in range(N):
        chain = bytes([60, 0]) + bytes(6) + bytes([43, 0]) + bytes(6) + bytes([17, 0]) + bytes(6)
        payload = chain + struct.pack("!HHHH", i & 0xFFFF, 53, 8, 0xFFFF)
        header = struct.pack("!IHBB", 6 << 28, len(payload), 0, 64)
        header += rng.getrandbits(128).to_bytes(16, "big") + rng.getrandbits(128).to_bytes(16, "big")
        yield traffic.MAC_B + traffic.MAC_A + b"\x86\xdd" + header + payload


def tunnelled(remote_of, vni_of):
    """Frames for a tunnel port."""
    for i in range(N):
        frame = bytearray(traffic.VXLAN.frame(traffic.udp4((i, 1, 2, 3)), vni_of(),
                                                 49152 + i % 16384))
        frame[24:30] = bytes(2) + remote_of()
        frame[24:26] = struct.pack("!H", traffic.checksum(bytes(frame[14:34])))
        yield bytes(frame)


def any_remote():
    rng = random.Random(8)
    return tunnelled(lambda: rng.getrandbits(32).to_bytes(4, "big"), lambda: 1)


def any_network():
    rng, remote = random.Random(9), socket.inet_aton(traffic.VXLAN.remote)
    return tunnelled(lambda: remote, lambda: rng.getrandbits(24))


def overlay_rules():
    """For an attacker below a tunnel port: sixteen networks are somebody's."""
    return VICTIM_RULES + ["priority=9,in_port=%d,tun_id=%d,actions=output:2" % (OVERLAY_PORT, vni)
                           for vni in range(1, 17)]


def acl_rules():
    """For an attacker on port 3 that sends to port 4; the victim sends from port 1 to port 2."""
    rules, _ = traffic.acl(1000, 1)
    return (VICTIM_RULES + [rule.replace("udp", "in_port=3,udp")
                            for rule in traffic.acl_text(rules, "output:4")]
            + ["priority=0,in_port=3,actions=output:4"])


def mac_rules():
    return VICTIM_RULES + ["priority=0,actions=NORMAL"]


VICTIM_RULES = ["priority=40000,in_port=1,udp,actions=output:2"]

# name: (frames, rules)
ATTACKS = {
    "random-flows": (random_flows, acl_rules),
    "tuple-explosion": (tuple_explosion, acl_rules),
    "mac-flood": (mac_flood, mac_rules),
    "fragments": (fragments, acl_rules),
    "ipv6-extensions": (extension_headers, acl_rules),
    "any-remote": (any_remote, overlay_rules),
    "any-network": (any_network, overlay_rules),
}
