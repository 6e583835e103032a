# SPDX-License-Identifier: Apache-2.0
"""One tunnel port to several ends: copies of what is flooded, learning who is behind which end, against the kernel's devices.

    guest (10.0.0.1) --tap-- br0 --vxlan port, flood=a,b-- (phy 192.168.7.1) --tap-- a: eth 192.168.7.2, vxlan device 10.0.0.2
                                                                             --tap-- b: eth 192.168.7.3, vxlan device 10.0.0.3
"""
import pytest
from evslib.ofctl import Ofctl
from evslib.rpc import RpcError
from evslib.wait import wait_for
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

HERE, A, B = "192.168.7.1", "192.168.7.2", "192.168.7.3"


def kernel_vtep(lab, evsd, name, own, *ends, vni=5):
    """A namespace with a VXLAN device of the kernel that floods to `ends` and learns."""
    peer, iface = lab.tap_guest(evsd, name, f"{own}/24", bridge="phy")
    device(peer, iface, "vx0", own, *ends, vni=vni)
    peer.run("ip", "address", "add", f"10.0.0.{own.split('.')[-1]}/24", "dev", "vx0")
    return peer, iface


def device(peer, iface, name, own, *ends, vni=5):
    peer.run("ip", "link", "add", name, "type", "vxlan", "id", vni, "dstport", 4789, "local", own, "dev", iface)
    for end in ends:
        peer.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", name, "dst", end)
    peer.run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
    peer.run("ip", "link", "set", name, "up")


def host(lab, **options):
    evsd = lab.evsd(**options)
    evsd.call("bridge.add", name="phy", internal=False, address=f"{HERE}/24")
    return evsd


def port(evsd, **options):
    return evsd.call("port.add", bridge="br0", name="vx", type="vxlan", **{"flood": f"{A},{B}", "vni": 5, **options})


def ends_of(evsd):
    return {e["mac"]: e.get("remote", e["port"]) for e in evsd.call("fdb.show", bridge="br0")}


def inner(capture, sport):
    return [p for p in capture.packets() if VXLAN in p and UDP in p[VXLAN] and p[VXLAN][UDP].sport == sport]


def test_three_vteps(lab):
    """Two kernels and evs, each with a list of the others: all reach all; known addresses get no copies; nothing is relayed."""
    evsd = host(lab)
    a, a_iface = kernel_vtep(lab, evsd, "a", A, HERE, B)
    b, b_iface = kernel_vtep(lab, evsd, "b", B, HERE, A)
    port(evsd)
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450, quiet=True)
    for address in ("10.0.0.2", "10.0.0.3"):
        wait_for(lambda address=address: guest.can_ping(address), f"{address} answers")
    wait_for(lambda: b.can_ping("10.0.0.2"), "the kernels reach each other")
    assert ends_of(evsd) == {guest.mac(guest_iface): "g", a.mac("vx0"): A, b.mac("vx0"): B}
    shown = evsd.evsctl("fdb", "show", "br0")
    assert A in shown and B in shown and "REMOTE" in shown
    wait_for(lambda: f"dst {HERE}" in a.run("bridge", "fdb", "show", "dev", "vx0").replace(f"00:00:00:00:00:00 dst {HERE}", ""),
             "the kernel has learned the guest behind evs")
    here = guest.mac(guest_iface)
    known = Ether(src=here, dst=a.mac("vx0")) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1001) / b"to one"
    unknown = Ether(src=here, dst="02:00:00:00:00:77") / IP(src="10.0.0.1", dst="10.0.0.7") / UDP(sport=1002) / b"to all"
    everyone = Ether(src=here, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.0.0.1", dst="10.0.0.255") / UDP(sport=1003) / b"to all"
    from_b = Ether(src=b.mac("vx0"), dst="ff:ff:ff:ff:ff:ff") / IP(src="10.0.0.3", dst="10.0.0.255") / UDP(sport=1004) / b"once"
    with lab.capture(a, a_iface, "udp port 4789") as at_a, lab.capture(b, b_iface, "udp port 4789") as at_b:
        guest.send(guest_iface, *[known] * 5, *[unknown] * 5, *[everyone] * 5)
        b.send("vx0", from_b)
        wait_for(lambda: len(inner(at_a, 1003)) == 5 == len(inner(at_b, 1003)), "a copy each")
        wait_for(lambda: inner(at_a, 1004), "what b sends")
        assert (len(inner(at_a, 1001)), len(inner(at_b, 1001))) == (5, 0)
        assert (len(inner(at_a, 1002)), len(inner(at_b, 1002))) == (5, 5)
        assert [p[IP].src for p in inner(at_a, 1004)] == [B]  # not once more from evs
        assert {(p[IP].src, p[IP].dst, p[VXLAN].vni) for p in inner(at_b, 1003)} == {(HERE, B, 5)}
    trace = evsd.evsctl("trace", "br0", f"in_port={evsd.port('g')['ofport']},dl_dst=ff:ff:ff:ff:ff:ff,dl_src={here}")
    assert "flood list of 2" in trace and f"vxlan to {A}" in trace and f"vxlan to {B}" in trace
    evsd.check_accounts()


def test_moves(lab):
    """An address that moves to another end, and to a local port: cached flows follow at once."""
    evsd = host(lab)
    a, a_iface = kernel_vtep(lab, evsd, "a", A, HERE)
    b, b_iface = kernel_vtep(lab, evsd, "b", B, HERE)
    port(evsd)
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450, quiet=True)
    local, local_iface = lab.tap_guest(evsd, "l", quiet=True)
    for address in ("10.0.0.2", "10.0.0.3"):
        wait_for(lambda address=address: guest.can_ping(address), f"{address} answers")
    wanderer = "02:00:00:00:00:42"
    says = Ether(src=wanderer, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=wanderer, psrc="10.0.0.42", pdst="10.0.0.42")

    def to_it(sport):
        return Ether(src=guest.mac(guest_iface), dst=wanderer) / IP(src="10.0.0.1", dst="10.0.0.42") / UDP(sport=sport) / b"where?"
    with lab.capture(a, a_iface, "udp port 4789") as at_a, lab.capture(b, b_iface, "udp port 4789") as at_b, \
            lab.capture(local, local_iface, "udp") as at_local:
        for n, (netns, iface, end, there) in enumerate(((a, "vx0", A, at_a), (b, "vx0", B, at_b), (local, local_iface, "l", None),
                                                       (a, "vx0", A, at_a))):
            netns.send(iface, says)
            wait_for(lambda end=end: ends_of(evsd).get(wanderer) == end, f"it is at {end}")
            guest.send(guest_iface, *[to_it(2000 + n)] * 5)
            if there:
                wait_for(lambda there=there, n=n: len(inner(there, 2000 + n)) == 5, f"what is for it goes to {end}")
            else:
                at_local.wait(5, lambda p: UDP in p and p[UDP].sport == 2002)
        assert [len(inner(at_a, 2000 + n)) for n in range(4)] == [5, 0, 0, 5]
        assert [len(inner(at_b, 2000 + n)) for n in range(4)] == [0, 5, 0, 0]
    assert evsd.call("bridge.show", name="br0")[0]["fdb"]["moved"] == 3
    evsd.check_accounts()


