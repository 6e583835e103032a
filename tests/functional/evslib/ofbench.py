# SPDX-License-Identifier: Apache-2.0
"""A bridge with wires whose far ends tests hold, and an OpenFlow session with it."""
import struct

from . import ofraw as of
from .ofctl import SET_CONFIG, Session, message
from .wait import wait_for


class Bench:
    """br0 with wires w1, w2, ..., and a session that packets-in come to."""

    def __init__(self, lab, n_wires=3):
        self.lab = lab
        self.evsd = lab.evsd()
        self.wires = [of.Wire(*lab.tap_guest(self.evsd, f"w{i}", quiet=True)) for i in range(1, n_wires + 1)]
        self.session = Session(self.evsd.run_dir / "br0.mgmt")
        self.session.send(message(SET_CONFIG, struct.pack("!HH", 0, 0xFFFF)))

    def rules(self, *messages):
        """These instead of all others; a rule that is refused fails the test."""
        self.settle()
        self.session.errors.clear()
        self.session.others.clear()
        self.session.send(of.flow([], command=of.DELETE, table=255) +
                          message(15, struct.pack("!HBxI", 2, 0, 0xFFFFFFFC)) + b"".join(messages))
        self.session.barrier()
        assert self.session.errors == []
        for wire in self.wires:
            wire.drain()

    def through(self, frame, wire=0):
        """Sends at a wire: the number of the wire where it comes out, and the frame."""
        self.wires[wire].send(frame)
        return of.receive(self.wires)

    def _received(self):
        ports = self.evsd.ports()
        return [ports[f"w{i}"]["rx-pkts"] for i in range(1, len(self.wires) + 1)]

    def settle(self):
        """Until the switch is through with all that was sent at the wires: what has not come out by then never will."""
        def is_through():
            return all(n >= wire.n_sent for n, wire in zip(self._received(), self.wires))
        wait_for(is_through, "the switch takes what was sent", interval=0.002)
        self.evsd.check_accounts()

    def recount(self):
        """What was sent at a wire whose port was down will not be taken."""
        for n, wire in zip(self._received(), self.wires):
            wire.n_sent = n

    def nothing(self):
        """Nothing comes out (any more)."""
        self.settle()
        return all(wire.take() is None for wire in self.wires)

    def passed(self, frame, n, wire=0):
        """Of n such frames, how many come out."""
        for _ in range(n):
            self.wires[wire].send(frame)
        self.settle()
        return sum(1 for wire in self.wires for _ in iter(wire.take, None))

    def told(self, kind):
        for i, got in enumerate(self.session.others):
            if got[1] == kind:
                return self.session.others.pop(i)
        return self.session.wait(kind)
