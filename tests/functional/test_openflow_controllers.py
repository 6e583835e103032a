# SPDX-License-Identifier: Apache-2.0
"""Controllers that we did not write, and what a bridge does when it has several, or none that answers.

    a (10.0.0.1, tap), b (10.0.0.2, tap) ---- br0 ---- controller(s)
"""
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import pytest
from evslib import Ofctl, wait_for
from evslib import ofraw as of
from evslib.ofctl import FLOW_REMOVED, PACKET_IN, ROLE, ROLE_REPLY, SET_ASYNC, Session, message

EQUAL, MASTER, SLAVE = 1, 2, 3


@pytest.fixture
def bench(lab):
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24", quiet=True)
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24", quiet=True)
    return lab, evsd, a, b


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def background(lab, *words):
    with open(lab.dir / "controller.log", "wb") as log:
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end():
        process.terminate()
        process.wait(60)
    lab.stack.callback(end)
    return process


def controller(evsd, target):
    return next(row for row in evsd.call("controller.show", bridge="br0") if row["target"] == target)


def connected(evsd, target):
    return wait_for(lambda: controller(evsd, target)["connected"], f"{target} is connected", timeout=60)


def test_osken(bench):
    lab, evsd, a, b = bench
    port = free_port()
    app = pathlib.Path(__file__).parent / "evslib" / "osken_switch.py"
    background(lab, "/usr/bin/python3", shutil.which("osken-manager"), "--ofp-listen-host", "127.0.0.1",
               "--ofp-tcp-listen-port", port, app)
    target = f"tcp:127.0.0.1:{port}"
    evsd.call("controller.add", bridge="br0", target=target, **{"max-backoff": 1})
    connected(evsd, target)
    ofctl = Ofctl(evsd)
    wait_for(lambda: ofctl.flows(), "the controller's rule")
    a.ping("10.0.0.2", count=10)
    assert controller(evsd, target)["packet-ins"] >= 2
    assert any("dl_dst" in flow for flow in ofctl.flows())
    evsd.check_accounts()


def test_ovs_testcontroller_passive(bench):
    """It calls us: ptcp."""
    lab, evsd, a, b = bench
    port = free_port()
    evsd.call("controller.add", bridge="br0", target=f"ptcp:{port}:127.0.0.1")
    assert not a.can_ping("10.0.0.2")  # with a controller configured table 0 is empty
    background(lab, "ovs-testcontroller", "-O", "OpenFlow13", f"--unixctl={lab.dir}/tc.ctl", f"tcp:127.0.0.1:{port}")
    connected(evsd, f"ptcp:{port}:127.0.0.1")
    wait_for(lambda: a.can_ping("10.0.0.2"), "ovs-testcontroller lets packets pass")
    wait_for(lambda: a.ping("10.0.0.2", count=10, check=False), "ten echoes")
    assert {reason for _, reason in evsd.drops()} <= {"table-miss"}
    Ofctl(evsd)("del-flows")
    evsd.call("controller.del", bridge="br0", target=f"ptcp:{port}:127.0.0.1")
    wait_for(lambda: a.can_ping("10.0.0.2"), "without a controller the bridge learns by itself")


def test_ovs_testcontroller_active_ipv6(bench):
    lab, evsd, a, b = bench
    port = free_port()
    background(lab, "ovs-testcontroller", "-O", "OpenFlow13", "-H", f"--unixctl={lab.dir}/tc.ctl", f"ptcp:{port}:[::1]")
    evsd.call("controller.add", bridge="br0", target=f"tcp:[::1]:{port}")
    connected(evsd, f"tcp:[::1]:{port}")
    wait_for(lambda: a.can_ping("10.0.0.2"), "ovs-testcontroller lets packets pass")


def ask_role(session, role, generation):
    return session.ask(ROLE, struct.pack("!IxxxxQ", role, generation), ROLE_REPLY)


def test_roles(bench):
    lab, evsd, a, b = bench
    path = lab.dir / "c"
    evsd.call("controller.add", bridge="br0", target=f"punix:{path}")
    first, second = Session(path), Session(path)
    assert struct.unpack_from("!I", ask_role(first, MASTER, 5), 8)[0] == MASTER
    assert ask_role(second, MASTER, 4) == (11, 0)  # stale
    assert struct.unpack_from("!I", ask_role(second, MASTER, 6), 8)[0] == MASTER
    # The first is a slave now: it may look, not touch, and is told nothing of packets.
    assert struct.unpack_from("!I", ask_role(first, 0, 0), 8)[0] == SLAVE
    assert first.ask(14, of.flow([])[8:], 255) == (1, 10)
    assert first.ask(18, struct.pack("!HHxxxx", 0, 0), 19)[1] == 19
    second.send(of.flow([], of.actions(of.output(of.CONTROLLER)), priority=0))
    second.barrier()
    a.can_ping("10.0.0.2")
    second.wait(PACKET_IN)
    first.barrier()
    assert not [got for got in first.others if got[1] == PACKET_IN]
    # Masks by role: the slave wants packets, the master none.
    first.send(message(SET_ASYNC, struct.pack("!6I", 0, 7, 0, 7, 0, 15)))
    second.send(message(SET_ASYNC, struct.pack("!6I", 0, 0, 0, 0, 15, 15)))
    first.barrier()
    second.barrier()
    second.others.clear()
    a.can_ping("10.0.0.2")
    first.wait(PACKET_IN)
    second.barrier()
    assert not [got for got in second.others if got[1] == PACKET_IN]
    second.send(of.flow([], flags=1, priority=3) + of.flow([], priority=3, command=4))
    second.wait(FLOW_REMOVED)


