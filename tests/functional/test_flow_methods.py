# SPDX-License-Identifier: Apache-2.0
"""Rules, groups and meters by evsctl and JSON-RPC.

    left -- tap -- br0 (evsd) -- tap -- right        evsctl, ovs-ofctl == br0
"""
import re
import shutil

import pytest
from evslib import RpcError, wait_for
from evslib.netns import sh

TIMES = re.compile(r"duration=[\d.]+s")


@pytest.fixture
def evsd(lab):
    return lab.evsd()


@pytest.fixture
def null_ports(evsd, lab):
    """Two ports that nobody is behind."""
    for name in ("p1", "p2"):
        evsd.call("port.add", bridge="br0", name=name, type="tap", ifname=lab.iface(name))
    return evsd


def texts(evsd, *words):
    return [row["text"] for row in evsd.evsctl("flow", "dump", "br0", *words, json_output=True)]


def matches(evsd, **params):
    return {(row["table"], row["priority"], row["match"]): row["actions"]
            for row in evsd.call("flow.dump", bridge="br0", **params)}


def test_a_fresh_bridge_acts_as_normal(evsd):
    (row,) = evsd.call("flow.dump", bridge="br0")
    assert row["priority"] == 0 and row["actions"] == "NORMAL" and row["match"] == ""


def test_add_mod_del(null_ports):
    evsd = null_ports
    evsd.evsctl("flow", "add", "br0", "priority=10,udp,nw_dst=10.0.0.0/8,actions=output:2",
                "table=1,priority=5,in_port=p1,cookie=0x7,actions=output:p2")
    assert matches(evsd) == {(0, 0, ""): "NORMAL", (0, 10, "udp,nw_dst=10.0.0.0/8"): "output:2",
                             (1, 5, "in_port=1"): "output:2"}
    (row,) = evsd.call("flow.dump", bridge="br0", filter="table=1", names=True)
    assert "p1" in row["match"] and "p2" in row["actions"] and row["cookie"] == "0x7"
    assert row["fields"] == {"in_port": '"p1"'} or "p1" in row["fields"]["in_port"]
    evsd.evsctl("flow", "mod", "br0", "udp,actions=drop")
    assert matches(evsd, filter="udp") == {(0, 10, "udp,nw_dst=10.0.0.0/8"): "drop"}
    evsd.evsctl("flow", "mod", "br0", "strict=on", "udp,actions=output:1")  # no such rule: nothing happens
    assert matches(evsd, filter="udp") == {(0, 10, "udp,nw_dst=10.0.0.0/8"): "drop"}
    evsd.evsctl("flow", "del", "br0", "strict=on", "priority=11,udp,nw_dst=10.0.0.0/8")
    assert len(matches(evsd)) == 3
    evsd.evsctl("flow", "del", "br0", "strict=on", "priority=10,udp,nw_dst=10.0.0.0/8")
    evsd.evsctl("flow", "del", "br0", "out_port=p1")
    assert len(matches(evsd)) == 2
    evsd.evsctl("flow", "del", "br0", "out_port=p2")
    assert len(matches(evsd)) == 1
    evsd.evsctl("flow", "del", "br0")
    assert matches(evsd) == {}
    evsd.evsctl("flow", "del", "br0")  # nothing is there: that is no error


@pytest.mark.parametrize("text, column, word", [
    ("priority=10,udp,nw_srcc=10.0.0.1,actions=drop", 17, "nw_srcc"),
    ("ip,nw_dst=10.0.0.999,actions=drop", 11, "10.0.0.999"),
    ("nw_dst=10.0.0.1,actions=drop", 1, "nw_dst"),
    ("udp,actions=outputt:1", 13, "outputt"),
    ("udp,actions=output:nowhere", 20, "nowhere"),
    ("udp", 4, "actions="),
])
def test_errors_name_column_and_word(evsd, text, column, word):
    before = matches(evsd)
    run = evsd.evsctl("flow", "add", "br0", text, check=False)
    assert run.returncode == 1 and f"column {column}" in run.stderr and word in run.stderr, run.stderr
    assert matches(evsd) == before


