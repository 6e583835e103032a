# SPDX-License-Identifier: Apache-2.0
"""A guest without a machine: the other side of a vhost-user socket in Python, with split or packed rings in a
memfd, so that a test chooses the features and writes every header itself (virtio 1.1, 2.6, 2.7 and 5.1.6)."""
import array
import mmap
import os
import pathlib
import socket
import struct

from .wait import wait_for

CSUM, GUEST_CSUM, MRG_RXBUF, VERSION_1 = 1 << 0, 1 << 1, 1 << 15, 1 << 32
GUEST_TSO4, GUEST_TSO6, GUEST_UFO = 1 << 7, 1 << 8, 1 << 10
HOST_TSO4, HOST_TSO6, HOST_UFO = 1 << 11, 1 << 12, 1 << 14
MQ, INDIRECT, PROTOCOL, PACKED, IN_ORDER = 1 << 22, 1 << 28, 1 << 30, 1 << 34, 1 << 35
MODERN = MRG_RXBUF | VERSION_1
SENDS_ALL = CSUM | HOST_TSO4 | HOST_TSO6 | HOST_UFO
TAKES_TSO = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6
TAKES_ALL = TAKES_TSO | GUEST_UFO

NEEDS_CSUM = 1
DESC_AVAIL, DESC_USED = 1 << 7, 1 << 15
GSO_NONE, GSO_TCPV4, GSO_UDP, GSO_TCPV6 = 0, 1, 3, 4

(GET_FEATURES, SET_FEATURES, SET_OWNER, _, SET_MEM_TABLE, _, _, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, _,
 SET_VRING_KICK, SET_VRING_CALL) = range(1, 14)
SET_VRING_ENABLE = 18

LEN = 256
GPA = 1 << 32
PAIRS_MAX = 16
RING_BYTES, BUF_SIZE = 0x4000, 4096
BUFS_AT = 2 * PAIRS_MAX * RING_BYTES
SEND_SIZE = 0x12000  # of one frame to be sent, 64 KB and some
N_SEND = 16
PAIR_BYTES = LEN * BUF_SIZE + N_SEND * SEND_SIZE
MEMORY = BUFS_AT + PAIR_BYTES  # with one pair of rings


