# SPDX-License-Identifier: Apache-2.0
"""Actions, instructions and ports for tests that send OpenFlow and packets as bytes."""
import ctypes
import errno
import os
import select
import socket
import struct
import time

from .ofctl import FLOW_MOD, MULTIPART, MULTIPART_REPLY, NO_BUFFER, match, message  # noqa: F401

APPLY, WRITE, CLEAR, METADATA, GOTO, METER = 4, 3, 5, 2, 1, 6
IN_PORT, TABLE, NORMAL, FLOOD, ALL, CONTROLLER, LOCAL = range(0xFFFFFFF8, 0xFFFFFFFF)
ADD, MODIFY, DELETE = 0, 1, 3


def output(port, max_len=0xFFFF):
    return struct.pack("!HHIHxxxxxx", 0, 16, port, max_len)


def plain(kind):
    """copy-ttl-out 11, copy-ttl-in 12, dec-mpls-ttl 16, pop-vlan 18, dec-nw-ttl 24, pop-pbb 27"""
    return struct.pack("!HHxxxx", kind, 8)


def short(kind, value):
    """push-vlan 17, push-mpls 19, pop-mpls 20, push-pbb 26"""
    return struct.pack("!HHHxx", kind, 8, value)


def long(kind, value):
    """set-queue 21, group 22"""
    return struct.pack("!HHI", kind, 8, value)


def ttl(kind, value):
    """set-mpls-ttl 15, set-nw-ttl 23"""
    return struct.pack("!HHBxxx", kind, 8, value)


def set_field(field):
    size = (4 + len(field) + 7) // 8 * 8
    return struct.pack("!HH", 25, size) + field + bytes(size - 4 - len(field))


def actions(*acts, kind=APPLY):
    body = b"".join(acts)
    return struct.pack("!HHxxxx", kind, 8 + len(body)) + body


def goto(table):
    return struct.pack("!HHBxxx", GOTO, 8, table)


def write_metadata(value, mask):
    return struct.pack("!HHxxxxQQ", METADATA, 24, value, mask)


def flow(fields, *instructions, priority=10, table=0, command=ADD, idle=0, hard=0, flags=0, cookie=0, cookie_mask=0):
    body = struct.pack("!QQBBHHHIIIHH", cookie, cookie_mask, table, command, idle, hard, priority, NO_BUFFER, 0xFFFFFFFF,
                       0xFFFFFFFF, flags, 0) + match(*fields) + b"".join(instructions)
    return message(FLOW_MOD, body)


def group_mod(group_id, kind, *buckets, command=0):
    """kind: all 0, select 1, indirect 2, ff 3. A bucket: (weight, watch port, actions)."""
    body = struct.pack("!HBxI", command, kind, group_id)
    for weight, port, acts in buckets:
        acts = b"".join(acts)
        body += struct.pack("!HHIIxxxx", 16 + len(acts), weight, port, 0xFFFFFFFF) + acts
    return message(15, body)


class Wire:
    """The far end of a port: frames in and out as they are, VLAN tags as well."""

    def __init__(self, guest, iface):
        self.socket = _packet_socket(guest, iface)
        guest.stack.callback(self.socket.close)
        self.n_sent = 0

    def send(self, frame):
        self.socket.send(bytes(frame))
        self.n_sent += 1

    def take(self):
        """One frame that waits, or None."""
        while select.select([self.socket], [], [], 0)[0]:
            try:
                data, extra, _, address = self.socket.recvmsg(70000, 256)
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # told once when the interface goes down
                    continue
                raise
            if address[2] != socket.PACKET_OUTGOING:
                return _with_tag(data, extra)
        return None

    def drain(self):
        while self.take() is not None:
            pass


def receive(wires, timeout=60.0):
    """The next frame of any of them: (number of the wire, frame)."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ready = select.select([wire.socket for wire in wires], [], [], end - time.monotonic())[0]
        for i, wire in enumerate(wires):
            frame = wire.take() if wire.socket in ready else None
            if frame is not None:
                return i, frame
    return None, None


def _packet_socket(guest, iface):
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{guest.name}", "rb") as there:
        if libc.setns(there.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the tag that the kernel took off
            sock.bind((iface, 3))
        finally:
            libc.setns(home.fileno(), 0x40000000)
    return sock


def _with_tag(data, extra):
    for level, kind, value in extra:
        if (level, kind) != (263, 8):
            continue
        status, _, _, _, _, tci, tpid = struct.unpack_from("IIIHHHH", value)
        if status & 0x10:
            tag = struct.pack("!HH", tpid if status & 0x40 else 0x8100, tci)
            return data[:12] + tag + data[12:]
    return data
