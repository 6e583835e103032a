# SPDX-License-Identifier: Apache-2.0
"""A controller that has every packet brought to it and gives it back: without buffers, or knowing only its beginning."""
import struct
import threading

from . import ofraw as of
from .ofctl import NO_BUFFER, PACKET_IN, SET_CONFIG, Session, message

PACKET_OUT = 13
BUFFER_UNKNOWN = (1, 8)  # OFPET_BAD_REQUEST, OFPBRC_BUFFER_UNKNOWN


class Hub:
    """Threads: its own. It ends with the session, and `error` says why if that was no end that anybody wanted."""

    def __init__(self, lab, evsd, max_len=0xFFFF, bridge="br0", port=of.FLOOD):
        self.port = port
        self.lengths = []  # of what was told: (total_len, bytes that came with it, buffer)
        self.error = None
        self.session = Session(evsd.run_dir / f"{bridge}.mgmt")
        self.session.send(message(SET_CONFIG, struct.pack("!HH", 0, max_len)) +  # who sends it wants packets
                          of.flow([], command=of.DELETE, table=255) +
                          of.flow([], of.actions(of.output(of.CONTROLLER, max_len)), priority=1))
        self.session.barrier()
        assert self.session.errors == []
        self.session.socket.settimeout(None)  # who has nothing to send for long is no error
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        lab.stack.callback(self.close)

    def _run(self):
        try:
            while True:
                self._give_back(self.session.wait(PACKET_IN))
        except Exception as error:  # noqa: BLE001 - whatever it is, the story wants to know
            self.error = error

    def _give_back(self, packet):
        buffer_id, total_len = struct.unpack_from("!IH", packet, 8)
        match_len = struct.unpack_from("!H", packet, 26)[0]
        fields = packet[28:24 + match_len]
        assert fields[:4] == b"\x80\x00\x00\x04"  # the port it came in by
        data = packet[24 + (match_len + 7) // 8 * 8 + 2:]
        self.lengths.append((total_len, len(data), buffer_id))
        acts = of.output(self.port)
        self.session.send(message(PACKET_OUT, struct.pack("!II", buffer_id, struct.unpack_from("!I", fields, 4)[0]) +
                                  struct.pack("!Hxxxxxx", len(acts)) + acts + (data if buffer_id == NO_BUFFER else b"")))

    def check(self):
        """A place among the buffers may be given to another packet after five seconds: on a busy machine that is no fault."""
        errors = [error for error in self.session.errors if error != BUFFER_UNKNOWN]
        assert self.error is None and not errors, (self.error, errors)

    def close(self):
        if self.thread.is_alive():
            self.session.socket.shutdown(2)
            self.thread.join(60)
        self.session.close()