class Header:
    """struct virtio_net_hdr, with num_buffers if it came from a ring."""
    FORMAT = "<BBHHHH"

    def __init__(self, flags=0, gso_type=0, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
        self.flags, self.gso_type, self.hdr_len, self.gso_size = flags, gso_type, hdr_len, gso_size
        self.csum_start, self.csum_offset = csum_start, csum_offset

    @classmethod
    def parse(cls, data):
        return cls(*struct.unpack_from(cls.FORMAT, data))

    def __bytes__(self):
        return struct.pack(self.FORMAT, self.flags, self.gso_type, self.hdr_len, self.gso_size,
                           self.csum_start, self.csum_offset)

    def __repr__(self):
        return (f"Header(flags={self.flags}, gso_type={self.gso_type}, hdr_len={self.hdr_len}, "
                f"gso_size={self.gso_size}, csum_start={self.csum_start}, csum_offset={self.csum_offset})")


class Guest:
    """What both sides use at the same time is read and written at once, by `words`: struct goes byte by byte, and writes
    zeroes first. Rings 0, 2, 4… are what it receives, 1, 3, 5… what it sends; `pair` counts both."""

    def __init__(self, path, features, listen=False, base=MODERN, pairs=1):
        """listen: the guest's side makes the socket, and evs is the client. base: features that it wants besides; with
        PACKED it has packed rings, with 0 it is a guest as before virtio 1.0."""
        self.path, self.wanted, self.listener, self.sock = str(path), features | base, None, None
        self.packed, self.header_size = bool(base & PACKED), 12 if base & MODERN else 10
        self.rings, self.size = range(2 * pairs), BUFS_AT + pairs * PAIR_BYTES
        self.table = [{} for _ in self.rings]  # of packed rings: what a buffer is
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, self.size)
        self.mem = mmap.mmap(self.fd, self.size)
        self.words = memoryview(self.mem).cast("H")
        self.event, self.kick = (os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2))
        self.n_kicks = 0
        self.avail, self.used = ([0 for _ in self.rings] for _ in range(2))  # buffers offered and taken back, ever
        for pair in range(pairs):
            for i in range(LEN):
                self._describe(2 * pair, i, self._buffer(pair, i), BUF_SIZE, 2)
                self._offer(2 * pair, i)
        if listen:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.settimeout(60)
            self.listener.bind(self.path)
            self.listener.listen(4)
        self.attach()

    def attach(self):
        """To the switch, for the first time or again: the rings go on where they are."""
        if self.sock:
            self.sock.close()
        if self.listener:
            self.sock = self.listener.accept()[0]
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(self.path)
        self.sock.settimeout(60)
        self.features = self._ask(GET_FEATURES) & self.wanted
        self._tell(SET_FEATURES, struct.pack("<Q", self.features))
        self._tell(SET_OWNER, b"")
        self._tell(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GPA, self.size, GPA, 0), self.fd)
        for ring in self.rings:
            self._start(ring)

    def close(self):
        if self.fd is None:
            return
        self.sock.close()
        if self.listener:
            self.listener.close()
            pathlib.Path(self.path).unlink(missing_ok=True)  # another guest may have had it since
        self.words.release()
        self.mem.close()
        for fd in (self.fd, self.event, self.kick):
            os.close(fd)
        self.fd = None

    def _tell(self, request, payload, fd=None):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        self.sock.sendmsg([struct.pack("<III", request, 1, len(payload)) + payload], rights)

    def _ask(self, request):
        self._tell(request, b"")
        return struct.unpack_from("<Q", self.sock.recv(20, socket.MSG_WAITALL), 12)[0]

    def _start(self, ring):
        at = GPA + ring * RING_BYTES
        self._tell(SET_VRING_NUM, struct.pack("<II", ring, LEN))
        index = self.words[(ring * RING_BYTES + 0x2002) // 2]
        if self.packed:  # as QEMU does it: evs finds the place
            index = 0x8000
        self._tell(SET_VRING_BASE, struct.pack("<II", ring, index))
        self._tell(SET_VRING_ADDR, struct.pack("<IIQQQQ", ring, 0, at, at + 0x2000, at + 0x1000, 0))
        self._tell(SET_VRING_CALL, struct.pack("<Q", ring), self.event)
        self._tell(SET_VRING_KICK, struct.pack("<Q", ring), self.kick)
        if self.features & PROTOCOL:
            self._tell(SET_VRING_ENABLE, struct.pack("<II", ring, 1))

    def _buffer(self, pair, i):
        return BUFS_AT + pair * PAIR_BYTES + i * BUF_SIZE

    def _describe(self, ring, i, at, size, flags, following=0):
        self.table[ring][i] = (GPA + at, size, flags)
        if self.packed:
            return
        struct.pack_into("<QIHH", self.mem, ring * RING_BYTES + i * 16, GPA + at, size, flags, following)

    def _offer_packed(self, ring, i):
        """The flags come last: with them the device may use it."""
        at, in_odd_lap = ring * RING_BYTES + self.avail[ring] % LEN * 16, self.avail[ring] // LEN % 2
        address, size, flags = self.table[ring][i]
        struct.pack_into("<QIH", self.mem, at, address, size, i)
        self.words[(at + 14) // 2] = flags | (DESC_USED if in_odd_lap else DESC_AVAIL)
        self.avail[ring] += 1

    def _offer(self, ring, i):
        if self.packed:
            return self._offer_packed(ring, i)
        at = ring * RING_BYTES + 0x1000
        self.words[(at + 4 + self.avail[ring] % LEN * 2) // 2] = i
        self.avail[ring] += 1
        self.words[(at + 2) // 2] = self.avail[ring] & 0xffff

    def wants_kick(self, pair=0):
        """Has the switch asked to be told of the next frame? (used->flags, 2.6.8; the device's events, 2.7.14)"""
        at = (2 * pair + 1) * RING_BYTES
        if self.packed:
            return self.words[(at + 0x2002) // 2] & 3 != 1
        return not self.words[(at + 0x2000) // 2] & 1

    def _returned(self, ring):
        if self.packed:
            n = self.used[ring]
            flags = self.words[(ring * RING_BYTES + n % LEN * 16 + 14) // 2]
            both = DESC_AVAIL | DESC_USED
            return n < self.avail[ring] and flags & both == (0 if n // LEN % 2 else both)
        return (self.words[(ring * RING_BYTES + 0x2002) // 2] - self.used[ring]) & 0xffff

    def _take(self, ring):
        """(buffer, bytes)"""
        if self.packed:
            at = ring * RING_BYTES + self.used[ring] % LEN * 16
            self.used[ring] += 1
            return struct.unpack_from("<8xIH", self.mem, at)[::-1]
        at = ring * RING_BYTES + 0x2004 + self.used[ring] % LEN * 8
        self.used[ring] += 1
        return struct.unpack_from("<II", self.mem, at)

    def send(self, frame, header=None, wait=True, pair=0):
        """Waits until the switch has taken it; where it goes then is another question."""
        ring = 2 * pair + 1
        i = self.avail[ring] % N_SEND
        data = bytes(header or Header()) + bytes(self.header_size - 10) + bytes(frame)
        at = self._buffer(pair, LEN) + i * SEND_SIZE
        self.mem[at:at + len(data)] = data
        self._describe(ring, i, at, len(data), 0)
        self._offer(ring, i)
        if self.wants_kick(pair):
            os.eventfd_write(self.kick, 1)
            self.n_kicks += 1
        if wait:
            wait_for(lambda: self._returned(ring), "the switch takes the frame", interval=0.001)
            self.reap(pair)

    def enable(self, ring, is_enabled):
        self._tell(SET_VRING_ENABLE, struct.pack("<II", ring, is_enabled))

    def returned(self):
        """Has the switch taken what was sent last, of which nothing was taken back?"""
        return self._returned(1)

    def reap(self, pair=0):
        """Takes back what the switch has taken; whether all of it."""
        ring = 2 * pair + 1
        while self._returned(ring):
            self._take(ring)
        return self.used[ring] == self.avail[ring]

    def _receive(self, pair):
        ring = 2 * pair
        i, size = self._take(ring)
        at = self._buffer(pair, i)
        data = self.mem[at:at + size]
        self._offer(ring, i)
        return data

    def receive(self, pair=0):
        """All frames that are there: [(Header, bytes)]."""
        result = []
        while self._returned(2 * pair):
            data = self._receive(pair)
            for _ in range(struct.unpack_from("<H", data, 10)[0] - 1 if self.header_size == 12 else 0):
                data += self._receive(pair)
            result.append((Header.parse(data), data[self.header_size:]))
        return result
