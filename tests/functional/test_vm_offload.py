# SPDX-License-Identifier: Apache-2.0
"""What a guest leaves to the switch comes out right, whoever receives it.

    sender --vhost-user-- br0 --vhost-user-- all   (takes checksums, TSO, UFO)
        or --tap--------   +----vhost-user-- csum  (takes incomplete checksums)
                           +----vhost-user-- none  (takes nothing of that)
                           +----vhost-user-- old   (the same, and no mergeable buffers: a guest before virtio 1.0)
                           +----tap--------- tap   (the kernel: takes checksums and TSO)
                           +----veth-------- veth  (takes nothing)
                           +----vxlan------- br-phy --tap-- vxlan  (another site: takes nothing inside)

The guests are written in Python (evslib/guest.py), with split rings and with packed ones. Every frame that comes out is completed as its header
says, then held against scapy, and the payload against what was sent.
"""
import itertools
import socket
import struct

import pytest
from evslib import guest, wait_for
from evslib.capture import bad_checksums
from evslib.guest import Header
from evslib.ofhub import Hub
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
MSS = 1000  # a multiple of 8, as UFO's fragments must be
EGRESS = {"all": guest.TAKES_ALL, "csum": guest.GUEST_CSUM, "none": 0, "old": 0}
BASE = {"split": guest.MODERN, "packed": guest.MODERN | guest.PACKED}
TAGS = {"no": (), "C": (0x8100,), "S,C": (0x88a8, 0x8100), "C,C": (0x8100, 0x8100)}
CASES = list(itertools.product((IP, IPv6), (TCP, UDP), TAGS, ("whole", "partial", "large")))
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR = 263, 8, 15
VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40


class KernelEnd:
    """A namespace's interface, seen with the virtio-net header that the kernel would give to a VM."""

    def __init__(self, netns, iface):
        self.sock = netns.packet_socket(iface)
        self.sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.bind((iface, 3))
        self.sock.setblocking(False)

    def receive(self):
        result = []
        while True:
            try:
                data, extra, _, _ = self.sock.recvmsg(70000, 64)
            except BlockingIOError:
                return result
            header, frame = Header.parse(data), data[10:]
            status, tci, tpid = struct.unpack_from("<I12xHH", extra[0][2])
            if status & VLAN_VALID:
                frame = frame[:12] + struct.pack("!HH", tpid if status & VLAN_TPID_VALID else 0x8100, tci) + frame[12:]
                header.csum_start += 4 if header.flags & guest.NEEDS_CSUM else 0
            result.append((header, frame))

    def send(self, packet, header):
        self.sock.send(bytes(header) + bytes(packet))


class VxlanEnd(KernelEnd):
    """The other end of a tunnel: what comes in, without the outer headers, which are looked at."""

    def receive(self):
        result = []
        for _, frame in super().receive():
            outer = Ether(frame)
            if VXLAN not in outer or outer[IP].proto != 17:  # a kernel without the device answers by ICMP
                continue
            assert outer[IP].len == len(frame) - 14
            assert outer[UDP].len == len(frame) - 34 and outer[UDP].chksum == 0 and outer[VXLAN].vni == 77
            result.append((Header(), frame[50:]))
        return result


def arrange_vxlan(lab, evsd):
    evsd.call("bridge.add", name="phy", internal=False, address="192.168.7.1/24")
    peer, iface = lab.tap_guest(evsd, "u", "192.168.7.2/24", bridge="phy")
    evsd.call("port.add", bridge="br0", name="vxlan", type="vxlan", remote="192.168.7.2", vni=77)
    return VxlanEnd(peer, iface)


def arrange(lab, egress, ingress="split"):
    evsd = lab.evsd()
    base = BASE.get(ingress, guest.MODERN)

    if ingress == "tap":
        sender = KernelEnd(*lab.tap_guest(evsd, "sender", quiet=True, offload=True))
    else:
        sender = lab.vhost_guest(evsd, "sender", guest.SENDS_ALL, base=base)
    if egress in EGRESS:
        receiver = lab.vhost_guest(evsd, egress, EGRESS[egress], base=0 if egress == "old" else base)
    elif egress == "vxlan":
        receiver = arrange_vxlan(lab, evsd)
    else:
        add = lab.tap_guest if egress == "tap" else lab.veth_guest
        receiver = KernelEnd(*add(evsd, egress, quiet=True, offload=egress == "tap"))
    evsd.evsctl("flow", "add", "br0", f"priority=9,in_port=sender,actions=output:{egress}")
    return evsd, sender, receiver


def layer(packet):
    return packet.getlayer(TCP) or packet.getlayer(UDP)


def pseudo_sum(packet):
    """As it stands in the checksum field of who leaves the rest to others."""
    ip, l4 = packet.getlayer(IP) or packet.getlayer(IPv6), layer(packet)
    family = socket.AF_INET if IP in packet else socket.AF_INET6
    addresses = socket.inet_pton(family, ip.src) + socket.inet_pton(family, ip.dst)
    return fold(addresses + struct.pack("!II", 6 if TCP in packet else 17, len(bytes(l4))))


