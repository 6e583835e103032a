# SPDX-License-Identifier: Apache-2.0
"""The sockets between guests and evsd, made by one or the other; guests are ours (evslib/guest.py).

    g0 --vhost-user-- br0 --vhost-user-- g1
"""
import os
import pathlib
import socket
import stat
import struct

import pytest
from evslib import RpcError, wait_for
from evslib.evsd import is_sanitized
from evslib.guest import CSUM, GUEST_CSUM, IN_ORDER, INDIRECT, MODERN, N_SEND, PACKED, Guest

FRAME = bytes.fromhex("ffffffffffff52540000000188b5") + bytes(50)
MODES = ("client", "server")
CYCLES = 500  # in each mode


class Wire:
    def __init__(self, lab, mode, folder="."):
        self.lab, self.mode, self.folder = lab, mode, lab.dir / folder
        self.evsd = lab.evsd(config=True)
        for n in (0, 1):
            self.add(f"g{n}", self.path(n), mode=mode)

    def add(self, name, path, **options):
        self.evsd.call("port.add", bridge="br0", name=name, type="vhost-user", path=str(path), **options)

    def path(self, n):
        return str(self.folder / f"g{n}")

    def guest(self, n, features=0, base=MODERN):
        return self.lab.attach(self.evsd, f"g{n}", features, base=base)

    def status(self, n, key):
        return self.evsd.port(f"g{n}")["status"][key]


def exchange(sender, receiver):
    """Sends until something arrives: who came just now may not be served yet."""
    def attempt():
        sender.send(FRAME)
        return receiver.receive()
    assert wait_for(attempt, "a frame arrives", interval=0.002)[0][1] == FRAME


@pytest.mark.parametrize("mode", MODES)
def test_evsd_killed(lab, mode):
    """The rings go on where they were; with other features, if the guest's driver wants that."""
    wire = Wire(lab, mode)
    guests = [wire.guest(n, CSUM) for n in (0, 1)]
    for wanted in (CSUM, GUEST_CSUM):
        exchange(*guests)
        wire.evsd.kill()
        wire.evsd.start()
        for n, guest in enumerate(guests):
            guest.wanted = wanted
            guest.attach()
            wait_for(lambda: wire.evsd.port(f"g{n}")["link"] == "up", "the guest is back")
            names = {"csum", "guest-csum"} & set(wire.status(n, "features").split(","))
            assert names == {"csum" if wanted == CSUM else "guest-csum"}
        exchange(*guests)
        exchange(*reversed(guests))


