# SPDX-License-Identifier: Apache-2.0
"""Controllers that we did not write, and what a bridge does when it has several, or none that answers.

    a (10.0.0.1, tap), b (10.0.0.2, tap) ---- br0 ---- controller(s)
"""
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from evslib import Ofctl, wait_for
from evslib import ofraw as of
from evslib.capture import bad_checksums
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


@pytest.mark.parametrize("max_len", [0xFFFF, 60])
def test_osken(lab, max_len):
    """A learning switch; whole or kept in a buffer (it has more than 60 bytes), the first packet of a connection
    passes, whose checksum was left to the switch."""
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24", quiet=True, offload=True)
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24", quiet=True, offload=True)
    port = free_port()
    app = pathlib.Path(__file__).parent / "evslib" / "osken_switch.py"
    background(lab, "env", f"MAX_LEN={max_len}", "/usr/bin/python3", shutil.which("osken-manager"), "--ofp-listen-host", "127.0.0.1",
               "--ofp-tcp-listen-port", port, app)
    target = f"tcp:127.0.0.1:{port}"
    evsd.call("controller.add", bridge="br0", target=target, **{"max-backoff": 1})
    connected(evsd, target)
    ofctl = Ofctl(evsd)
    wait_for(lambda: ofctl.flows(), "the controller's rule")
    with lab.capture(b, at_b, "tcp[tcpflags] == tcp-syn") as capture:
        assert a.iperf(b, "10.0.0.2")["sum_received"]["bytes"] > 5e6
    syn, = capture.stop()[:1]
    assert not bad_checksums([syn])
    assert " InCsumErrors" in b.run("cat", "/proc/net/snmp")
    assert {line.split()[-1] for line in b.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Tcp: ")} == {"InCsumErrors", "0"}
    a.ping("10.0.0.2", count=10)
    assert controller(evsd, target)["packet-ins"] >= 2
    assert any("dl_dst" in flow for flow in ofctl.flows())
    evsd.check_accounts()


def test_osken_rest(bench):
    """Every function of os-ken's library for REST applications, over HTTP."""
    lab, evsd, a, b = bench
    port, http = free_port(), free_port()
    app = pathlib.Path(__file__).parent / "evslib" / "osken_rest.py"
    background(lab, "env", f"REST_PORT={http}", "/usr/bin/python3", shutil.which("osken-manager"), "--ofp-listen-host", "127.0.0.1",
               "--ofp-tcp-listen-port", port, app)
    evsd.call("controller.add", bridge="br0", target=f"tcp:127.0.0.1:{port}", **{"max-backoff": 1})

    def ask(name, *arguments):
        request = urllib.request.Request(f"http://127.0.0.1:{http}/{name}", json.dumps(arguments).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def told(name, *arguments):
        (answer,) = ask(name, *arguments).values()
        return answer

    def is_there():
        try:
            return told("get_desc_stats")
        except (OSError, urllib.error.HTTPError):
            return None
    assert wait_for(is_there, "os-ken serves, and has the switch")["mfr_desc"] == "evs"
    # Rules: what is written is told, and does it.
    ask("mod_meter_entry", {"meter_id": 1, "flags": ["KBPS", "BURST", "STATS"],
                            "bands": [{"type": "DROP", "rate": 100000, "burst_size": 1000},
                                      {"type": "DSCP_REMARK", "rate": 50000, "burst_size": 500, "prec_level": 1}]}, 0)
    ask("mod_group_entry", {"group_id": 1, "type": "SELECT", "buckets": [
        {"weight": 1, "watch_port": 0xFFFFFFFF, "watch_group": 0xFFFFFFFF, "actions": [{"type": "OUTPUT", "port": 2}]}]}, 0)
    ask("mod_group_entry", {"group_id": 2, "type": "FF", "buckets": [
        {"watch_port": 1, "watch_group": 0xFFFFFFFF, "actions": [{"type": "OUTPUT", "port": 1}]}]}, 0)
    rules = [{"priority": 10, "match": {"in_port": 1}, "cookie": 7, "actions": [
                 {"type": "METER", "meter_id": 1}, {"type": "GOTO_TABLE", "table_id": 3}]},
             {"priority": 10, "table_id": 3, "match": {}, "actions": [
                 {"type": "WRITE_METADATA", "metadata": 5, "metadata_mask": 255},
                 {"type": "WRITE_ACTIONS", "actions": [{"type": "GROUP", "group_id": 1}]}]},
             {"priority": 10, "match": {"in_port": 2}, "actions": [{"type": "GROUP", "group_id": 2}]},
             {"priority": 9, "match": {"eth_type": 0x0800, "ip_proto": 6, "ipv4_dst": "10.0.0.0/24", "tcp_dst": 80}, "idle_timeout": 60,
              "flags": 1, "actions": [{"type": "PUSH_VLAN", "ethertype": 0x8100}, {"type": "SET_FIELD", "field": "vlan_vid", "value": 0x1005},
                                      {"type": "DEC_NW_TTL"}, {"type": "SET_QUEUE", "queue_id": 0}, {"type": "OUTPUT", "port": "NORMAL"}]}]
    for rule in rules:
        ask("mod_flow_entry", rule, 0)
    assert ask("errors") == []
    a.ping("10.0.0.2", count=3)
    flows = told("get_flow_stats", {})
    assert len(flows) == 4 and {flow["table_id"] for flow in flows} == {0, 3}
    by_cookie = told("get_flow_stats", {"cookie": 7, "cookie_mask": 0xFF})
    assert [flow["actions"] for flow in by_cookie] == [["METER:1", "GOTO_TABLE:3"]] and by_cookie[0]["packet_count"] >= 3
    (tcp,) = told("get_flow_stats", {"match": {"eth_type": 0x0800}})
    assert tcp["match"] == {"dl_type": 0x0800, "nw_proto": 6, "nw_dst": "10.0.0.0/255.255.255.0", "tp_dst": 80}
    assert tcp["actions"] == ["PUSH_VLAN:33024", "SET_FIELD: {vlan_vid:4101}", "DEC_NW_TTL", "SET_QUEUE:0", "OUTPUT:NORMAL"]
    assert told("get_aggregate_flow_stats", {"table_id": 255})[0]["flow_count"] == 4
    tables = told("get_table_stats")
    assert len(tables) == 254 and tables[3]["active_count"] == 1 and tables[3]["matched_count"] >= 3
    # Ports, queues, groups, meters, features.
    assert {port["name"] for port in told("get_port_desc")} == {"a", "b"}
    assert all(port["rx_packets"] >= 3 for port in told("get_port_stats"))
    assert told("get_port_stats", 1)[0]["port_no"] == 1
    assert told("get_queue_stats") == [] and told("get_queue_config", 2)[0]["queues"] == []
    groups = {row["group_id"]: row for row in told("get_group_stats")}
    assert groups[1]["packet_count"] >= 3 and groups[1]["ref_count"] == 1 and groups[2]["bucket_stats"][0]["packet_count"] >= 3
    assert {row["group_id"]: row["type"] for row in told("get_group_desc")} == {1: "SELECT", 2: "FF"}
    assert set(told("get_group_features")[0]["types"]) == {"ALL", "SELECT", "INDIRECT", "FF"}
    (meter,) = told("get_meter_stats", 1)
    assert meter["flow_count"] == 1 and meter["packet_in_count"] >= 3 and len(meter["band_stats"]) == 2
    (config,) = told("get_meter_config")
    assert set(config["flags"]) == {"KBPS", "BURST", "STATS"} and [band["rate"] for band in config["bands"]] == [100000, 50000]
    assert set(told("get_meter_features")[0]["band_types"]) == {"DROP", "DSCP_REMARK"}
    features = told("get_table_features")
    assert len(features) == 254 and features[5]["name"] == "table5"
    # Roles and ports are changed; what goes goes.
    assert told("get_role")[0]["role"] == "EQUAL"
    ask("set_role", {"role": "MASTER"})
    assert told("get_role")[0]["role"] == "MASTER"
    hw_addr = next(port for port in told("get_port_desc") if port["name"] == "b")["hw_addr"]
    ask("mod_port_behavior", {"port_no": 2, "hw_addr": hw_addr, "config": 1 << 5, "mask": 1 << 5, "advertise": 0})
    wait_for(lambda: next(port for port in told("get_port_desc") if port["name"] == "b")["config"] == 1 << 5, "no-fwd")
    assert not a.can_ping("10.0.0.2")
    ask("mod_flow_entry", {"priority": 10, "match": {"in_port": 1}, "actions": [{"type": "OUTPUT", "port": 2}]}, 1)
    ask("mod_group_entry", {"group_id": 1}, 2)
    ask("mod_meter_entry", {"meter_id": 1}, 2)
    ask("mod_flow_entry", {"priority": 9, "match": {"eth_type": 0x0800, "ip_proto": 6, "ipv4_dst": "10.0.0.0/24", "tcp_dst": 80}}, 4)
    left = told("get_flow_stats", {})
    assert sorted(flow["actions"] for flow in left) == [["GROUP:2"], ["OUTPUT:2"]]
    ask("mod_flow_entry", {"table_id": 255}, 3)
    assert told("get_flow_stats", {}) == []
    # What is refused comes back as an error.
    ask("mod_group_entry", {"group_id": 2, "type": "ALL", "buckets": []}, 0)
    wait_for(lambda: ask("errors") == [[6, 0]], "the error is told")
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

    def limited():
        a.send(lab.iface("a"), *[bytes(60)] * 200)
        return controller(evsd, f"punix:{path}")["packet-ins-limited"] > 150
    wait_for(limited, "packet-ins are limited")
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
    wait_for(lambda: a.can_ping("10.0.0.2"), "it learns by itself")
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
