# SPDX-License-Identifier: Apache-2.0
"""ovs-ofctl, which we did not write, says and asks everything of OpenFlow 1.3 that it can.

    p1, p2 (tap) ---- br0 ---- x1 = patch = x2 ---- br1
"""
import re
import subprocess

import pytest
from evslib import Lab, Ofctl, wait_for


@pytest.fixture(scope="module")
def bench():
    lab = Lab()
    try:
        evsd = lab.evsd()
        evsd.call("bridge.add", name="br1", internal=False)
        guests = [lab.tap_guest(evsd, name, quiet=True) for name in ("p1", "p2")]
        evsd.call("port.add", bridge="br0", name="x1", type="patch", peer="x2")
        evsd.call("port.add", bridge="br1", name="x2", type="patch", peer="x1")
        yield lab, evsd, guests
    finally:
        lab.close()


@pytest.fixture
def ofctl(bench):
    ofctl = Ofctl(bench[1])
    ofctl.set_flows()
    return ofctl


def test_show(ofctl):
    said = ofctl("show")
    assert re.search(r"dpid:[0-9a-f]{16}", said) and "n_tables:254" in said
    for name in ("1(p1)", "2(p2)", "3(x1)"):
        assert name in said
    assert "evs" in ofctl("dump-desc")
    assert "port  1" in ofctl("dump-ports", 1) and "rx pkts=" in ofctl("dump-ports")
    assert "OFPBRC_BAD_PORT" in ofctl("dump-ports", 77, check=False)
    assert "2(p2)" in ofctl("dump-ports-desc")
    assert "duration=" in ofctl("dump-ports", 1) and "duration=?" not in ofctl("dump-ports")


def test_tables(ofctl):
    ofctl.add("table=3,priority=5,tcp,actions=output:2")
    said = ofctl("dump-tables")
    assert re.search(r"table 3.*\n\s+active=1", said) and "253" in said
    features = ofctl("dump-table-features")
    assert "table 253" in features or "tables 0...253" in features or "ditto" in features
    for word in ("write_actions", "set_field", "goto_table"):
        assert word in features, word
    ofctl("mod-table", 1, "controller", check=False)


def test_flows_add_and_delete(ofctl):
    ofctl("add-flow", "priority=10,in_port=1,actions=output:2")
    ofctl("add-flow", "priority=20,tcp,tcp_dst=80,actions=set_field:02:00:00:00:00:09->eth_dst,output:1")
    ofctl("add-flow", "table=1,cookie=0x5/0xf,actions=drop", check=False)
    ofctl("add-flow", "table=1,cookie=0x5,actions=drop")
    assert len(ofctl.flows()) == 3
    assert len(ofctl.flows("table=1")) == 1
    assert len(ofctl.flows("tcp")) == 1
    assert len(ofctl.flows("out_port=2")) == 1
    assert len(ofctl.flows("cookie=0x5/-1")) == 1
    assert "flow_count=3" in ofctl("dump-aggregate")
    ofctl("del-flows", "cookie=0x4/0x4")
    assert len(ofctl.flows()) == 2
    # Strict: match and priority must be the same; loose: everything that the match covers.
    ofctl("del-flows", "priority=11,in_port=1", options=("--strict",))
    assert len(ofctl.flows()) == 2
    ofctl("del-flows", "priority=10,in_port=1", options=("--strict",))
    assert len(ofctl.flows()) == 1
    ofctl("del-flows", "ip")
    assert ofctl.flows() == []


def test_flows_modify(ofctl):
    ofctl.add("priority=1,ip,actions=output:1", "priority=2,tcp,actions=output:1", "priority=3,arp,actions=output:1")
    ofctl("mod-flows", "ip,actions=output:2")
    assert sum("p2" in flow.split("actions=")[1] or "output:2" in flow for flow in ofctl.flows()) == 2
    ofctl("mod-flows", "priority=2,tcp,actions=drop", options=("--strict",))
    assert sum("actions=drop" in flow for flow in ofctl.flows()) == 1
    ofctl("mod-flows", "udp,actions=drop")  # modifies nothing, adds nothing
    assert len(ofctl.flows()) == 3
    ofctl("add-flow", "check_overlap,priority=9,in_port=1,actions=drop")
    assert "OFPFMFC_OVERLAP" in ofctl("add-flow", "check_overlap,priority=9,tcp,actions=drop", check=False)


def test_flags_are_kept(ofctl):
    ofctl("add-flow", "send_flow_rem,reset_counts,no_packet_counts,no_byte_counts,idle_timeout=60,hard_timeout=90,"
          "priority=7,udp,actions=output:1")
    said = ofctl("dump-flows")
    for word in ("send_flow_rem", "idle_timeout=60", "hard_timeout=90", "priority=7"):
        assert word in said, said


