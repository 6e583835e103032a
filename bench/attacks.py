#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What does a tenant lose when its neighbour attacks? A victim port with 1,000 flows, alone and then
beside a second port that sends what hurts flow caches, at the rate of the driver, on one worker.

The attacks: five-tuples at random; packets made to produce as many masks as the rules allow; a flood
of MAC addresses; IPv4 fragments and ICMP; IPv6 extension headers."""
import argparse
import json
import os
import random
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, proc, traffic  # noqa: E402
from evsbench.scenarios import capture, replay_device, sink_device  # noqa: E402
from evsbench.switches import Evs, Ovs  # noqa: E402

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


def acl_rules():
    rules, _ = traffic.acl(1000, 1)
    return (["priority=40000,in_port=1,udp,actions=output:2"]
            + ["%s" % rule.replace("udp", "in_port=3,udp")
               for rule in traffic.acl_text(rules, "output:4")]
            + ["priority=0,in_port=3,actions=output:4"])


ATTACKS = {
    "random-flows": (random_flows, acl_rules),
    "tuple-explosion": (tuple_explosion, acl_rules),
    "mac-flood": (mac_flood, lambda: ["priority=40000,in_port=1,udp,actions=output:2",
                                      "priority=0,actions=NORMAL"]),
    "fragments": (fragments, acl_rules),
    "ipv6-extensions": (extension_headers, acl_rules),
}


def victim_rate(make, devices, rules, options):
    switch = make()
    try:
        switch.start()
        switch.load(devices, rules)
        telemetry = switch.telemetry()
        time.sleep(options.warm_up)
        sink = telemetry.ethdevs()[1]
        windows, before, last = [], telemetry.sent([sink]), time.monotonic()
        end = last + options.seconds
        while last < end:
            time.sleep(0.25)
            count, now = telemetry.sent([sink]), time.monotonic()
            windows.append((count - before) / (now - last))
            before, last = count, now
        telemetry.close()
        return sorted(windows)[len(windows) // 2]
    finally:
        switch.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--attack", action="append", choices=list(ATTACKS))
    parser.add_argument("--against", default="evs,ovs")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    result = {}
    with tempfile.TemporaryDirectory(prefix="evsbench-") as folder, hugepages.reserved(1400):
        path = capture(folder, "udp4-1000", lambda: map(traffic.udp4, traffic.flows(1000)))
        victim = [replay_device(0, path), sink_device(1)]
        makers = {"evs": lambda: Evs(folder, 0, 1, build=options.build),
                  "ovs": lambda: Ovs(tempfile.mkdtemp(dir=folder), 0, 1)}
        for name in options.attack or ATTACKS:
            frames, rules = ATTACKS[name]
            attack = [replay_device(2, capture(folder, name, frames)), sink_device(3)]
            for switch in options.against.split(","):
                alone = victim_rate(makers[switch], victim, rules()[:1], options)
                beside = victim_rate(makers[switch], victim + attack, rules(), options)
                result.setdefault(name, {})[switch] = {"alone_mpps": alone / 1e6,
                                                       "attacked_mpps": beside / 1e6,
                                                       "kept": beside / alone}
                print("%-16s %-5s alone %8.3f  attacked %8.3f Mpps  keeps %5.1f %%"
                      % (name, switch, alone / 1e6, beside / 1e6, 100 * beside / alone), flush=True)
    if options.json:
        with open(options.json, "w") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
