# SPDX-License-Identifier: Apache-2.0
"""A bridge with wires whose far ends tests hold, and an OpenFlow session with it."""
import struct

from . import ofraw as of
from .ofctl import SET_CONFIG, Session, message


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

    def told(self, kind):
        for i, got in enumerate(self.session.others):
            if got[1] == kind:
                return self.session.others.pop(i)
        return self.session.wait(kind)