class Stream:
    """Numbered frames from one guest to the other, as many on their way as the sender has buffers."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver, self.n_sent, self.got = sender, receiver, 0, []

    def pump(self):
        self.sender.reap()
        while self.sender.avail[1] - self.sender.used[1] < N_SEND:
            self.sender.send(FRAME[:14] + struct.pack("!I", self.n_sent) + FRAME[18:], wait=False)
            self.n_sent += 1
        self.got += [struct.unpack_from("!I", frame, 14)[0] for _, frame in self.receiver.receive()]
        return len(self.got)

    def wait_for_more(self, count):
        enough = len(self.got) + count
        wait_for(lambda: self.pump() >= enough, "the stream flows", interval=0)


@pytest.mark.parametrize("rings", [MODERN, MODERN | IN_ORDER, MODERN | PACKED | INDIRECT, MODERN | PACKED,
                                   MODERN | PACKED | INDIRECT | IN_ORDER],
                         ids=["split", "split-in-order", "packed", "packed-without-indirect", "packed-in-order"])
def test_evsd_killed_in_full_traffic(lab, rings):
    """No small frame comes twice or out of turn; the stream goes on."""
    wire = Wire(lab, "client")
    guests = [wire.guest(n, base=rings) for n in (0, 1)]
    stream = Stream(*guests)
    for more in (300, 77, 500):
        stream.wait_for_more(more)
        assert ("in-order" in wire.status(0, "features").split(",")) == bool(rings & IN_ORDER)
        wire.evsd.kill()
        wire.evsd.start()
        for n, guest in enumerate(guests):
            guest.attach()
            wait_for(lambda n=n: wire.evsd.port(f"g{n}")["link"] == "up", "the guest is back")
    stream.wait_for_more(300)
    assert stream.got == sorted(set(stream.got))


@pytest.mark.parametrize("mode", MODES)
def test_many_guests_come_and_go(lab, mode):
    wire = Wire(lab, mode)
    guests = [wire.guest(n) for n in (0, 1)]

    def cycles(count):
        for _ in range(count):
            guests[1].close()
            guests[1] = lab.attach(wire.evsd, "g1", wait=False)
            exchange(*guests)
        return wire.evsd.footprint()
    cycles(100)  # stocks of allocators and library are full
    before = cycles(1)
    memory_kb = cycles(CYCLES)["memory_kb"]
    wait_for(lambda: [key for key, now in wire.evsd.footprint().items() if key != "memory_kb" and now > before[key]] == [],
             "no descriptor, thread or buffer is lost")
    assert is_sanitized() or memory_kb < before["memory_kb"] + 200


def test_ports_are_small(lab):
    """Without traffic: no buffer, and less than 2 MB each."""
    evsd = lab.evsd(memory_mb=512)
    lab.vhost_guest(evsd, "first")
    before, count = evsd.footprint(), 60
    for n in range(count):
        lab.vhost_guest(evsd, f"g{n}")
    after = evsd.footprint()
    assert after["buffers"] == before["buffers"]
    assert is_sanitized() or after["memory_kb"] - before["memory_kb"] < count * 2048


def test_a_directory_that_comes_later_and_a_path_replaced(lab):
    wire = Wire(lab, "client", "later")
    assert "No such file" in wire.status(0, "socket")
    os.mkdir(wire.folder)
    open(wire.path(1), "w").close()
    assert "is no socket" in wire.status(1, "socket")
    os.unlink(wire.path(1))
    guests = [wire.guest(n) for n in (0, 1)]
    exchange(*guests)
    os.unlink(wire.path(1))  # and another one at its place, while the old one is connected still
    successor = socket.socket(socket.AF_UNIX)
    successor.settimeout(60)
    successor.bind(wire.path(1))
    successor.listen()
    guests[1].sock.close()
    successor.accept()[0].close()
    successor.close()
    os.unlink(wire.path(1))
    exchange(guests[0], wire.guest(1))


def test_sockets_of_evsd(lab):
    wire = Wire(lab, "server")
    path = str(lab.dir / "s")
    wire.add("s", path, mode="server", **{"socket-mode": "0660", "socket-owner": "nobody:daemon"})
    info = os.stat(path)
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o660 and info.st_uid == 65534
    with pytest.raises(RpcError, match="belongs to another port"):
        wire.add("twin", path, mode="server")
    with pytest.raises(RpcError, match="less than 108"):
        wire.add("long", "/tmp/" + "x" * 110)
    with pytest.raises(RpcError, match="directory"):
        wire.add("nowhere", lab.dir / "no" / "such", mode="server")
    wire.evsd.kill()  # leaves its sockets behind
    assert os.path.exists(path)
    wire.evsd.start()
    Guest(path, 0).close()
    wire.evsd.call("port.del", name="s")
    assert not os.path.exists(path)
    taken = socket.socket(socket.AF_UNIX)
    taken.bind(path)
    taken.listen()
    with pytest.raises(RpcError, match="another process listens"):
        wire.add("s", path, mode="server")
    taken.close()
    wire.add("s", path, mode="server")


def test_a_socket_of_evsd_that_is_removed_or_replaced(lab):
    """Who is connected notices nothing; who comes next finds a socket."""
    wire = Wire(lab, "server")
    guests = [wire.guest(n) for n in (0, 1)]
    path = pathlib.Path(wire.path(1))
    path.unlink()
    exchange(*guests)
    guests[1].close()
    wait_for(path.exists, "the socket is made anew")
    guests[1] = wire.guest(1)
    exchange(*guests)
    guests[1].close()

    other = socket.socket(socket.AF_UNIX)
    path.unlink()
    other.bind(str(path))
    other.listen()
    wait_for(lambda: wire.status(1, "socket").startswith("lost"), "evsd sees the other socket")
    other.close()  # and leaves its file behind
    wait_for(lambda: wire.status(1, "socket") == "listening", "evsd has the path again")
    guests[1] = wire.guest(1)
    exchange(*guests)
    wire.evsd.check_accounts()