def test_a_list_is_added_wholly_or_not_at_all(null_ports):
    evsd = null_ports
    evsd.call("flow.add", bridge="br0", flows=["priority=9,tcp,cookie=5,actions=output:1"])
    before = matches(evsd)
    with pytest.raises(RpcError, match="flow 3.*column 5"):
        evsd.call("flow.add", bridge="br0", flows=["udp,actions=drop", "icmp,actions=drop", "tcp,actiones=drop"])
    assert matches(evsd) == before
    # Refused by the tables: what came before is taken back, also what it replaced or deleted.
    with pytest.raises(RpcError, match="flow 4.*group") as refused:
        evsd.call("flow.add", bridge="br0",
                  flows=["priority=9,tcp,actions=drop", "udp,actions=drop", "priority=0,actions=drop",
                         "ip,actions=group:77", "icmp,actions=drop"])
    assert refused.value.errno == 2
    assert matches(evsd) == before
    (row,) = evsd.call("flow.dump", bridge="br0", filter="tcp")
    assert row["cookie"] == "0x5"
    evsd.call("flow.add", bridge="br0", flows=["udp,actions=drop"])
    assert len(matches(evsd)) == len(before) + 1


def test_replace(null_ports, lab):
    evsd = null_ports
    path = lab.dir / "rules.txt"
    path.write_text("# rules\n\npriority=10,udp,actions=output:1\ntable=3,tcp,tp_dst=80,actions=output:2\n"
                    "priority=0,actions=NORMAL\n")
    evsd.evsctl("flow", "replace", "br0", path)
    wanted = {(0, 10, "udp"): "output:1", (3, 0x8000, "tcp,tp_dst=80"): "output:2", (0, 0, ""): "NORMAL"}
    assert matches(evsd) == wanted
    again = evsd.evsctl("flow", "replace", "br0", path, json_output=True)
    assert again == {"deleted": 0, "written": 0, "kept": 3}
    # A refused line changes nothing, and says which it is.
    for bad, said in (("udp,actions=nonsense", "line 2"), ("udp,actions=group:9", "line 2")):
        run = evsd.evsctl("flow", "replace", "br0", "-", stdin=f"icmp,actions=drop\n{bad}\n", check=False)
        assert run.returncode == 1 and said in run.stderr, run.stderr
        assert matches(evsd) == wanted
    change = evsd.evsctl("flow", "replace", "br0", "-", stdin="priority=10,udp,actions=output:2\n", json_output=True)
    assert change == {"deleted": 2, "written": 1, "kept": 0}
    assert matches(evsd) == {(0, 10, "udp"): "output:2"}
    evsd.evsctl("flow", "replace", "br0", "-", stdin="")
    assert matches(evsd) == {}
    absent = evsd.evsctl("flow", "replace", "br0", lab.dir / "absent", check=False)
    assert absent.returncode == 2 and "absent" in absent.stderr


def test_replace_of_many(evsd):
    many = [f"priority={i % 100 + 1},udp,nw_dst=10.{i >> 8}.{i & 255}.1,actions=drop" for i in range(5000)]
    assert evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(many), json_output=True)["written"] == 5000
    assert len(matches(evsd)) == 5000
    run = evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(many[:10] + ["ip,actions=group:1"]), check=False)
    assert run.returncode == 1 and len(matches(evsd)) == 5000
    done = evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(many[:10]), json_output=True)
    assert done == {"deleted": 4990, "written": 0, "kept": 10}
    assert len(evsd.call("flow.dump", bridge="br0", limit=3)) == 3


