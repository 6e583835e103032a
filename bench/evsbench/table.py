# SPDX-License-Identifier: Apache-2.0
"""The one table of what is measured, and what evs must reach."""
from churn import measure as measure_churn
from vm import Case

from . import measures, traffic
from .scenarios import acl, l2, one_way, overlay, p2p_null

ALL = ("ovs", "limit", "evs")
PORTS = ALL + ("vpp",)  # from port to port, or by MAC address
BOTH = ("ovs", "evs")
EVS = ("evs",)
LIMIT = ("limit", "evs")


class Row:
    """A figure of a scenario. target: None, ("ovs", x): at least x times what OVS has,
    (">=", x) or ("<=", x): evs' own figure."""

    def __init__(self, name, unit, target=None):
        self.name, self.unit, self.target = name, unit, target


class Scenario:
    """One of: measure(lab, name), taken switch after switch, once, as it takes long or repeats by
    itself; opened, for switches that take turns (turns.py); together(lab, names), of all at once."""

    def __init__(self, name, help_text, rows, against=ALL, measure=None, opened=None, together=None):
        self.name, self.help, self.rows, self.against = name, help_text, rows, against
        self.measure, self.opened, self.together = measure, opened, together

    def is_paired(self):
        """Are its values of switches that took turns?"""
        return bool(self.opened or self.together)

    def has_ratio(self):
        """Is one of its targets a ratio to another switch?"""
        return any(row.target and row.target[0] == "ovs" for row in self.rows)

    def title(self, row):
        return self.name + (" " + row.name if row.name else "")


def mpps(name, target, help_text, setup, against=ALL):
    return Scenario(name, help_text, [Row("", "Mpps", target and ("ovs", target))],
                    against, opened=measures.throughput(setup))


def vm(name, target, *case):
    return Scenario(name, "guests: %s, %d bytes" % (case[0], case[1]),
                    [Row("", "Mpps", ("ovs", target))], opened=Case(*case).open)


def attack(name, help_text, target, *args, **kwargs):
    return Scenario("attack-" + name, help_text, [Row("", "%", target and (">=", target))], BOTH,
                    measures.attack(*args, **kwargs))


LATENCY = [Row("no-drop", "Mpps")] + [Row("%d%%-%s" % (part, quantile), "us") for part in (10, 50, 90)
                                      for quantile in ("p50", "p99", "p999")]

# Both replay as many frames, since the replay itself costs more the more frames there are.
VXLAN_10K = overlay(10000, 1, ["encap", "decap"], 100000)
VXLAN_100K = overlay(100000, 4096, ["encap", "decap"])

SCAN = [Row("", "%", (">=", 40)), Row("hits", "%", (">=", 99)), Row("swept", "M")]

