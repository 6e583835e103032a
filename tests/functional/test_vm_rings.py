# SPDX-License-Identifier: Apache-2.0
"""Rings of guests: what `port show` says of them, and what one guest's ring is to the others.

    a, b --vhost-user-- br0 --vhost-user-- c, d        guests in Python (evslib/guest.py)
"""
import os
import re
import struct

from evslib import guest, wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw


class Guests:
    def __init__(self, lab, names, **options):
        self.evsd = lab.evsd(**options)
        self.ends = {name: lab.vhost_guest(self.evsd, name, guest.SENDS_ALL | guest.TAKES_ALL) for name in names}


def frame(source, number):
    return bytes(Ether(src=f"02:00:00:00:00:0{source}", dst="02:00:00:00:00:09") / IP(src="10.0.0.1", dst="10.0.0.2") /
                 UDP(sport=source, dport=9) / Raw(struct.pack("!I", number)))


def numbers(frames, source):
    return [struct.unpack_from("!I", data, 42)[0] for _, data in frames if data[11] == source]


def test_port_show(lab):
    guests = Guests(lab, ["a", "b"])
    guests.evsd.evsctl("flow", "add", "br0", "priority=9,in_port=a,actions=output:b")
    for i in range(5):
        guests.ends["a"].send(frame(1, i))
    wait_for(lambda: guests.evsd.port("b")["tx-pkts"] == 5, "b got all")
    a, b = (guests.evsd.port(name)["status"] for name in "ab")
    assert a["socket"] == "connected" and a["guest"] == "ready" and a["mode"] == "server"
    assert "csum" in a["features"].split(",") and "version-1" in a["features"].split(",")
    assert "packed" in a["features_offered"].split(",") and "packed" not in a["features"].split(",")
    assert a["memory"].startswith("1 regions") and a["region0"] == f"guest physical {guest.GPA:#x}, {guest.MEMORY >> 10} kB"
    ring = r"%s, 256 entries, enabled, last avail %d, last used %d, packets 5, bytes 230, drops 0, kicks \d+, interrupts \d+"
    assert re.fullmatch(ring % ("from guest", 5, 5), a["ring1"]), a
    assert re.fullmatch(ring % ("to guest", 5, 5), b["ring0"]), b
    assert int(a["ring1"].split()[-1]) == 5, "one interrupt for each burst of one frame"
    statistics = guests.evsd.call("port.show", name="a", xstats=True)[0]["xstats"]
    assert statistics["rx_q0_bytes"] == 230 and statistics["rx_q0_interrupts"] == 5 and statistics["tx_q0_packets"] == 0
    assert not re.search("0x", a["features_offered"]), "each feature has its name"
    assert statistics["rx_q0_packets"] == 5 and statistics["guest_messages_refused"] == 0


def test_stalled_guest_costs_others_nothing(lab):
    """b never takes anything back; c gets all, and b's drops have their name."""
    guests = Guests(lab, ["a", "b", "c"])
    guests.evsd.evsctl("flow", "add", "br0", "priority=9,in_port=a,actions=output:b,output:c")
    got, count = [], guest.LEN + 40
    for i in range(count):
        guests.ends["a"].send(frame(1, i))
        got += guests.ends["c"].receive()
    wait_for(lambda: got.extend(guests.ends["c"].receive()) or len(got) == count, "c got all")
    assert numbers(got, 1) == list(range(count))
    assert {key: n for key, n in guests.evsd.drops().items() if n} == {("b", "guest-ring-full"): 40}
    statistics = guests.evsd.call("port.show", name="b", xstats=True)[0]["xstats"]
    assert statistics["tx_q0_drops"] == 40 and statistics["tx_q0_packets"] == guest.LEN
    guests.evsd.check_accounts()


def test_fewer_queues_than_workers(lab):
    """Two workers send into the one ring of c; each keeps its order."""
    guests = Guests(lab, ["a", "b", "c"])
    guests.evsd.evsctl("worker", "add", "0")
    for name in "ab":
        guests.evsd.evsctl("flow", "add", "br0", f"priority=9,in_port={name},actions=output:c")
    wait_for(lambda: len(guests.evsd.call("worker.show")) == 2, "two workers")
    guests.evsd.evsctl("worker", "rebalance")
    got = []
    for i in range(300):
        for source, name in enumerate("ab", 1):
            guests.ends[name].send(frame(source, i))
        wait_for(lambda i=i: got.extend(guests.ends["c"].receive()) or len(got) > 2 * i - 100, "c's ring has room")
    wait_for(lambda: got.extend(guests.ends["c"].receive()) or len(got) == 600, "c got all")
    assert numbers(got, 1) == numbers(got, 2) == list(range(300))
    assert all(worker["pkts"] > 0 for worker in guests.evsd.call("worker.show"))
    assert not any(guests.evsd.drops().values())
    guests.evsd.check_accounts()


def test_memory_taken_away(lab):
    """The file behind a guest's memory is cut while the switch polls its rings: that guest's frames are lost."""
    guests = Guests(lab, ["a", "b", "c"])
    for name in "ab":
        guests.evsd.evsctl("flow", "add", "br0", f"priority=9,in_port={name},actions=output:c")
    os.ftruncate(guests.ends["a"].fd, 0)

    def faults():
        return guests.evsd.call("port.show", name="a", xstats=True)[0]["xstats"]["all_guests_memory_faults"]
    wait_for(faults, "the switch has touched what is not there")
    for i in range(20):
        guests.ends["b"].send(frame(2, i))
    got = []
    wait_for(lambda: got.extend(guests.ends["c"].receive()) or len(got) == 20, "c got all of b")
    assert numbers(got, 2) == list(range(20))
