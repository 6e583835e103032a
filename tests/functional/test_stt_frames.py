# SPDX-License-Identifier: Apache-2.0
"""STT as strangers send it: scapy writes every byte, in and out of order, true and lying.

    guest (10.0.0.1) --tap-- br0 --stt-- (phy 192.168.7.1) --tap-- peer (192.168.7.2), which only scapy speaks for
"""
import struct

import pytest
from evslib.capture import bad_checksums
from evslib.rpc import RpcError
from evslib.wait import wait_for
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from test_vxlan import UNDERLAY, site

VERIFIED, PARTIAL, IPV4, IS_TCP = 1, 2, 4, 8
LOCAL, REMOTE, _ = UNDERLAY[4]


class Stranger:
    """Sends frames by STT, in segments."""

    def __init__(self, lab, **options):
        self.evsd, self.peer, self.iface = site(lab, 4)
        self.evsd.call("port.add", bridge="br0", name="t", type="stt", ofport=9, **{"remote": REMOTE, "key": "5", **options})
        self.guest, self.guest_iface = lab.tap_guest(self.evsd, "g", "10.0.0.1/24", mtu=9000)
        self.head = Ether(src=self.peer.mac(self.iface), dst=self.evsd.call("bridge.show", name="phy")[0]["hwaddr"]) / IP(src=REMOTE, dst=LOCAL)
        self.ident = 1

    def inner(self, size=1000, dst="02:00:00:00:00:01", partial=False):
        frame = Ether(src="02:00:00:00:00:02", dst=dst) / IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=1, dport=2) / Raw(bytes(size))
        frame = Ether(bytes(frame))
        if partial:
            ip = frame[IP]
            pseudo = sum(struct.unpack("!6H", bytes(ip)[12:20] + struct.pack("!HH", 6, ip.len - 20)))
            ip[TCP].chksum = (pseudo & 0xffff) + (pseudo >> 16)
        return bytes(frame)

    def segments(self, inner, sizes=(), flags=IPV4 | IS_TCP, l4=0, mss=0, vlan=0, key=5, version=0, total=None, tcp="PA", **fields):
        """One STT frame, cut behind each of `sizes` bytes."""
        data = struct.pack("!BBBBHHQH", version, flags, l4, 0, mss, vlan, key, 0) + inner
        self.ident += 1
        cuts = [0, *sizes, len(data)]
        return [Ether(bytes(self.head / TCP(sport=50000, dport=7471, seq=(total or len(data)) << 16 | start, ack=self.ident, flags=tcp,
                                            window=65535, **fields) / Raw(data[start:end]))) for start, end in zip(cuts, cuts[1:])]

    def send(self, *packets):
        self.peer.send(self.iface, *packets)

    def drops(self, name):
        return self.evsd.drops().get(("u", name), 0)


@pytest.fixture
def stranger(lab):
    stranger = Stranger(lab)
    yield stranger
    stranger.evsd.check_accounts()


def test_true_ones(lab, stranger):
    s = stranger
    with lab.capture(s.guest, s.guest_iface, "ether src 02:00:00:00:00:02") as capture:
        s.send(*s.segments(s.inner()))
        s.send(*s.segments(s.inner(1001), (10, 500)))
        s.send(*reversed(s.segments(s.inner(1002), (1, 2, 3, 700))))
        first, second, third = s.segments(s.inner(1003), (300, 600))
        other = s.segments(s.inner(1004), (400,))
        s.send(third, other[0], first, third, first, other[1], second)
        s.send(*s.segments(s.inner(1005, partial=True), (100,), IPV4 | IS_TCP | PARTIAL, 34))
        s.send(*s.segments(s.inner(3000, partial=True), (1000, 2000), IPV4 | IS_TCP | PARTIAL, 34, 1000))
        s.send(*s.segments(s.inner(1006), (), IPV4 | IS_TCP | VERIFIED, 34, vlan=0x6000 | 0x1000 | 123))
        got = capture.wait(8)
    sizes = sorted(len(p) - 54 - (4 if Dot1Q in p else 0) for p in got)
    assert sizes in ([1000] * 4 + list(range(1001, 1007)), sorted([*range(1000, 1007), 3000]))  # cut for the tap, or by its kernel
    assert {len(p) - 54 for p in bad_checksums([p for p in got if len(p) < 2000])} <= {1005}  # left open for the guest
    tagged, = [p for p in got if Dot1Q in p]
    assert (tagged[Dot1Q].vlan, tagged[Dot1Q].prio, tagged[Dot1Q].type) == (123, 3, 0x800)
    s.evsd.check_accounts()
    assert s.drops("fragment-refused") == 2 and s.drops("tunnel-bad-header") == 0