def test_replace_and_diff(ofctl, tmp_path):
    wanted = tmp_path / "flows"
    wanted.write_text("".join(f"priority={i},udp,udp_dst={i},actions=output:{i % 2 + 1}\n" for i in range(1, 400)))
    ofctl.add("priority=1,udp,udp_dst=1,actions=drop", "priority=500,icmp,actions=drop")
    different = ofctl("diff-flows", wanted, check=False)
    assert "udp,tp_dst=399" in different or "tp_dst=399" in different
    ofctl("replace-flows", wanted)
    assert len(ofctl.flows()) == 399
    assert ofctl("diff-flows", wanted) == ""
    assert "flow_count=399" in ofctl("dump-aggregate")


def test_bundle_is_refused_by_version(ofctl):
    """1.3 has no bundles but as an extension, which is refused as such."""
    said = ofctl("add-flow", "actions=drop", check=False, options=("--bundle",))
    assert "BAD_VENDOR" in said or "BAD_EXPERIMENTER" in said, said


def test_groups(ofctl):
    ofctl("add-group", "group_id=1,type=all,bucket=output:1,bucket=output:2")
    ofctl("add-group", "group_id=2,type=select,bucket=weight:3,output:1,bucket=weight:1,output:2")
    ofctl("add-group", "group_id=3,type=indirect,bucket=group:1")
    ofctl("add-group", "group_id=4,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:1,output:2")
    said = ofctl("dump-groups")
    for word in ("type=all", "type=select", "weight:3", "type=indirect", "type=ff", "watch_group:1"):
        assert word in said, said
    assert "OFPGMFC_GROUP_EXISTS" in ofctl("add-group", "group_id=1,type=all", check=False)
    assert "OFPGMFC_LOOP" in ofctl("mod-group", "group_id=1,type=all,bucket=group:3", check=False)
    assert "OFPGMFC_UNKNOWN_GROUP" in ofctl("mod-group", "group_id=9,type=all", check=False)
    ofctl("mod-group", "group_id=2,type=select,bucket=weight:1,output:2")
    assert "weight:3" not in ofctl("dump-groups")
    ofctl("add-flow", "priority=4,ip,actions=group:3")
    stats = ofctl("dump-group-stats")
    assert "group_id=3" in stats and "ref_count=" in stats and "bucket0" in stats
    features = ofctl("dump-group-features")
    assert "all group" in features and "fast failover group" in features
    assert "OFPBAC_BAD_OUT_GROUP" in ofctl("add-flow", "actions=group:99", check=False)
    assert "OFPGMFC_CHAINED_GROUP" in ofctl("del-groups", "group_id=1", check=False)
    ofctl("del-groups", "group_id=3")  # the rules that use it go with it
    assert ofctl.flows() == []
    ofctl("del-groups")
    assert "group_id=" not in ofctl("dump-groups")


def test_meters(ofctl):
    ofctl("add-meter", "meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100")
    ofctl("add-meter", "meter=2,pktps,bands=type=dscp_remark,rate=10,prec_level=1,type=drop,rate=20")
    said = ofctl("dump-meters")
    for word in ("meter=1", "kbps", "rate=1000", "burst_size=100", "dscp_remark", "prec_level=1"):
        assert word in said, said
    assert "OFPMMFC_METER_EXISTS" in ofctl("add-meter", "meter=1,kbps,bands=type=drop,rate=1", check=False)
    assert "OFPMMFC_UNKNOWN_METER" in ofctl("mod-meter", "meter=7,kbps,bands=type=drop,rate=1", check=False)
    ofctl("mod-meter", "meter=1,kbps,bands=type=drop,rate=2000")
    assert "rate=2000" in ofctl("dump-meter", "meter=1")
    ofctl("add-flow", "priority=4,ip,actions=meter:1,output:2")
    assert "flow_count:1" in ofctl("meter-stats", "meter=1")
    assert "max_meter" in ofctl("meter-features")
    ofctl("del-meter", "meter=1")
    assert ofctl.flows() == []
    ofctl("del-meters")
    assert "meter=" not in ofctl("dump-meters")


@pytest.mark.parametrize("port", ["p1", "x1"])
def test_mod_port(ofctl, port):
    for action, word in (("down", "PORT_DOWN"), ("no-receive", "NO_RECV"), ("no-forward", "NO_FWD"),
                         ("no-packet-in", "NO_PACKET_IN")):
        undo = {"down": "up"}.get(action, action.replace("no-", ""))
        ofctl("mod-port", port, action)
        assert word in ofctl("dump-ports-desc").split(f"({port})")[1].split("addr:")[1].split("\n")[1], word
        ofctl("mod-port", port, undo)
        assert word not in ofctl("dump-ports-desc"), word


def test_fragments(ofctl):
    assert "normal" in ofctl("get-frags").lower()
    ofctl("set-frags", "drop")
    assert "drop" in ofctl("get-frags").lower()
    ofctl("set-frags", "normal")
    assert "normal" in ofctl("get-frags").lower()


