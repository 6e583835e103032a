# SPDX-License-Identifier: Apache-2.0
"""QEMU's machine protocol: commands, and the events that came meanwhile."""
import json
import socket

from .wait import wait_for


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path):
        self.events = []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        wait_for(lambda: self.sock.connect(str(path)) is None, f"QEMU answers on {path}")
        self.file = self.sock.makefile("rw")
        json.loads(self.file.readline())  # the greeting
        self.call("qmp_capabilities")

    def close(self):
        self.file.close()
        self.sock.close()

    def call(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def happened(self, event, **data):
        """When the event came, with such data, for the last time, in seconds since 1970; None: never."""
        self.call("query-status")  # brings what is waiting
        times = [found["timestamp"] for found in self.events
                 if found["event"] == event and data.items() <= found.get("data", {}).items()]
        return times[-1]["seconds"] + times[-1]["microseconds"] / 1e6 if times else None