def test_lies(lab, stranger):
    """Each comes to nothing, under its name, and true frames go on."""
    s = stranger
    inner, open_ = s.inner(), s.inner(partial=True)
    partial = IPV4 | IS_TCP | PARTIAL
    bad = [s.segments(inner, version=1), s.segments(inner, flags=0x0f), s.segments(open_, flags=partial, l4=33), s.segments(open_, flags=partial, l4=255),
           s.segments(open_, flags=partial ^ IPV4, l4=34), s.segments(open_, flags=partial ^ IS_TCP, l4=34), s.segments(open_, flags=partial, l4=34, mss=3),
           s.segments(inner, tcp="S"), s.segments(inner, tcp="RA"), s.segments(inner, tcp="FA"), s.segments(inner, urgptr=0, tcp="UA"),
           s.segments(inner, total=20), s.segments(inner, total=500), s.segments(inner, chksum=0x1234), s.segments(inner[:10]),
           s.segments(inner, dataofs=6, options=[("NOP", None)] * 4), s.segments(inner, (500,), chksum=1)]
    for packets in bad:
        s.send(*packets)
    wait_for(lambda: s.drops("tunnel-bad-header") == len(bad) + 1, "each lie is dropped under its name")
    s.send(*s.segments(inner, key=6))
    wait_for(lambda: s.drops("tunnel-unknown-key") == 1, "another network")
    # Overlaps, another size, never whole, and too many of them.
    first, second = s.segments(inner, (500,))
    s.ident -= 1
    s.send(first, s.segments(inner, (499,))[1])
    s.ident -= 1
    s.send(first, s.segments(inner, (500,), total=2000)[1])
    wait_for(lambda: s.drops("fragment-refused") == 4, "what contradicts itself is refused")
    s.send(first, *s.segments(inner, total=1500))
    wait_for(lambda: s.drops("fragment-timeout") == 2, "what is never whole is given up")
    for _ in range(300):
        s.send(s.segments(inner, (500,))[0])
    wait_for(lambda: s.drops("fragment-timeout") + s.drops("fragment-refused") == 306, "a flood is given up")
    with lab.capture(s.guest, s.guest_iface, "ether src 02:00:00:00:00:02") as capture:
        s.send(*s.segments(inner, (500,)))
        capture.wait(1)


def test_by_rules(lab):
    """remote=flow, key=flow: all 64 bits of the context id and both addresses are fields; trace and dump tell."""
    s = Stranger(lab, remote="flow", key="flow")
    port = s.evsd.port("g")["ofport"]
    s.evsd.evsctl("flow", "add", "br0", "priority=9,in_port=9,ip,tun_id=0xfedcba9876543210,tun_src=192.168.7.2,actions=mod_nw_tos:32,"
                  f"output:{port}", "priority=1,in_port=9,actions=drop",
                  f"priority=9,in_port={port},actions=set_field:192.168.7.2->tun_dst,set_field:0x8000000000000001->tun_id,output:9")
    with lab.capture(s.guest, s.guest_iface, "ether src 02:00:00:00:00:02") as capture:
        s.send(*s.segments(s.inner(), (500,), key=0xfedcba9876543210), *s.segments(s.inner(), key=0xfedcba9876543211))
        got, = capture.wait(1)
    assert got[IP].tos == 32
    wait_for(lambda: s.drops("rule") + s.evsd.drops().get(("t", "rule"), 0) == 1, "another id")
    with lab.capture(s.peer, s.iface, "tcp port 7471") as capture:
        s.guest.run("ip", "neighbour", "replace", "10.0.0.2", "lladdr", "02:00:00:00:00:02", "dev", s.guest_iface)
        s.guest.can_ping("10.0.0.2")
        sent = capture.wait(1)
    assert bytes(sent[0][TCP].payload)[8:16] == bytes.fromhex("8000000000000001") and not bad_checksums(sent)
    told = s.evsd.evsctl("trace", "br0", f"in_port={port},udp,nw_dst=10.0.0.2")
    assert "Tunnel 't': stt to 192.168.7.2, key 9223372036854775809" in told
    assert "tunnel-push(:t" in s.evsd.evsctl("cache", "dump") and "tunnel-pop" in s.evsd.evsctl("cache", "dump")
    with pytest.raises(RpcError, match="key"):
        s.evsd.call("port.add", bridge="br0", name="x", type="stt", remote="192.168.7.3", key="18446744073709551616")
    s.evsd.check_accounts()


def test_ecn(lab, stranger):
    """RFC 6040, 4.2; one marked segment marks the frame."""
    s = stranger
    table = {(2, 3): 3, (0, 2): 0, (2, 1): 1, (0, 3): None, (1, 1): 1, (3, 0): 3, (1, 2): 1, (0, 0): 0}
    with lab.capture(s.guest, s.guest_iface, "ether src 02:00:00:00:00:02") as capture:
        for n, (inner, outer) in enumerate(table):
            frame = Ether(s.inner(900 + n))
            frame[IP].tos = inner
            del frame[IP].chksum
            packets = s.segments(bytes(frame), (500,))
            for packet in packets if outer != 3 else packets[1:]:
                packet[IP].tos = outer
                del packet[IP].chksum
            s.send(*packets)
        got = capture.wait(len(table) - 1)
    assert [(len(p) - 954, p[IP].tos) for p in got] == [(n, result) for n, result in enumerate(table.values()) if result is not None]
    wait_for(lambda: s.evsd.drops().get(("t", "tunnel-bad-header"), 0) + s.drops("tunnel-bad-header") == 1, "what may not be combined")