def test_packet_in_rate_limit(bench):
    lab, evsd, a, b = bench
    path = lab.dir / "c"
    evsd.call("controller.add", bridge="br0", target=f"punix:{path}", **{"rate-limit": 10, "burst-limit": 5})
    session = Session(path)
    session.send(of.flow([], of.actions(of.output(of.CONTROLLER)), priority=0))
    session.barrier()
    begin = time.monotonic()
    a.send(lab.iface("a"), *[bytes(60)] * 200)
    wait_for(lambda: controller(evsd, f"punix:{path}")["packet-ins-limited"] > 150, "packet-ins are limited")
    row = controller(evsd, f"punix:{path}")
    assert 5 <= row["packet-ins"] <= 5 + 10 * (time.monotonic() - begin) + 1
    evsd.check_accounts()


def test_reconnect(bench):
    """Called again when it comes back; meanwhile the rules stay, for cached flows and new ones."""
    lab, evsd, a, b = bench
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    port = listener.getsockname()[1]
    target = f"tcp:127.0.0.1:{port}"
    evsd.call("controller.add", bridge="br0", target=target, **{"max-backoff": 1})
    session = Session(listener.accept()[0])
    session.send(of.flow([], of.actions(of.output(of.NORMAL)), priority=0))
    session.barrier()
    a.ping("10.0.0.2")
    listener.close()
    session.close()
    wait_for(lambda: not controller(evsd, target)["connected"], "evsd noticed")
    a.ping("10.0.0.2")
    wait_for(lambda: "refused" in controller(evsd, target)["last-error"].lower(), "refused connections are told")
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(60)
    Session(listener.accept()[0]).barrier()
    listener.close()


def test_fail_modes(bench):
    lab, evsd, a, b = bench
    assert a.can_ping("10.0.0.2")
    evsd.call("bridge.set", **{"name": "br0", "fail-mode": "secure"})
    wait_for(lambda: not a.can_ping("10.0.0.2"), "secure: nothing passes without rules")
    evsd.call("bridge.set", **{"name": "br0", "fail-mode": "standalone"})
    wait_for(lambda: a.can_ping("10.0.0.2"), "standalone: learns by itself")


def test_standing_alone(bench):
    """A bridge set to fail standalone forwards by itself while no controller answers; its rules stay, and rule again."""
    lab, evsd, a, b = bench
    evsd.call("bridge.set", **{"name": "br0", "fail-mode": "standalone"})
    path = lab.dir / "c"
    evsd.call("controller.add", bridge="br0", target=f"punix:{path}")
    wait_for(lambda: a.can_ping("10.0.0.2"), "nobody has called yet: it forwards")
    first, second = Session(path), Session(path)
    for session in (first, second):
        session.barrier()
    wait_for(lambda: not a.can_ping("10.0.0.2"), "a controller is there, and has no rules")
    first.send(of.flow([], priority=5))
    first.barrier()
    first.close()
    second.barrier()
    assert not a.can_ping("10.0.0.2")
    second.close()
    wait_for(lambda: a.can_ping("10.0.0.2"), "all are lost: it forwards, whatever the rules say")
    assert "stands alone" in evsd.evsctl("trace", "br0", "in_port=a,arp")
    assert Ofctl(evsd).flows() == ["priority=5 actions=drop"]
    third = Session(path)
    third.barrier()
    wait_for(lambda: not a.can_ping("10.0.0.2"), "one is back")
    evsd.call("controller.del", bridge="br0", target=f"punix:{path}")
    Ofctl(evsd)("del-flows")
    assert not a.can_ping("10.0.0.2")  # who deletes the rules of a bridge without controller has none
    evsd.call("bridge.set", **{"name": "br0", "fail-mode": "secure"})
    evsd.call("bridge.set", **{"name": "br0", "fail-mode": "standalone"})
    wait_for(lambda: a.can_ping("10.0.0.2"), "it becomes standalone again")


def test_silent_controller_is_left(bench):
    """One that answers no echo is called again."""
    lab, evsd, a, b = bench
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    target = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
    evsd.call("controller.add", bridge="br0", target=target, probe=1, **{"max-backoff": 1})
    Session(listener.accept()[0])  # and then not a word
    listener.accept()
    listener.close()
