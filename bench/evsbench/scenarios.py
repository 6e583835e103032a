# SPDX-License-Identifier: Apache-2.0
"""Ports, rules and traffic of the scenarios (table.py).

A port is a DPDK virtual device: `null` makes packets, `sink` swallows them, a capture is replayed
for ever. Packets are counted where they leave, by the driver.
"""
import os

from . import traffic


def null_device(i, size=60):
    return "net_null%d,size=%d,copy=0" % (i, size)


def sink_device(i):
    return "net_null%d,no-rx=1" % i


def replay_device(i, path):
    return "net_pcap%d,rx_pcap=%s,infinite_rx=1" % (i, path)


def capture(folder, name, frames):
    path = os.path.join(folder, name + ".pcap")
    if not os.path.exists(path):
        traffic.write_pcap(path, frames())
    return path


FORWARD = ["priority=1,in_port=1,actions=output:2", "priority=1,in_port=2,actions=output:1"]


# Matching the protocol keeps OVS from its short cut for rules that match the input port alone:
# the flow caches are what these scenarios measure.
FORWARD_UDP = ["priority=1,in_port=1,udp,actions=output:2",
               "priority=1,in_port=1,udp6,actions=output:2"]


def p2p_null(folder):
    return {"devices": [null_device(0), null_device(1)], "rules": FORWARD}


def one_way(n, make=traffic.udp4, name="udp4"):
    def build(folder):
        path = capture(folder, "%s-%d" % (name, n), lambda: map(make, traffic.flows(n)))
        return {"devices": [replay_device(0, path), sink_device(1)], "rules": FORWARD_UDP}
    return build


def l2(n):
    """n pairs of stations, one of each pair on either side, learnt by NORMAL."""
    def frames(side):
        for i, flow in enumerate(traffic.flows(n)):
            a, b = (bytes([2, 0, 0, s]) + i.to_bytes(2, "big") for s in (side, 3 - side))
            yield traffic.udp4(flow, dst=b, src=a)

    def build(folder):
        paths = [capture(folder, "l2-%d-%d" % (n, side), lambda side=side: frames(side))
                 for side in (1, 2)]
        return {"devices": [replay_device(i, path) for i, path in enumerate(paths)],
                "rules": ["priority=0,actions=NORMAL"]}
    return build


def acl(n_rules, n_flows):
    def build(folder):
        rules, flow_list = traffic.acl(n_rules, n_flows)
        path = capture(folder, "acl-%d-%d" % (n_rules, n_flows),
                       lambda: map(traffic.udp4, flow_list))
        return {"devices": [replay_device(0, path), sink_device(1)],
                "rules": traffic.acl_text(rules, "output:2") + ["priority=0,actions=drop"]}
    return build


OVERLAY_PORT = 100


def overlay(n, vnis, ways, n_frames=None, tunnel=traffic.VXLAN):
    """n inner flows in networks of their own: the rules choose the network by the address.

    The underlay is one device, whose neighbour is known. ways: "encap", "decap", or both. n_frames:
    of a capture, if it shall be longer than n, so that its replay costs what that of another does."""
    def station(i):
        return b"\x02\x00\x00\x01" + (i % vnis).to_bytes(2, "big")

    def inner():
        flows = traffic.flows(n)
        for i in range(n_frames or n):
            yield traffic.udp4(flows[i % n], dst=station(i % n))

    def outer():
        for i, frame in enumerate(inner()):
            i %= n
            yield tunnel.frame(frame, 1 + i % vnis, 49152 + i % 16384)

    def build(folder):
        devices = [sink_device(i) for i in range(2)]
        name = "%s-%d-%d-%d" % (tunnel.name, n, vnis, n_frames or n)
        if "encap" in ways:
            devices[0] = replay_device(0, capture(folder, "in-" + name, inner))
        if "decap" in ways:
            devices[1] = replay_device(1, capture(folder, "out-" + name, outer))
        rules = ["in_port=1,udp,dl_dst=%s,actions=set_field:%d->tun_id,output:%d"
                 % (":".join("%02x" % byte for byte in station(i)), i + 1, OVERLAY_PORT)
                 for i in range(vnis)]
        rules.append("in_port=%d,udp,actions=output:1" % OVERLAY_PORT)
        return {"devices": [devices[0], {"underlay": devices[1], "tunnel": tunnel}], "rules": rules}
    return build
