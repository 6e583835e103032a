# SPDX-License-Identifier: Apache-2.0
"""The few OpenFlow 1.3 messages that a load of rule changes needs, as bytes (OpenFlow 1.3.5, A.3)."""
import socket
import struct

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FLOW_MOD = 0, 1, 2, 3, 14
BARRIER_REQUEST, BARRIER_REPLY = 20, 21
ADD, DELETE_STRICT = 0, 4


def oxm(field, value):
    return struct.pack("!HBB", 0x8000, field << 1, len(value)) + value


def udp_match(dst, port):
    """eth_type 0x0800, ip_proto 17, ipv4_dst, udp_dst."""
    fields = (oxm(5, b"\x08\x00") + oxm(10, b"\x11") + oxm(12, struct.pack("!I", dst))
              + oxm(16, struct.pack("!H", port)))
    length = 4 + len(fields)
    return struct.pack("!HH", 1, length) + fields + bytes(-length % 8)


def flow_mod(command, priority, match, out_port=None, xid=0):
    body = struct.pack("!QQBBHHHIIIHH", 0, 0, 0, command, 0, 0, priority, 0xFFFFFFFF,
                       0xFFFFFFFF, 0xFFFFFFFF, 0, 0) + match
    if out_port is not None:
        action = struct.pack("!HHIHxxxxxx", 0, 16, out_port, 0)
        body += struct.pack("!HHxxxx", 4, 8 + len(action)) + action
    return struct.pack("!BBHI", 4, FLOW_MOD, 8 + len(body), xid) + body


def barrier(xid):
    return struct.pack("!BBHI", 4, BARRIER_REQUEST, 8, xid)


class Session:
    """A controller's side of a connection to a switch's management socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.socket.sendall(struct.pack("!BBHI", 4, HELLO, 8, 1))
        self.buffer = b""
        self.errors = 0
        self.wait(HELLO)

    def send(self, data):
        self.socket.sendall(data)

    def message(self):
        while len(self.buffer) < 8 or len(self.buffer) < struct.unpack_from("!H", self.buffer, 2)[0]:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the switch closed the session")
            self.buffer += data
        length = struct.unpack_from("!H", self.buffer, 2)[0]
        message, self.buffer = self.buffer[:length], self.buffer[length:]
        return message[1], struct.unpack_from("!I", message, 4)[0], message

    def wait(self, kind, xid=None):
        while True:
            got, got_xid, message = self.message()
            if got == ECHO_REQUEST:
                self.send(message[:1] + bytes([ECHO_REPLY]) + message[2:])
            self.errors += got == ERROR
            if got == kind and xid in (None, got_xid):
                return message

    def barrier(self, xid=7):
        self.send(barrier(xid))
        return self.wait(BARRIER_REPLY, xid)

    def close(self):
        self.socket.close()