def test_lists_and_static_entries(lab):
    """The list changes under traffic; entries that are pinned stay; a new daemon has both."""
    evsd = host(lab, config=True)
    a, a_iface = kernel_vtep(lab, evsd, "a", A, HERE)
    b, b_iface = kernel_vtep(lab, evsd, "b", B, HERE)
    for netns, iface, end in ((a, a_iface, A), (b, b_iface, B)):
        evsd.call("neigh.add", bridge="phy", address=end, mac=netns.mac(iface))
    port(evsd, flood=A, learning=False)
    guest, guest_iface = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450, quiet=True)
    sports = iter(range(4000, 4100))
    at = {end: lab.capture(netns, iface, "udp port 4789") for end, netns, iface in (("a", a, a_iface), ("b", b, b_iface))}

    def sent(dst, *ends):
        """A frame arrives at these ends, and at no other."""
        sport = next(sports)
        guest.send(guest_iface, Ether(src=guest.mac(guest_iface), dst=dst) / IP(src="10.0.0.1", dst="10.0.0.9") / UDP(sport=sport))
        wait_for(lambda: all(inner(at[end], sport) for end in ends), f"it arrives at {ends}", interval=0.1)
        return all(len(inner(capture, sport)) == (end in ends) for end, capture in at.items())
    everyone, pinned = "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:55"
    assert sent(everyone, "a")
    evsd.call("port.set", name="vx", flood=f"{A},{B}")
    assert sent(everyone, "a", "b")
    evsd.call("port.set", name="vx", flood=B)
    assert sent(everyone, "b")
    evsd.call("fdb.add", bridge="br0", mac=pinned, port="vx", remote=A)
    assert sent(pinned, "a")
    for source in ("02:00:00:00:00:66", pinned):  # learning=off, and a pinned one would not move
        b.send("vx0", Ether(src=source, dst=everyone) / IP(dst="10.0.0.1") / UDP(sport=4200))
    wait_for(lambda: evsd.port("g")["tx-pkts"] >= 2, "the guest gets both")
    assert sent(pinned, "a") and "02:00:00:00:00:66" not in ends_of(evsd) and ends_of(evsd)[pinned] == A
    for capture in at.values():
        capture.stop()
    before = evsd.call("config.show")
    evsd.kill()
    evsd.start()
    assert evsd.call("config.show") == before and ends_of(evsd)[pinned] == A
    evsd.check_accounts()


