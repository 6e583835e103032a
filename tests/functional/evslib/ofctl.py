# SPDX-License-Identifier: Apache-2.0
"""ovs-ofctl and a few raw OpenFlow 1.3 messages, against the management socket of a bridge."""
import re
import socket
import struct
import subprocess

from .wait import wait_for

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, PACKET_IN, FLOW_REMOVED, PORT_STATUS = 0, 1, 2, 3, 10, 11, 12
GET_CONFIG, GET_CONFIG_REPLY, SET_CONFIG, FLOW_MOD, PORT_MOD = 7, 8, 9, 14, 16
MULTIPART, MULTIPART_REPLY, BARRIER, BARRIER_REPLY = 18, 19, 20, 21
ROLE, ROLE_REPLY, SET_ASYNC = 24, 25, 28
NO_BUFFER = 0xFFFFFFFF


class Ofctl:
    """ovs-ofctl -O OpenFlow13 of one bridge."""

    def __init__(self, evsd, bridge="br0", target=None):
        self.evsd, self.bridge = evsd, bridge
        self.target = target or f"unix:{evsd.run_dir}/{bridge}.mgmt"

    def argv(self, command, *words, options=()):
        return ["ovs-ofctl", "-O", "OpenFlow13", *options, command, self.target, *[str(word) for word in words]]

    def run(self, command, *words, check=True, options=(), stdin=None):
        run = subprocess.run(self.argv(command, *words, options=options), text=True, capture_output=True, timeout=60,
                             **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        said = run.stdout + run.stderr
        assert not check or (run.returncode == 0 and "OFPT_ERROR" not in said), f"ovs-ofctl {command} {words}: {said}"
        return said

    __call__ = run

    def flows(self, *words, options=()):
        """Lines of dump-flows without cookie, duration and counters that are not asked for."""
        lines = self.run("dump-flows", *words, options=("--no-stats", *options)).splitlines()
        return [line.strip() for line in lines if "actions=" in line or "drop" in line]

    def set_flows(self, *flows):
        """Removes all rules, groups and meters, then adds these rules."""
        self.run("del-flows")
        self.run("del-groups")
        self.run("del-meters")
        self.add(*flows)

    def add(self, *flows):
        if flows:
            self.run("add-flows", "-", stdin="\n".join(flows) + "\n")

    def monitor(self, lab, *words, command="monitor", target=None):
        return Monitor(lab, [*self.argv(command, *words)], target)


class Monitor:
    """ovs-ofctl monitor or snoop in the background; what it printed."""

    def __init__(self, lab, argv, target=None):
        lab.n_captures += 1
        self.path = lab.dir / f"monitor{lab.n_captures}.txt"
        with open(self.path, "wb") as out:
            argv[1:1] = [f"--unixctl={self.path}.ctl"]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        lab.stack.callback(self.stop)

    @property
    def text(self):
        return self.path.read_text(errors="replace")

    def wait(self, pattern, n=1):
        """Waits until the pattern was printed n times; the matches."""
        def enough():
            found = list(re.finditer(pattern, self.text))
            return found if len(found) >= n else None
        return wait_for(enough, f"'{pattern}' is printed:\n{self.text[-2000:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        return self.text


def oxm(field, value, mask=b""):
    return struct.pack("!HBB", 0x8000, field << 1 | bool(mask), len(value) + len(mask)) + value + mask


def match(*fields):
    length = 4 + sum(map(len, fields))
    return struct.pack("!HH", 1, length) + b"".join(fields) + bytes(-length % 8)


def message(kind, body=b"", xid=1):
    return struct.pack("!BBHI", 4, kind, 8 + len(body), xid) + body


def flow_mod(command, priority, fields=(), out_port=None, xid=1, table=0):
    body = struct.pack("!QQBBHHHIIIHH", 0, 0, table, command, 0, 0, priority, NO_BUFFER, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)
    body += match(*fields)
    if out_port is not None:
        body += struct.pack("!HHxxxx", 4, 24) + struct.pack("!HHIHxxxxxx", 0, 16, out_port, 0)
    return message(FLOW_MOD, body, xid)


class Session:
    """A connection as a program opens it, or one that a switch opened."""

    def __init__(self, where):
        if isinstance(where, socket.socket):
            self.socket = where
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(str(where))
        self.socket.settimeout(60)
        self.buffer = b""
        self.errors = []
        self.others = []
        self.send(message(HELLO))
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
        got, self.buffer = self.buffer[:length], self.buffer[length:]
        return got

    def wait(self, kind, xid=None):
        """The next message of a kind; errors and others are kept aside, echoes answered."""
        while True:
            got = self.message()
            if got[1] == kind and xid in (None, struct.unpack_from("!I", got, 4)[0]):
                return got
            if got[1] == ECHO_REQUEST:
                self.send(got[:1] + bytes([ECHO_REPLY]) + got[2:])
            elif got[1] == ERROR:
                self.errors.append(struct.unpack_from("!HH", got, 8))
            else:
                self.others.append(got)

    def barrier(self, xid=7):
        self.send(message(BARRIER, xid=xid))
        return self.wait(BARRIER_REPLY, xid)

    def ask(self, kind, body, reply, xid=9):
        """Sends a request; its reply, or the (type, code) of the error that came before a barrier's reply."""
        n_errors = len(self.errors)
        self.send(message(kind, body, xid) + message(BARRIER, xid=xid + 1))
        while True:
            got = self.message()
            if got[1] == BARRIER_REPLY:
                return self.errors[-1] if len(self.errors) > n_errors else None
            if got[1] == ERROR:
                self.errors.append(struct.unpack_from("!HH", got, 8))
            elif got[1] == reply:
                self.wait(BARRIER_REPLY, xid + 1)
                return got
            else:
                self.others.append(got)

    def close(self):
        self.socket.close()