def test_replace_in_parts(evsd):
    """A file of more rules than one request may hold: at one moment, or not at all."""
    rule = lambda i, port: f"table={i % 3},priority={i % 7 + 1},udp,nw_dst=10.{i >> 16}.{i >> 8 & 255}.{i & 255},actions=output:{port}"  # noqa: E731
    n = 21000
    many = [rule(i, 1) for i in range(n)]
    count = lambda: len(evsd.call("flow.dump", bridge="br0", filter="table=0", limit=n))  # noqa: E731
    done = evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(many), json_output=True)
    assert done == {"deleted": 1, "written": n, "kept": 0}  # NORMAL of the fresh bridge went
    assert count() == (n + 2) // 3
    # One line that is refused, at its end: nothing changes, and the line is named.
    for bad, line in (("ip,actions=group:9", n + 1), ("ip,actions=nonsense", n + 1)):
        run = evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(many + [bad]), check=False)
        assert run.returncode == 1 and f"line {line}" in run.stderr, run.stderr
        assert count() == (n + 2) // 3
    # Of equal rules the last one counts.
    some = [rule(i, 1 + i % 2) for i in range(1000, n)] + [rule(1000, 3), rule(1000, 1), rule(0, 2), rule(0, 2)]
    done = evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(some), json_output=True)
    assert done == {"deleted": 999, "written": (n - 1000) // 2 + 2, "kept": (n - 1000) // 2 - 1}
    assert evsd.evsctl("flow", "replace", "br0", "-", stdin="\n".join(some), json_output=True)["written"] == 1


def test_replace_collects_by_connection(evsd):
    part = lambda client, flows, **kw: client.call("flow.replace", bridge="br0", flows=flows, **kw)  # noqa: E731
    evsd.call("bridge.add", name="br1", internal=False)
    with evsd.connect() as one, evsd.connect() as two:
        assert part(one, ["udp,actions=drop", "# tcp", ""], more=True) == {"lines": 3}
        assert part(two, ["icmp,actions=drop"], more=True) == {"lines": 1}
        assert matches(evsd) == {(0, 0, ""): "NORMAL"}  # nothing happened
        with pytest.raises(RpcError, match="collects rules for bridge 'br0'"):
            one.call("flow.replace", bridge="br1", flows=["udp,actions=drop"])
        assert part(one, ["sctp,actions=drop"]) == {"deleted": 1, "written": 2, "kept": 0}
        assert {key[2] for key in matches(evsd)} == {"udp", "sctp"}
        # What was collected is gone after an error, and with its connection.
        with pytest.raises(RpcError, match="line 2"):
            part(two, ["nonsense"], more=True)
        assert part(two, ["arp,actions=drop"]) == {"deleted": 2, "written": 1, "kept": 0}
        part(two, ["udp,actions=drop"], more=True)
    with evsd.connect() as three:
        assert part(three, ["arp,actions=drop"]) == {"deleted": 0, "written": 0, "kept": 1}
        part(three, ["udp,actions=drop"], more=True)
        evsd.call("bridge.del", name="br0")
        with pytest.raises(RpcError, match="br0"):
            part(three, ["udp,actions=drop"])


@pytest.mark.skipif(not shutil.which("ovs-ofctl"), reason="ovs-ofctl is not installed")
def test_dump_is_that_of_ovs_ofctl(null_ports):
    evsd = null_ports
    evsd.call("flow.add", bridge="br0", flows=[
        "table=0,priority=10,udp,nw_dst=10.0.0.0/8,actions=output:2", "arp,arp_op=1,actions=CONTROLLER:65535",
        "table=1,cookie=0x12,idle_timeout=60,tcp6,ipv6_dst=2001:db8::/32,tp_dst=443,actions=dec_ttl,output:1",
        "priority=7,dl_vlan=10,actions=strip_vlan,goto_table:1", "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=drop"])
    theirs = sh("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", f"unix:{evsd.run_dir}/br0.mgmt")
    theirs = {TIMES.sub("", line.strip()) for line in theirs.splitlines() if "cookie" in line}
    ours = {TIMES.sub("", line.strip()) for line in evsd.evsctl("flow", "dump", "br0").splitlines()}
    assert ours == theirs


def test_groups(null_ports):
    evsd = null_ports
    evsd.evsctl("group", "add", "br0", "group_id=1,type=select,bucket=actions=output:1,bucket=weight:2,actions=output:p2")
    evsd.evsctl("flow", "add", "br0", "udp,actions=group:1")
    (row,) = evsd.call("group.dump", bridge="br0")
    assert row["group-id"] == 1 and row["type"] == "select" and row["users"] == 1
    assert [(b["actions"], b["weight"]) for b in row["buckets"]] == [("output:1", 1), ("output:2", 2)]
    assert "group_id=1,type=select" in evsd.evsctl("group", "dump", "br0")
    twice = evsd.evsctl("group", "add", "br0", "group_id=1,type=all", check=False)
    assert twice.returncode == 1 and "group mod" in twice.stderr
    evsd.evsctl("group", "mod", "br0", "group_id=1,type=all,bucket=actions=output:2")
    assert evsd.call("group.dump", bridge="br0", group=1)[0]["type"] == "all"
    with pytest.raises(RpcError, match="no group 2"):
        evsd.call("group.dump", bridge="br0", group=2)
    with pytest.raises(RpcError, match="column 12"):
        evsd.call("group.add", bridge="br0", text="group_id=2,typ=all")
    evsd.evsctl("group", "del", "br0", "group_id=1")
    assert evsd.call("group.dump", bridge="br0") == []
    assert (0, 0x8000, "udp") not in matches(evsd)


def test_meters(null_ports):
    evsd = null_ports
    evsd.evsctl("meter", "add", "br0", "meter=1,kbps,burst,bands=type=drop,rate=1000,burst_size=100")
    evsd.evsctl("flow", "add", "br0", "udp,actions=meter:1,output:2")
    (row,) = evsd.call("meter.dump", bridge="br0")
    assert row["meter-id"] == 1 and row["unit"] == "kbps" and row["rules"] == 1
    assert row["bands"][0]["rate"] == 1000 and row["bands"][0]["type"] == "drop"
    assert "meter=1 kbps burst" in evsd.evsctl("meter", "dump", "br0")
    twice = evsd.evsctl("meter", "add", "br0", "meter=1,kbps,bands=type=drop,rate=1", check=False)
    assert twice.returncode == 1 and "meter mod" in twice.stderr
    evsd.evsctl("meter", "mod", "br0", "meter=1,pktps,bands=type=drop,rate=50")
    assert evsd.call("meter.dump", bridge="br0", meter=1)[0]["unit"] == "pktps"
    with pytest.raises(RpcError, match="meter"):
        evsd.call("meter.dump", bridge="br0", meter=9)
    with pytest.raises(RpcError, match="column 9.*kbits"):
        evsd.call("meter.add", bridge="br0", text="meter=2,kbits,bands=type=drop,rate=1")
    evsd.evsctl("meter", "del", "br0", "meter=1")
    assert evsd.call("meter.dump", bridge="br0") == []
    assert (0, 0x8000, "udp") not in matches(evsd)


def test_an_answer_means_that_packets_follow(lab, evsd):
    """No packet that is sent after the answer meets the rule of before."""
    left, iface = lab.tap_guest(evsd, "left", "10.0.0.1/24")
    right, _ = lab.tap_guest(evsd, "right", "10.0.0.2/24")
    wait_for(lambda: left.can_ping("10.0.0.2"), "the first echo")
    for _ in range(10):
        evsd.call("flow.add", bridge="br0", flows=["icmp,actions=drop"])
        assert " 0 received" in left.run("ping", "-c", "1", "-W", "0.1", "10.0.0.2", check=False)
        evsd.call("flow.del", bridge="br0", flows=["icmp"])
        assert " 1 received" in left.run("ping", "-c", "1", "-W", "60", "10.0.0.2", check=False)


def test_removed_rules_are_told(evsd):
    with evsd.connect() as client:
        client.call("rpc.subscribe", topics=["flow-removed"])
        evsd.call("flow.add", bridge="br0", flows=["send_flow_rem,cookie=0x9,hard_timeout=1,udp,actions=drop",
                                                   "send_flow_rem,priority=3,tcp,actions=drop", "icmp,actions=drop"])
        evsd.call("flow.del", bridge="br0", flows=["tcp", "icmp"])
        both = [client.notification("flow-removed") for _ in range(2)]  # in whatever order: the machine may stand still
        tcp, udp = sorted(both, key=lambda gone: gone["match"])
        assert tcp["reason"] == "delete" and tcp["match"] == "tcp" and tcp["priority"] == 3
        assert udp["reason"] == "hard-timeout" and udp["match"] == "udp" and udp["cookie"] == "0x9"
        assert udp["bridge"] == "br0" and udp["age"] >= 1


def test_unknown_bridge(evsd):
    for words in (["flow", "add", "nope", "actions=drop"], ["flow", "dump", "nope"], ["group", "dump", "nope"],
                  ["meter", "del", "nope"], ["trace", "nope", "in_port=1"]):
        run = evsd.evsctl(*words, check=False)
        assert run.returncode == 1 and "nope" in run.stderr, words