def test_many_ends(lab):
    """A list of 64: each gets its copy, and the underlay's rule counts them all."""
    evsd = host(lab)
    a, iface = lab.tap_guest(evsd, "a", f"{A}/24", bridge="phy", quiet=True)
    ends = [f"192.168.7.{n}" for n in range(101, 165)]
    for n, end in enumerate(ends):
        evsd.call("neigh.add", bridge="phy", address=end, mac=f"02:00:00:00:07:{n:02x}")
    port(evsd, flood=",".join(ends))
    guest, guest_iface = lab.tap_guest(evsd, "g", mtu=1450, quiet=True)
    ofctl = Ofctl(evsd, "phy")
    ofctl.add("priority=9,udp,nw_dst=192.168.7.0/24,actions=NORMAL")
    everyone = Ether(src=guest.mac(guest_iface), dst="ff:ff:ff:ff:ff:ff") / IP(src="10.0.0.1", dst="10.0.0.255") / UDP(sport=1003) / b"to all"
    with lab.capture(a, iface, "udp port 4789") as at:
        for n in range(1, 6):  # a burst has room in the tap device
            guest.send(guest_iface, *[everyone] * 2)
            wait_for(lambda n=n: len(inner(at, 1003)) == 128 * n, "a copy each", interval=0.1)
        assert {p[IP].dst for p in inner(at, 1003)} == set(ends)
        cached = [f for f in evsd.call("cache.dump") if f["match"].startswith("in_port=g,") and "eth_dst=ff" in f["match"]]
        assert cached and max(f["pkts"] for f in cached) > 1, cached
    wait_for(lambda: "n_packets=640," in ofctl("dump-flows", "udp"), "all are counted", interval=0.2)
    evsd.check_accounts()


def test_what_does_not_fit(lab):
    """Lists and entries that make no sense are refused, and say why."""
    evsd = host(lab)
    port(evsd)
    evsd.call("port.add", bridge="br0", name="one", type="vxlan", remote=A, vni=6)
    many = ",".join(f"10.1.{n // 250}.{n % 250}" for n in range(65))
    for flood, what in (("", "no address"), (f"{A},{A}", "twice"), (f"{A}@x", "behind @"), (f"{A}@99999999999999999999", "behind @"),
                        (f"{A}@5", f"one network.*{A}"), (f"{A},239.0.0.1", "239.0.0.1 is not"), ("127.0.0.1", "one host"), ("::", "one host"),
                        (f"{A},", "no address"), (many, "more than 64")):
        with pytest.raises(RpcError, match=what):
            evsd.call("port.set", name="vx", flood=flood)
    assert [p for p in evsd.call("config.show")["port"].values() if p.get("flood") == f"{A},{B}"]
    for options, what in (({"flood": A, "remote": B}, "leave out remote"), ({}, "flood=IP"), ({"remote": A, "learning": True}, "learning")):
        with pytest.raises(RpcError, match=what):
            evsd.call("port.add", bridge="br0", name="vx2", type="vxlan", vni=9, **options)
    with pytest.raises(RpcError, match="no flood list"):
        evsd.call("port.set", name="one", flood=A)
    evsd.call("port.add", bridge="br0", name="all", type="vxlan", flood=f"{A}@16777215", vni="flow", **{"dst-port": 8472, "local": HERE})
    evsd.call("port.add", bridge="br0", name="gre", type="gre", flood=f"{A}@4294967295", key="flow")
    for name, flood, what in (("all", f"{A}@16777216", "at most 16777215"), ("gre", f"{A}@4294967296", "at most 4294967295"),
                              ("all", f"{A},fd00::2", "fd00::2 .* different IP versions"), ("all", HERE, "local address")):
        with pytest.raises(RpcError, match=what):
            evsd.call("port.set", name=name, flood=flood)
    assert evsd.call("config.show")["port"]["all"]["flood"] == f"{A}@16777215"
    for options, what in (({"flood": "fd00::2", "local": HERE}, "different IP versions"), ({"remote": "239.0.0.1"}, "one host"),
                          ({"remote": "fd00::2", "local": HERE}, "different IP versions"), ({"remote": A, "dst-port": 0}, "1 to 65535")):
        with pytest.raises(RpcError, match=what):
            evsd.call("port.add", bridge="br0", name="vx2", type="vxlan", vni=9, **options)
    for at, wrong, what in (("all", {"remote": "fd00::2"}, "different IP versions"), ("gre", {"remote": "239.0.0.1"}, "one host"),
                            ("all", {"remote": A, "vni": 1 << 24}, "at most 16777215"), ("gre", {"remote": A, "vni": 1 << 32}, "at most 4294967295"), ("vx", {"remote": "nowhere"}, "no address"), ("vx", {}, "remote=IP"), ("vx", {"remote": A, "vni": 7}, "one network"),
                            ("one", {"remote": A}, "leave out remote")):
        with pytest.raises(RpcError, match=what):
            evsd.call("fdb.add", bridge="br0", mac="02:00:00:00:00:56", port=at, **wrong)
    evsd.call("fdb.add", bridge="br0", mac="02:00:00:00:00:56", port="gre", remote=A, vni=(1 << 32) - 1)
    assert {e.get("vni") for e in evsd.call("fdb.show", bridge="br0")} == {(1 << 32) - 1}


