# SPDX-License-Identifier: Apache-2.0
"""A JSON-RPC client for evs.sock, written from the protocol, not from evsctl."""
import itertools
import json
import socket


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")
        self.message = error.get("message", "")
        self.data = error.get("data") or {}

    @property
    def errno(self):
        return self.data.get("errno")


class RpcClient:
    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.rest = b""
        self.ids = itertools.count(1)
        self.notifications = []

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message):
        """A message (anything that JSON can say), or bytes as they are."""
        if not isinstance(message, bytes):
            message = json.dumps(message).encode() + b"\n"
        self.socket.sendall(message)

    def receive(self):
        """The next line as JSON. ConnectionError when the other side closed."""
        while b"\n" not in self.rest:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("evsd closed the connection")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def call(self, method, **params):
        """The result of a call, or RpcError. `fail_mode` becomes `fail-mode`."""
        number = next(self.ids)
        named = {name.replace("_", "-"): value for name, value in params.items()}
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": named})
        while True:
            answer = self.receive()
            if "method" in answer:
                self.notifications.append(answer)
                continue
            assert answer["id"] == number, answer
            if "error" in answer:
                raise RpcError(answer["error"])
            return answer["result"]

    def notification(self, method):
        """The next notification of this name."""
        while True:
            for i, note in enumerate(self.notifications):
                if note["method"] == method:
                    return self.notifications.pop(i)["params"]
            self.notifications.append(self.receive())