SCENARIOS = [
    mpps("p2p-null", 2.2, "one flow, null to null, both ways", p2p_null, PORTS),
    mpps("flows-1k", 2.1, "1,000 UDP flows, port to port", one_way(1000), PORTS),
    mpps("flows-10k", 2.6, "10,000 UDP flows", one_way(10000), PORTS),
    mpps("flows-100k", 2.3, "100,000 UDP flows", one_way(100000), PORTS),
    mpps("l2-1k", 2.8, "1,000 MAC pairs, NORMAL, both ways", l2(1000), PORTS),
    mpps("acl-10k", 30, "1,000 rules of 20 shapes, 10,000 flows", acl(1000, 10000)),
    mpps("acl-100k", 1000, "1,000 rules of 20 shapes, 100,000 flows", acl(1000, 100000)),
    mpps("ipv6-10k", None, "10,000 UDP flows over IPv6, 78-byte frames",
         one_way(10000, traffic.udp6, "udp6")),
    mpps("vxlan-encap", 2.5, "VXLAN: 10,000 inner flows into the tunnel", overlay(10000, 1, ["encap"])),
    mpps("vxlan-decap", 4, "VXLAN: 10,000 inner flows out of it", overlay(10000, 1, ["decap"])),
    mpps("vxlan6-decap", 4, "VXLAN over IPv6: 10,000 inner flows out of it",
         overlay(10000, 1, ["decap"], tunnel=traffic.VXLAN6)),
    mpps("geneve-encap", 2.5, "Geneve: 10,000 inner flows into the tunnel",
         overlay(10000, 1, ["encap"], tunnel=traffic.GENEVE)),
    mpps("geneve-decap", 4, "Geneve: 10,000 inner flows out of it",
         overlay(10000, 1, ["decap"], tunnel=traffic.GENEVE)),
    # 3: without a source port for each inner flow, all outer packets are one flow for OVS, too
    mpps("gre-decap", 3, "GRE with a key: 10,000 inner flows out of it",
         overlay(10000, 1, ["decap"], tunnel=traffic.GRE)),
    mpps("stt-encap", None, "STT: 10,000 inner flows into the tunnel",
         overlay(10000, 1, ["encap"], tunnel=traffic.STT), LIMIT),
    mpps("stt-decap", None, "STT: 10,000 inner flows out of it",
         overlay(10000, 1, ["decap"], tunnel=traffic.STT), LIMIT),
    Scenario("vxlan-both", "VXLAN both ways: 10,000 inner flows in a network; 100,000 in 4,096 networks",
             [Row("10k", "Mpps"), Row("100k", "Mpps"), Row("kept", "%", (">=", 60))],
             measure=measures.kept(VXLAN_10K, VXLAN_100K, ("10k", "100k"))),
    vm("vm-vm", 1.15, "vm-vm", 64),
    Scenario("flows-1m", "1,000,000 UDP flows of a generator behind vhost", [Row("", "Mpps")], ALL,
             measures.million(1000000)),
    Scenario("misses", "every packet a new flow, 1,000 rules of 20 shapes", [Row("", "M/s")], BOTH,
             measures.misses),
    Scenario("latency", "through two vhost ports, at parts of the no-drop rate", LATENCY, ALL,
             together=measures.latency),
    Scenario("churn", "10,000 flows while a controller changes rules, of the rate without",
             [Row("%s-%d" % (where, rate), "%") for rate in (1000, 10000)
              for where in ("away", "touching")], BOTH, measures.churn(measure_churn)),
    attack("random-flows", "five-tuples at random on the victim's worker", 40, "random-flows"),
    attack("tuple-explosion", "as many masks as the rules allow", 40, "tuple-explosion"),
    attack("mac-flood", "MAC addresses at random", 40, "mac-flood"),
    attack("fragments", "IPv4 fragments and ICMP", 40, "fragments"),
    attack("ipv6-extensions", "chains of IPv6 extension headers", 40, "ipv6-extensions"),
    attack("any-remote", "into a tunnel port, from remotes without number", 40, "any-remote"),
    attack("any-network", "into a tunnel port, networks without number", None, "any-network"),
    attack("slow-explosion", "as many masks as the rules allow, at 1 Mbit/s", 80, "tuple-explosion",
           slow=True),
    attack("own-worker", "as many masks as the rules allow, on another worker", 80,
           "tuple-explosion", own_worker=True),
    Scenario("scan", "10,000 flows beside a sweep of millions of headers", SCAN, BOTH,
             measures.scan_wide()),
    Scenario("scan-acl", "the same, both through 1,000 rules of 20 shapes", SCAN, BOTH,
             measures.scan_acl()),
    Scenario("idle", "a worker without traffic",
             [Row("cpu", "%", ("<=", 5)), Row("wake-p50", "us", ("<=", 50)), Row("wake-p99", "us"),
              Row("deep-wake-p50", "us", ("<=", 50)), Row("lost", "packets", ("<=", 0))], BOTH, measures.idle),
    Scenario("memory", "of a cached flow", [Row("bytes", "bytes")], BOTH, measures.memory),
    Scenario("two-workers", "1,000 flows each way, two workers to one",
             [Row("", "times", (">=", 1.9)), Row("taken", "%")], BOTH, measures.two_workers),
    Scenario("rebalance", "two busy queues leave one worker for two, by themselves",
             [Row("", "times", (">=", 1.6))], EVS, measures.rebalance),
]