def test_hub(lab):
    """split-horizon=off: two kernels that know evs alone reach each other through it, and get nothing of their own back."""
    evsd = host(lab)
    a, a_iface = kernel_vtep(lab, evsd, "a", A, HERE)
    b, _ = kernel_vtep(lab, evsd, "b", B, HERE)
    port(evsd)
    lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450, quiet=True)
    wait_for(lambda: a.can_ping("10.0.0.1") and b.can_ping("10.0.0.1"), "both reach the guest")
    assert not a.can_ping("10.0.0.3")
    evsd.call("port.del", name="vx")
    port(evsd, **{"split-horizon": False})
    with lab.capture(a, a_iface, "udp port 4789") as at_a:
        wait_for(lambda: a.can_ping("10.0.0.3"), "one end reaches the other")
        a.ping("10.0.0.3", count=5)
        at_a.wait(10)
        own = a.mac("vx0")
        assert not [p for p in at_a.packets() if p[IP].src == HERE and p[VXLAN][Ether].src == own]
    evsd.check_accounts()


def test_networks_of_one_port(lab):
    """vni=flow: ends take part in some networks only; addresses are learned with their network, and pinned so."""
    evsd = host(lab)
    a, a_iface = lab.tap_guest(evsd, "a", f"{A}/24", bridge="phy")
    b, b_iface = lab.tap_guest(evsd, "b", f"{B}/24", bridge="phy")
    port(evsd, flood=f"{A}@700,{A}@701,{B}@701", vni="flow", ofport=9)
    device(a, a_iface, "vx700", A, HERE, vni=700)
    device(b, b_iface, "vx701", B, HERE, vni=701)
    guests = [lab.tap_guest(evsd, f"g{n}", quiet=True) for n in (0, 1)]
    rules = Ofctl(evsd)
    for n in (0, 1):
        rules.add(f"priority=9,in_port={evsd.port(f'g{n}')['ofport']},actions=set_field:{700 + n}->tun_id,NORMAL")
    rules.add("priority=8,in_port=9,actions=NORMAL")
    evsd.call("neigh.add", bridge="phy", address=A, mac=a.mac(a_iface))
    evsd.call("neigh.add", bridge="phy", address=B, mac=b.mac(b_iface))

    def frame(n, dst, sport):
        netns, iface = guests[n]
        return Ether(src=netns.mac(iface), dst=dst) / IP(src=f"10.0.0.{n + 1}", dst="10.0.0.99") / UDP(sport=sport)

    def arrived(sport, dst, n_copies, who=0):
        with lab.capture(a, a_iface, "udp port 4789") as at_a, lab.capture(b, b_iface, "udp port 4789") as at_b:
            guests[who][0].send(guests[who][1], frame(who, dst, sport))
            wait_for(lambda: len(inner(at_a, sport)) + len(inner(at_b, sport)) >= n_copies, "the copies")
            return sorted((end, p[VXLAN].vni) for end, at in (("a", at_a), ("b", at_b)) for p in inner(at, sport))
    assert arrived(3000, "ff:ff:ff:ff:ff:ff", 1) == [("a", 700)]
    assert arrived(3001, "ff:ff:ff:ff:ff:ff", 2, who=1) == [("a", 701), ("b", 701)]
    b.send("vx701", Ether(src="02:00:00:00:00:42", dst="ff:ff:ff:ff:ff:ff", type=0x88b5) / Raw(bytes(60)))
    wait_for(lambda: ends_of(evsd).get("02:00:00:00:00:42") == B, "it is learned")
    entry = [e for e in evsd.call("fdb.show", bridge="br0") if e["mac"] == "02:00:00:00:00:42"][0]
    assert entry["vni"] == 701
    assert arrived(3002, "02:00:00:00:00:42", 1, who=1) == [("b", 701)]
    evsd.call("fdb.add", bridge="br0", mac="02:00:00:00:00:43", port="vx", remote=A, vni=702)
    assert arrived(3003, "02:00:00:00:00:43", 1) == [("a", 702)]
    evsd.check_accounts()
