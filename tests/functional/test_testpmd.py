# SPDX-License-Identifier: Apache-2.0
"""DPDK's driver as a guest: every packet that one sends is at the other, or has the name of its drop.

    a (testpmd, virtio-user) --vhost-user-- br0 --vhost-user-- b (testpmd, virtio-user)
"""
import pytest
from evslib import wait_for

BURSTS = 4  # of 32: less than a ring has room for
RINGS = {"split": ",in_order=0", "in-order": ",in_order=1", "packed": ",packed_vq=1,in_order=0"}


@pytest.mark.parametrize("rings", RINGS)
def test_testpmd(lab, rings):
    evsd, ends = lab.evsd(), {}
    for name in "ab":
        lab.vhost_port(evsd, name)
        ends[name] = lab.testpmd(name, RINGS[rings])
    for name, end in ends.items():
        end.wait_ready()
        wait_for(lambda name=name: evsd.port(name)["link"] == "up", f"{name} is served")
        features = evsd.port(name)["status"]["features"].split(",")
        assert ("packed" in features, "in-order" in features) == (rings == "packed", rings == "in-order"), features

    for end in ends.values():
        end.say("set fwd rxonly", f"start tx_first {BURSTS}")
    for end in ends.values():
        wait_for(lambda end=end: end.counts() == (32 * BURSTS, 32 * BURSTS), "all packets come, both ways")
    assert not any(evsd.drops().values())

    for sender, receiver in ("ab", "ba"):
        before = evsd.port(sender)["rx-pkts"]
        ends[sender].say("stop", "set fwd txonly", "start")
        wait_for(lambda: evsd.port(sender)["rx-pkts"] > before + 20000, "packets flow")
        ends[sender].say("stop", "set fwd rxonly", "start")
        wait_for(lambda: evsd.port(sender)["rx-pkts"] == ends[sender].counts()[1], "what was sent has been received")
        wait_for(lambda: evsd.port(receiver)["tx-pkts"] == ends[receiver].counts()[0], "what was sent on has come")
        dropped = evsd.drops().get((receiver, "guest-ring-full"), 0)
        assert evsd.port(receiver)["tx-pkts"] + dropped == evsd.port(sender)["rx-pkts"]
    evsd.check_accounts()