def fold(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def make(case, size=None):
    """The frame (scapy) with its virtio-net header."""
    ip, l4, tags, kind = case
    packet = Ether(src=SRC, dst=DST)
    for i, tpid in enumerate(TAGS[tags]):
        packet /= (Dot1AD if tpid == 0x88a8 else Dot1Q)(vlan=10 + i)
    packet /= ip(src="10.0.0.1", dst="10.0.0.2") if ip is IP else ip(src="fd00::1", dst="fd00::2")
    packet /= TCP(sport=7, dport=8, seq=0xfffff000, flags="PAF") if l4 is TCP else UDP(sport=7, dport=8)
    size = size or (9013 if kind == "large" else 777)
    packet /= Raw(bytes(i * 7 % 251 for i in range(size)))
    packet = Ether(bytes(packet))
    if kind == "whole":
        return packet, Header()
    layer(packet).chksum = pseudo_sum(packet)
    start = 14 + 4 * len(TAGS[tags]) + (20 if ip is IP else 40)
    header = Header(guest.NEEDS_CSUM, csum_start=start, csum_offset=16 if l4 is TCP else 6)
    if kind == "large":
        header.gso_type = guest.GSO_UDP if l4 is UDP else guest.GSO_TCPV4 if ip is IP else guest.GSO_TCPV6
        header.gso_size, header.hdr_len = MSS, start + (20 if l4 is TCP else 8)
    return packet, header


def complete(header, frame):
    """Does what the header asks of the receiver; the field must hold the pseudo header's sum."""
    if not header.flags & guest.NEEDS_CSUM:
        return frame
    at = header.csum_start + header.csum_offset
    packet = Ether(frame)
    assert struct.unpack_from("!H", frame, at)[0] == pseudo_sum(packet), f"pseudo-header sum, {header}"
    assert header.csum_offset == (16 if TCP in packet else 6)
    value = ~fold(frame[header.csum_start:]) & 0xffff
    if UDP in packet:
        value = value or 0xffff
    return frame[:at] + struct.pack("!H", value) + frame[at + 2:]


def reassemble(packets):
    """The one IP packet that fragments make; anything else as it is."""
    if IP in packets[0] and (packets[0][IP].flags.MF or packets[0][IP].frag):
        pieces = sorted((p[IP].frag * 8, bytes(p[IP].payload), bool(p[IP].flags.MF)) for p in packets)
        assert len({p[IP].id for p in packets}) == 1
        head = packets[0][IP].copy()
        head.flags, head.frag = 0, 0
    elif IPv6ExtHdrFragment in packets[0]:
        pieces = sorted((p[IPv6ExtHdrFragment].offset * 8, bytes(p[IPv6ExtHdrFragment].payload),
                         bool(p[IPv6ExtHdrFragment].m)) for p in packets)
        head = packets[0][IPv6].copy()
        head.nh = 17
    else:
        return packets
    data = b""
    for offset, piece, more in pieces:
        assert offset == len(data) and more == (offset != pieces[-1][0])
        data += piece
    head.remove_payload()
    for field in ("len", "chksum", "plen"):
        if hasattr(head, field):
            delattr(head, field)
    return [Ether(src=SRC, dst=DST) / type(head)(bytes(head / Raw(data)))]


def payload_of(packets):
    if TCP not in packets[0]:
        assert len(packets) == 1
        return bytes(packets[0][UDP].payload)
    data, expected = b"", packets[0][TCP].seq
    for packet in packets:
        assert packet[TCP].seq == expected
        assert ("F" in packet[TCP].flags) == ("P" in packet[TCP].flags) == (packet is packets[-1])
        data += bytes(packet[TCP].payload)
        expected = (expected + len(packet[TCP].payload)) & 0xffffffff
    return data


def collect(receiver, got, packet):
    """Until the payload is complete. What a kernel says by itself goes to others."""
    got += [(header, frame) for header, frame in receiver.receive() if frame.startswith(bytes(packet)[:6])]
    size = sum(len(bytes(layer(Ether(frame)).payload)) if layer(Ether(frame)) else len(frame) for _, frame in got)
    return size >= len(bytes(layer(packet).payload))


MATRIX = [*itertools.product(("split",), (*EGRESS, "tap", "veth", "vxlan")),
          *itertools.product(("packed",), ("all", "csum", "none", "tap", "veth", "vxlan")),
          *itertools.product(("tap",), EGRESS)]


@pytest.mark.parametrize("ingress,egress", MATRIX)
def test_matrix(lab, ingress, egress):
    evsd, sender, receiver = arrange(lab, egress, ingress)
    if ingress == "packed":
        assert "packed" in evsd.port("sender")["status"]["features"].split(",")
    for case in CASES:
        if ingress == "tap" and case[1] is UDP and case[3] == "large":
            continue  # this kernel's taps cut such ones themselves
        packet, header = make(case)
        sender.send(packet, header)
        got = []
        wait_for(lambda: collect(receiver, got, packet), f"{case} arrives", interval=0.001)
        check(case, egress, header, packet, got)
    drops = {key: n for key, n in evsd.drops().items() if n and key[0] != "u"}  # the underlay's own chatter
    assert not drops
    evsd.check_accounts()


def check(case, egress, header, packet, got):
    ip, l4, tags, kind = case
    takes_large = egress == "all" or (egress == "tap" and l4 is TCP)
    if kind == "large" and takes_large:
        assert len(got) == 1 and got[0][0].gso_type == header.gso_type and got[0][0].gso_size == MSS, (case, got)
        assert got[0][0].csum_start == header.csum_start and got[0][0].csum_offset == header.csum_offset
    else:
        assert max(len(frame) for _, frame in got) <= 1514 + 4 * len(TAGS[tags]), case
        assert all(piece.gso_type == guest.GSO_NONE for piece, _ in got), case
    if egress in ("none", "old", "veth", "vxlan"):
        assert all(piece.flags & guest.NEEDS_CSUM == 0 for piece, _ in got), case
    if kind == "partial" and egress in ("all", "csum", "tap"):
        assert got[0][0].flags & guest.NEEDS_CSUM, (case, got[0][0])
    packets = [Ether(complete(piece, frame)) for piece, frame in got]
    for p in packets:
        assert [tag.vlan for tag in p.iterpayloads() if isinstance(tag, (Dot1Q, Dot1AD))] == [10 + i for i in range(len(TAGS[tags]))], case
    whole = reassemble(packets)
    assert not bad_checksums(whole), (case, [p.show2(dump=True) for p in bad_checksums(whole)])
    assert payload_of(whole) == bytes(layer(packet).payload), case


def lies():
    """(what, case, frame size, change of the header, change of the frame)"""
    tcp, udp = (IP, TCP, "no", "large"), (IP, UDP, "no", "large")

    def set_header(**fields):
        def change(header):
            for name, value in fields.items():
                setattr(header, name, value)
        return change
    yield "no size of a segment", tcp, set_header(gso_size=0)
    yield "segments of one byte", tcp, set_header(gso_size=1)
    yield "IPv6 segments of an IPv4 packet", tcp, set_header(gso_type=guest.GSO_TCPV6)
    yield "UDP fragments of TCP", tcp, set_header(gso_type=guest.GSO_UDP)
    yield "TCP segments of UDP", udp, set_header(gso_type=guest.GSO_TCPV4)
    yield "no such kind", tcp, set_header(gso_type=77)
    yield "a checksum that starts behind the frame", tcp, set_header(csum_start=0xfff0)
    yield "a checksum field behind the frame", tcp, set_header(csum_offset=0xfff0)
    yield "a checksum over the Ethernet header", tcp, set_header(csum_start=0, csum_offset=0)
    yield "large without a checksum to be made", tcp, set_header(flags=0)
    yield "every field full", tcp, set_header(flags=255, gso_type=255, hdr_len=65535, gso_size=65535,
                                              csum_start=65535, csum_offset=65535)


@pytest.mark.parametrize("max_len", [0xffff, 128])
def test_controller_gives_back_what_it_got(lab, max_len):
    """To a controller go frames as to a wire: whole checksums, large ones cut; so they come right from it, too."""
    evsd, sender, receiver = arrange(lab, "all")
    hub = Hub(lab, evsd, max_len)
    for case in CASES:
        packet, header = make(case)
        sender.send(packet, header)
        got = []
        wait_for(lambda: hub.error or collect(receiver, got, packet), f"{case} arrives", interval=0.001)
        hub.check()
        check(case, "none", header, packet, got)
    assert max(total for total, _, _ in hub.lengths) < 1514
    assert not any(evsd.drops().values())
    evsd.check_accounts()


@pytest.mark.parametrize("egress", ["all", "none"])
def test_lies_hurt_nobody(lab, egress):
    """Each is dropped by its name, or comes out right all the same; what follows arrives."""
    evsd, sender, receiver = arrange(lab, egress)
    good, good_header = make((IP, TCP, "no", "partial"))
    n_bad = 0
    for what, case, change in lies():
        packet, header = make(case)
        change(header)
        sender.send(packet, header)
        sender.send(good, good_header)
        got = []
        wait_for(lambda: got.extend(receiver.receive()) or any(len(frame) == len(good) for _, frame in got), what,
                 interval=0.001)
        assert not bad_checksums([Ether(complete(*one)) for one in got]), what
        if len(got) > 1:
            check(case, egress, make(case)[1], packet, got[:-1])
            continue
        n_bad += 1
        drops = {key: n for key, n in evsd.drops().items() if n}
        assert sum(drops.values()) == n_bad, (what, drops)
        assert {reason for _, reason in drops} <= {"guest-bad-offload", "tx-mtu"}, (what, drops)
    assert n_bad >= 6
    for total_len in (0, 19, 0xffff):  # the IP header lies about its length
        packet, header = make((IP, TCP, "no", "large"))
        packet[IP].len = total_len
        packet[IP].chksum = None
        sender.send(packet, header)
        sender.send(good, good_header)
        n_bad += 1
        wait_for(receiver.receive, "what follows arrives")
    wait_for(lambda: sum(evsd.drops().values()) == n_bad, f"{n_bad} drops")
    evsd.check_accounts()