def test_packet_out_and_monitor(bench, ofctl):
    lab, evsd, guests = bench
    monitor = ofctl.monitor(lab, "65534")
    wait_for(lambda: "OFPT_GET_CONFIG_REPLY" in monitor.text or "OFPT_SET_CONFIG" in monitor.text or
             monitor.process.poll() is None)
    ofctl.add("priority=1,actions=controller:65535")
    capture = lab.capture(*guests[1])
    frame = "02000000000202000000000188b5" + "55" * 46
    ofctl("packet-out", f"in_port=controller,packet={frame},actions=output:2")
    assert bytes(capture.wait(1)[0]).hex() == frame

    def seen():
        ofctl("packet-out", f"in_port=1,packet={frame},actions=table")
        return "OFPT_PACKET_IN" in monitor.text
    wait_for(seen, "the packet comes to the monitor")
    monitor.wait(r"OFPT_PACKET_IN.*total_len=60 in_port=1 \(via (action|no_match)\) data_len=60")


def test_flow_removed(bench, ofctl):
    lab = bench[0]
    monitor = ofctl.monitor(lab, "128")

    def removed():
        ofctl("add-flow", "send_flow_rem,cookie=0x77,priority=9,udp,actions=output:1")
        ofctl("del-flows", "udp")
        return "OFPT_FLOW_REMOVED" in monitor.text
    wait_for(removed, "the monitor is told of a deleted rule")
    monitor.wait(r"OFPT_FLOW_REMOVED.*priority=9,udp reason=delete.*cookie:?=?0x77")
    ofctl("add-flow", "send_flow_rem,hard_timeout=1,priority=8,tcp,actions=output:1")
    monitor.wait(r"OFPT_FLOW_REMOVED.*priority=8,tcp.*reason=hard")


def test_port_status(bench, ofctl):
    lab, evsd, _ = bench
    monitor = ofctl.monitor(lab, "128")

    def seen():
        ofctl("mod-port", "p1", "no-forward")
        ofctl("mod-port", "p1", "forward")
        return "OFPT_PORT_STATUS" in monitor.text
    wait_for(seen, "the monitor is told of a changed port")
    monitor.wait(r"OFPT_PORT_STATUS.*MOD")
    evsd.call("port.add", bridge="br0", name="n1", type="patch", peer="n2")
    monitor.wait(r"OFPT_PORT_STATUS.*ADD.*n1")
    evsd.call("port.del", name="n1")
    monitor.wait(r"OFPT_PORT_STATUS.*DEL.*n1")


def test_snoop(bench, ofctl):
    """What a controller and the switch tell each other is heard at BRIDGE.snoop."""
    lab, evsd, _ = bench
    path = lab.dir / "listen"
    evsd.call("controller.add", bridge="br0", target=f"punix:{path}")
    try:
        snooper = Ofctl(evsd, target=f"unix:{evsd.run_dir}/br0.snoop").monitor(lab, command="snoop")
        controller = Ofctl(evsd, target=f"unix:{path}")

        def heard():
            controller("dump-desc")
            return "OFPST_DESC" in snooper.text
        wait_for(heard, "the snooper hears the controller")
    finally:
        evsd.call("controller.del", bridge="br0", target=f"punix:{path}")


def test_queues(ofctl):
    assert "0 queues" in ofctl("queue-stats")
    ofctl("queue-get-config", 1)
    assert "OFPQOFC_BAD_PORT" in ofctl("queue-stats", 77, check=False)


def test_probe_ping_benchmark(ofctl):
    ofctl("probe")
    assert ofctl("ping").count("bytes from") >= 1 or "rtt" in ofctl("ping")
    assert "packets/s" in ofctl("benchmark", 1000, 200)


def test_other_version_is_refused(bench):
    """A program that speaks 1.0 only is told why, in the words of the specification."""
    run = subprocess.run(["ovs-ofctl", "-O", "OpenFlow10", "show", f"unix:{bench[1].run_dir}/br0.mgmt"],
                         text=True, capture_output=True, timeout=60)
    assert run.returncode != 0 and "version" in run.stderr.lower()


def test_many_groups_and_flows(ofctl):
    """Replies of many parts are complete."""
    groups = "".join(f"group_id={i},type=all,bucket=output:1,bucket=output:2\n" for i in range(1, 3001))
    ofctl("add-groups", "-", stdin=groups)
    assert ofctl("dump-groups").count("group_id=") == 3000
    assert ofctl("dump-group-stats").count("group_id=") == 3000
    ofctl.add(*[f"priority=3,udp,udp_src={i % 60000},nw_src=10.0.{i >> 8}.{i & 255},actions=group:{i % 3000 + 1}"
                for i in range(10000)])
    assert len(ofctl.flows()) == 10000
    ofctl("del-groups")
    assert ofctl.flows() == []
