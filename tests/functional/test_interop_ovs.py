# SPDX-License-Identifier: Apache-2.0
"""Tunnels between evs and Open vSwitch's userspace datapath: both ends believe each other's headers.

    guest (10.0.0.1) --tap-- br0 --tunnel-- (phy 192.168.7.1, fd07::1) --veth-- OVS: br-phy (192.168.7.2, fd07::2), br-int 10.0.0.2
"""
import pytest
from evslib import Lab
from evslib.netns import sh
from evslib.ovs import Ovs
from evslib.wait import wait_for

KINDS = {  # kind: options of evs, options of OVS, tshark's filter, its field and value for the network
    "vxlan": ({"vni": 9}, {"key": 9}, "vxlan", "vxlan.vni", "9"),
    "geneve": ({"vni": 9, "csum": True}, {"key": 9, "csum": "true"}, "geneve", "geneve.vni", "0x000009"),
    "gre": ({"key": 9}, {"key": 9}, "gre", "gre.key", "0x00000009"),
}


@pytest.fixture(scope="module")
def pair():
    """One daemon and one OVS for all stories of this file."""
    lab = Lab()
    try:
        evsd = lab.evsd()
        evsd.call("bridge.add", name="phy", internal=False, address="192.168.7.1/24,fd07::1/64")
        ovs = Ovs(lab, "192.168.7.2/24", "fd07::2/64")
        near, far = lab.iface("n"), lab.iface("f")
        sh("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        lab.stack.callback(sh, "ip", "link", "del", near, check=False)
        sh("ethtool", "-K", near, "tx", "off", check=False)
        sh("ip", "link", "set", near, "up")
        ovs.add_uplink(far)
        evsd.call("port.add", bridge="phy", name="u", type="af-packet", iface=near)
        guest, iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1400)
        yield lab, evsd, ovs, guest
        evsd.check_accounts()
    finally:
        lab.close()


def tshark(path, where, *fields):
    """Lines of fields; first, nothing may be malformed or have a wrong checksum."""
    checks = [word for proto in ("ip", "udp", "tcp") for word in ("-o", f"{proto}.check_checksum:TRUE")]
    bad = "_ws.malformed or ip.checksum.status == Bad or udp.checksum.status == Bad or gre.checksum.status == Bad"
    assert sh("tshark", "-n", "-r", path, *checks, "-Y", f"({bad}) and ({where})") == ""
    out = sh("tshark", "-n", "-r", path, "-Y", where, "-T", "fields", "-E", "occurrence=f",
             *[word for field in fields for word in ("-e", field)])
    return [tuple(line.split("\t")) for line in out.strip().splitlines()]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_kind(pair, kind, version):
    lab, evsd, ovs, guest = pair
    ours, theirs, where, field, value = KINDS[kind]
    local, remote = ("192.168.7.1", "192.168.7.2") if version == 4 else ("fd07::1", "fd07::2")
    evsd.call("port.add", bridge="br0", name="t", type=kind, remote=remote,
              **{key: option if key == "csum" else str(option) for key, option in ours.items()})
    try:
        ovs.tunnel("t", kind, local, **theirs)
        with lab.capture(ovs.netns, ovs.uplink, limit=400) as capture:
            wait_for(lambda: guest.can_ping("10.0.0.2"), "the guests reach each other")
            guest.ping("10.0.0.2", count=5)
            ovs.netns.ping("10.0.0.1", count=5, size=1372, fragment=False)
            capture.wait(20)
        assert guest.iperf(ovs.netns, "10.0.0.2", megabytes=8)["sum_received"]["bytes"] > 1e6
        source = "ip.src" if version == 4 else "ipv6.src"
        seen = tshark(capture.path, f"{where} and icmp", source, field)
        assert {end for end, _ in seen} == {local, remote} and {network for _, network in seen} == {value}
    finally:
        ovs.vsctl("--if-exists", "del-port", "t")
        evsd.call("port.del", name="t")


