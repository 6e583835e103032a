# SPDX-License-Identifier: Apache-2.0
"""STT between two daemons: large segments of guests travel whole, cut only for the underlay, and lost ones do no harm.

    guest a (10.0.0.1) --tap-- br0 --stt-- phy --uplink-- veth ...... veth --uplink-- phy --stt-- br0 --tap-- guest b (10.0.0.2)
"""
import subprocess

import pytest
from evslib.netns import sh, veth
from evslib.rpc import RpcError
from evslib.wait import wait_for
from test_vxlan import UNDERLAY


class Here:
    """The namespace of the daemons."""
    @staticmethod
    def popen(*words, **options):
        return subprocess.Popen([str(word) for word in words], **options)


KEY = 0x1122334455667788
UPLINKS = {"kernel": {"type": "af-packet", "iface": "{}"},  # the host's kernel cuts what is sent there
           "own": {"type": "dpdk", "devargs": "net_af_packet_{0},iface={0}"}}  # evs cuts for such a port


def pair(lab, uplink, mtu=None):
    """Two daemons whose guests leave TCP to be cut and summed by others."""
    ends = lab.iface("l"), lab.iface("r")
    veth(lab.stack, *ends)
    guests = []
    for n, end in enumerate(ends):
        sh("ip", "link", "set", end, "up")
        evsd = lab.evsd()
        evsd.call("bridge.add", name="phy", internal=False,
                  address=",".join(f"{UNDERLAY[version][n]}/{UNDERLAY[version][2]}" for version in (4, 6)))
        evsd.call("port.add", bridge="phy", name=f"u{n}", **{key: value.format(end) for key, value in UPLINKS[uplink].items()})
        guests.append(lab.tap_guest(evsd, f"g{n}", f"10.0.0.{n + 1}/24", f"fd00::{n + 1}/64", mtu=mtu, offload=True)[0])
    return guests, ends


def connect(lab, version, **options):
    for n, evsd in enumerate(lab.daemons):
        evsd.call("port.add", bridge="br0", name=f"t{n}", type="stt", remote=UNDERLAY[version][1 - n], key=str(KEY), **options)


def check_by_tshark(path, version):
    """Nothing malformed, every checksum right, and the fields of the draft.

    tshark 4.0 calls each STT checksum wrong (it compares with 0), so those are read as TCP's."""
    sums = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    assert sh("tshark", "-n", "-r", path, *sums, "-Y", "tcp.checksum.status == Bad or ip.checksum.status == Bad") == ""
    options = ["-o", "ip.try_heuristic_first:TRUE", "-o", "ipv6.try_heuristic_first:TRUE"]
    bad = ("_ws.malformed or stt.data_offset_bad.expert or stt.version_unknown.expert or stt.l4offset_bad.expert or "
           "stt.mss_bad.expert or stt.segment.error or stt.segment.overlap")
    assert sh("tshark", "-n", "-r", path, *options, "-Y", bad) == ""
    out = sh("tshark", "-n", "-r", path, *options, "-Y", f"stt.context_id and {'ip' if version == 4 else 'ipv6'}.src == {UNDERLAY[version][0]}",
             "-T", "fields", "-E", "occurrence=f",
             *[word for field in ("stt.context_id", "stt.version", "stt.dport", "stt.flags", "stt.mss", "stt.l4offset", "stt.reassembled.length")
               for word in ("-e", field)])
    rows = [line.split("\t") for line in out.splitlines()]
    assert {(int(row[0], 0), row[1], row[2]) for row in rows} == {(KEY, "0", "7471")}
    large = [row for row in rows if row[6] and int(row[6]) > 3000]
    assert large and {int(row[3], 0) for row in large} == {0x0e}  # TCP in IPv4, with its checksum open
    assert {row[5] for row in large} == {"34"} and all(1300 < int(row[4]) <= 1460 for row in large)
    return rows


@pytest.mark.parametrize("uplink,version", [("kernel", 4), ("own", 4), ("own", 6)])
def test_bulk(lab, uplink, version):
    guests, ends = pair(lab, uplink)
    connect(lab, version)
    wait_for(lambda: guests[0].can_ping("10.0.0.2"), "the guests reach each other")
    guests[1].ping("10.0.0.1", size=1472, fragment=False)  # as long as the underlay allows without a tunnel: cut
    with lab.capture(Here, ends[1], "tcp port 7471 or ip6", limit=600) as capture:
        up = guests[0].iperf(guests[1], "10.0.0.2")
        down = guests[0].iperf(guests[1], "10.0.0.2", "-R")
    sixth = guests[0].iperf(guests[1], "fd00::2")
    assert min(end["sum_received"]["bytes"] for end in (up, down, sixth)) > 2e6
    check_by_tshark(capture.path, version)
    assert max(len(packet) for packet in capture.packets()) <= 1514
    for n, evsd in enumerate(lab.daemons):
        tunnel = evsd.port(f"t{n}")
        assert tunnel["tx-bytes"] / tunnel["tx-pkts"] > 2000 and tunnel["rx-bytes"] / tunnel["rx-pkts"] > 2000  # whole
        evsd.check_accounts()


def test_long_frames(lab):
    """Guests may have a larger MTU than the underlay."""
    guests, _ = pair(lab, "own", mtu=9000)
    connect(lab, 4)
    wait_for(lambda: guests[0].can_ping("10.0.0.2"), "the guests reach each other")
    guests[0].ping("10.0.0.2", size=8972, fragment=False)
    assert guests[0].iperf(guests[1], "10.0.0.2")["sum_received"]["bytes"] > 2e6
    with pytest.raises(RpcError, match="tell-mtu"):
        lab.daemons[0].call("port.add", bridge="br0", name="t", type="stt", remote="192.168.7.9", **{"tell-mtu": True})


def test_lost_segments(lab):
    """A policed uplink loses segments: what is not whole is given up, and TCP goes on."""
    guests, _ = pair(lab, "own")
    connect(lab, 4)
    wait_for(lambda: guests[0].can_ping("10.0.0.2"), "the guests reach each other")
    lab.daemons[1].call("qos.set", port="u1", **{"ingress.average": "30M", "ingress.burst": "50kB"})
    guests[0].iperf(guests[1], "10.0.0.2", seconds=2)  # how much passes is the machine's business
    assert lab.daemons[1].drops().get(("u1", "policer"), 0) > 0
    wait_for(lambda: sum(n for (_, name), n in lab.daemons[1].drops().items() if name.startswith("fragment")) > 0, "the rest is given up")
    lab.daemons[1].call("qos.del", port="u1")
    assert guests[0].iperf(guests[1], "10.0.0.2")["sum_received"]["bytes"] > 2e6
    for evsd in lab.daemons:
        evsd.check_accounts()
