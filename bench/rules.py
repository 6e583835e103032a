#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast are rules taken, and what does the traffic feel of it? A file of 100,000 five-tuple rules
by ovs-ofctl add-flows, again after del-flows, while 10,000 flows that none of the rules touches are
forwarded; and flow-mods without a pause from one connection. Packets are counted by DPDK in seconds
of the worker's CPU time, before and during."""
import argparse
import ipaddress
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import lab as benchlab, openflow, proc, traffic  # noqa: E402
from evsbench.scenarios import FORWARD_UDP, capture, replay_device, sink_device  # noqa: E402


def write_rules(path, n, near):
    """near: random ones of the addresses and ports that the traffic has too."""
    with open(path, "w") as out:
        for flow in traffic.flows(n, seed=2) if near else ():
            out.write("priority=1000,udp,nw_src=%s,nw_dst=%s,tp_src=%d,tp_dst=%d,actions=output:2\n"
                      % (ipaddress.ip_address(flow[0]), ipaddress.ip_address(flow[1]), *flow[2:]))
        for i in range(0 if near else n):
            out.write("priority=1000,udp,nw_src=192.168.%d.%d,nw_dst=172.16.%d.%d,tp_src=%d,tp_dst=%d,"
                      "actions=output:2\n" % (i >> 8 & 255, i & 255, i >> 12 & 255, i >> 4 & 255,
                                              1 + i % 60000, 1 + i % 50000))


class Rate:
    """Packets of a CPU second of the worker, from one look to the next."""

    def __init__(self, switch):
        self.telemetry = switch.telemetry()
        self.ports = self.telemetry.ethdevs()
        self.worker = proc.busiest_thread(switch.pid())
        self.look()

    def look(self):
        now = self.telemetry.sent(self.ports), proc.run_time(self.worker)
        before, self.last = getattr(self, "last", (0, -1.0)), now
        return (now[0] - before[0]) / max(now[1] - before[1], 1e-9)

    def idle(self, seconds=0.7):
        self.look()
        time.sleep(seconds)
        return self.look()


def ofctl(switch, command, *args):
    start = time.monotonic()
    proc.run(["ovs-ofctl", "-O", "OpenFlow13", command, "unix:" + switch.folder + "/br0.mgmt", *args])
    return time.monotonic() - start


def stream(switch, n):
    """n additions as fast as they are taken, then a barrier; seconds."""
    session = openflow.Session(switch.folder + "/br0.mgmt")
    messages = [openflow.flow_mod(openflow.ADD, 1000, openflow.udp_match(0xC0A80000 + i, i & 0x7FFF),
                                  out_port=2) for i in range(n)]
    parts = [b"".join(messages[i:i + 1000]) for i in range(0, n, 1000)]
    start = time.monotonic()
    for part in parts:
        session.send(part)
    session.barrier()
    seconds = time.monotonic() - start
    session.close()
    return seconds


def measure(switch, folder, options):
    flows = traffic.flows(options.flows)
    path = capture(folder, "udp4-%d" % options.flows, lambda: map(traffic.udp4, flows))
    rules = os.path.join(folder, "many.txt")
    write_rules(rules, options.rules, options.near)
    filters = ["udp,nw_src=10.0.0.0/8" if options.near else "udp,nw_src=192.168.0.0/16"]
    result = {}
    switch.start()
    try:
        switch.load([replay_device(0, path), sink_device(1)], FORWARD_UDP)
        time.sleep(1)
        rate = Rate(switch)
        steps = [("add-flows", lambda: ofctl(switch, "add-flows", rules)),
                 ("replace", lambda: ofctl(switch, "add-flows", rules)),
                 ("del-flows", lambda: ofctl(switch, "del-flows", *filters)),
                 ("add-flows again", lambda: ofctl(switch, "add-flows", rules)),
                 ("stream", lambda: stream(switch, options.rules))]
        for name, step in steps:
            before = rate.idle()
            seconds = step()
            during = rate.look()
            row = {"seconds": seconds, "rules_per_s": options.rules / seconds, "kept": during / before}
            result[name] = row
            print("%-5s %-16s %5.2f s, %7.0f rules/s, traffic keeps %3.0f %% of %.1f Mpps"
                  % (switch.name, name, seconds, row["rules_per_s"], 100 * row["kept"], before / 1e6),
                  flush=True)
    finally:
        switch.stop()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=100000)
    parser.add_argument("--flows", type=int, default=10000)
    parser.add_argument("--near", action="store_true", help="rules among the traffic's addresses")
    benchlab.add_options(parser, ("ovs",), 400)
    options = parser.parse_args()
    with benchlab.opened(options) as lab:
        benchlab.save(options, {name: measure(lab.make(name), lab.folder, options)
                                for name in lab.names(["ovs"])})


if __name__ == "__main__":
    main()