def test_geneve_options(pair):
    """Options that rules set here are matched there, and the other way round; critical ones that nobody knows are refused."""
    lab, evsd, ovs, guest = pair
    evsd.call("bridge.set", name="br0", **{"geneve-options": "0x102/0x5/4=tun_metadata0,0x102/0x85/8=tun_metadata1"})
    evsd.call("port.add", bridge="br0", name="t", type="geneve", remote="flow", vni="flow", ofport=9)
    port = evsd.port("g")["ofport"]
    evsd.evsctl(
        "flow", "add", "br0",
        f"priority=9,in_port={port},actions=set_field:192.168.7.2->tun_dst,set_field:9->tun_id,"
        "set_field:0x11223344->tun_metadata0,set_field:0xa1a2a3a4->tun_metadata1,set_field:0xb1b2b3b4->tun_metadata2,output:9",
        f"priority=9,in_port=9,tun_src=192.168.7.2,tun_id=9,tun_metadata0=0x55667788/0xffffff00,tun_metadata2=0x99,actions=output:{port}",
        "priority=8,in_port=9,actions=drop")
    remote = ovs.tunnel("t", "geneve", "192.168.7.1", key=9)
    try:
        geneve_options(lab, evsd, ovs, guest, remote)
    finally:
        ovs.ofctl("del-flows", "br-int")
        ovs.ofctl("add-flow", "br-int", "priority=0,actions=NORMAL")
        ovs.vsctl("del-port", "t")


def geneve_options(lab, evsd, ovs, guest, remote):
    ovs.ofctl("add-tlv-map", "br-int", "{class=0x102,type=0x5,len=4}->tun_metadata0,{class=0x102,type=0x85,len=8}->tun_metadata1")

    def ovs_flows(tail):
        ovs.ofctl("del-flows", "br-int")
        ovs.ofctl("add-flow", "br-int", f"priority=9,in_port={remote},tun_metadata0=0x11223344,"
                  "tun_metadata1=0xa1a2a3a4b1b2b3b4,actions=LOCAL")
        ovs.ofctl("add-flow", "br-int", "priority=9,in_port=LOCAL,actions=set_field:0x55667701->tun_metadata0,"
                  f"set_field:{tail}->tun_metadata1,output:{remote}")
    ovs_flows("0x1200000099")
    with lab.capture(ovs.netns, ovs.uplink, "udp port 6081") as capture:
        wait_for(lambda: guest.can_ping("10.0.0.2"), "each matches what the other set")
        capture.wait(2)
    out = tshark(capture.path, "geneve and ip.src == 192.168.7.1", "geneve.option.class", "geneve.option.type", "geneve.flags.critical")
    assert out and {(int(a, 0), int(b, 0)) for a, b, _ in out} == {(0x102, 5)} and {c for _, _, c in out} == {"1"}
    ovs_flows("0x1200000098")
    assert not guest.can_ping("10.0.0.2")
    ovs_flows("0x1200000099")
    assert "tun_metadata0=0x55667700/0xffffff00" in evsd.evsctl("flow", "dump", "br0")
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the right value again")
    # Type 0x85 is critical: without its mapping it is unknown, and such packets must be dropped.
    before = evsd.drops().get(("u", "tunnel-bad-header"), 0)
    evsd.call("bridge.set", name="br0", **{"geneve-options": "0x102/0x5/4=tun_metadata0"})
    assert not guest.can_ping("10.0.0.2")
    ovs.netns.ping("10.0.0.1", count=1, check=False, wait=1)
    wait_for(lambda: evsd.drops().get(("u", "tunnel-bad-header"), 0) > before, "dropped under its name")
    with pytest.raises(Exception, match="shares"):
        evsd.call("bridge.set", name="br0", **{"geneve-options": "0x102/5/8=tun_metadata0,0x103/5/4=tun_metadata1"})
    with pytest.raises(Exception, match="ends at"):
        evsd.call("bridge.set", name="br0", **{"geneve-options": "0x102/5/8=tun_metadata63"})


def test_stt_is_not_theirs(pair):
    """Open vSwitch 3.1 takes STT ports, but its userspace datapath makes no such header: nothing to try against."""
    _, _, ovs, _ = pair
    ovs.tunnel("t", "stt", "192.168.7.1", key=9)
    try:
        ovs.netns.ping("192.168.7.1", count=1, wait=1, check=False)  # it knows the way, but
        wait_for(lambda: "native tunnel header build failed" in ovs.appctl("ofproto/trace", "br-int", "in_port=LOCAL,icmp,nw_dst=10.0.0.1"),
                 "it says what it can not do")
    finally:
        ovs.vsctl("del-port", "t")
