#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A filter like ClassBench's (micro_classbench.c), loaded by ovs-ofctl, and packets that hit it, replayed
without end: how long does loading take, and how many packets a second pass the filter from the second
second on?"""
import argparse
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import lab as benchlab, proc, traffic  # noqa: E402
from evsbench.scenarios import replay_device, sink_device  # noqa: E402


def frame(line):
    """60 bytes of the packet that a line of the set names: addresses, ports, protocol."""
    src, dst, sport, dport, proto = map(int, line.split())
    header = struct.pack("!BBHHHBBHII", 0x45, 0, 46, 0, 0, 64, proto, 0, src, dst)
    header = header[:10] + struct.pack("!H", traffic.checksum(header)) + header[12:]
    body = struct.pack("!HHIIBBHHH", sport, dport, 0, 0, 0x50, 0x10, 1024, 0, 0) if proto == 6 else \
        struct.pack("!HHHH", sport, dport, 26, 0) if proto == 17 else struct.pack("!BBHI", 8, 0, 0, 0)
    return (traffic.MAC_B + traffic.MAC_A + b"\x08\x00" + header + body).ljust(60, b"\x00")


def make_set(lab, kind, rules):
    """Files with its flows and its packets."""
    flows, packets = (os.path.join(lab.folder, name) for name in ("flows", "packets"))
    subprocess.run([lab.options.build + "/bench/micro_classbench", "-o", flows, "-p", packets, kind,
                    str(rules)], check=True, stdout=subprocess.DEVNULL)
    with open(packets) as lines:
        traffic.write_pcap(packets + ".pcap", map(frame, lines))
    return flows, packets + ".pcap"


def measure(lab, name, flows, pcap):
    with lab.running(name, [replay_device(0, pcap), sink_device(1)], ["priority=0,actions=drop"]) as switch:
        start = time.monotonic()
        proc.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flows", "unix:" + switch.folder + "/br0.mgmt", flows])
        seconds = time.monotonic() - start
        return {"load_s": seconds, "mpps": lab.rate(switch, [1], best=False) / 1e6}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default="acl,fw,ipc")
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--warm-up", type=float, default=2)
    benchlab.add_options(parser, ("ovs",), 400)
    options = parser.parse_args()
    result = {}
    with benchlab.opened(options) as lab:
        for kind in options.kind.split(","):
            flows, pcap = make_set(lab, kind, options.rules)
            for name in lab.names(["ovs"]):
                row = result["%s-%d %s" % (kind, options.rules, name)] = measure(lab, name, flows, pcap)
                print("%s-%d %-5s loaded in %.2f s, then %.3f Mpps"
                      % (kind, options.rules, name, row["load_s"], row["mpps"]), flush=True)
        benchlab.save(options, result)


if __name__ == "__main__":
    main()
