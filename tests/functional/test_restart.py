# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged survives any end of evsd.

    changes --> evsd --kill -9--> evsd --> the same configuration
"""
import json
import random
import threading

from evslib import RpcError, wait_for
from evslib.netns import sh, veth

N_KILLS = 100


def names(evsd):
    return {bridge["name"] for bridge in evsd.call("bridge.show")}


def test_restart_restores_all(lab):
    evsd = lab.evsd(config=True)
    evsd.call("bridge.set", name="br0", fdb_age=77)
    lab.tap_guest(evsd, "a", tag=10)
    evsd.call("port.add", bridge="br0", name="n0", type="dpdk", devargs="net_null0,no-rx=1", ofport=7)
    evsd.call("bridge.add", name="br1", internal=False, fail_mode="secure")
    evsd.call("fdb.add", bridge="br0", mac="02:00:00:00:00:01", port="a", vlan=10)
    before = evsd.call("config.show")
    evsd.kill()
    evsd.start()
    assert evsd.call("config.show") == before
    assert evsd.port("n0")["ofport"] == 7
    assert evsd.macs()[("02:00:00:00:00:01", 10)] == "a"
    evsd.stop()
    evsd.start()
    assert evsd.call("config.show") == before


def change_until_death(evsd, known, rng):
    """Adds and deletes bridges; `known` is what was acknowledged, `open` what was under way."""
    client = evsd.connect()
    under_way = None
    try:
        while True:
            name = f"b{rng.randrange(8)}"
            under_way = name
            if name in known:
                client.call("bridge.del", name=name)
                known.discard(name)
            else:
                client.call("bridge.add", name=name, internal=False)
                known.add(name)
            under_way = None
    except (ConnectionError, OSError, ValueError):
        return under_way
    finally:
        client.close()


def test_a_hundred_kills_amid_changes(lab):
    rng = random.Random(1)
    evsd = lab.evsd(config=True, bridge=None, memory_mb=64)
    known = set()
    for _ in range(N_KILLS):
        killer = threading.Timer(rng.uniform(0.001, 0.12), evsd.process.kill)
        killer.start()
        under_way = change_until_death(evsd, known, rng)
        killer.join()
        evsd.kill()
        evsd.start()
        now = names(evsd)
        assert now - {under_way} == known - {under_way}, "acknowledged changes are there, others are not"
        known = now
    left = [path.name for path in evsd.state_dir.iterdir()]
    assert len(left) <= 3, f"no rubbish is left: {left}"


def test_what_can_not_be_restored_is_kept_and_tried_again(lab):
    """A veth that is missing at the start and comes later; its options and limits come with it."""
    near, far = lab.iface("n"), lab.iface("f")
    veth(lab.stack, near, far)
    evsd = lab.evsd(config=True)
    evsd.call("port.add", bridge="br0", name="late", type="af-packet", iface=near, tag=7, ofport=9)
    evsd.call("fdb.add", bridge="br0", mac="02:00:00:00:00:01", port="late", vlan=7)
    evsd.stop()
    sh("ip", "link", "del", near)
    evsd.start()
    row = evsd.port("late")
    assert (row["link"], row["ofport"]) == ("failed", 9) and near in row["error"]
    assert {f["kind"] for f in evsd.call("config.show")["not-restored"]} == {"port", "fdb"}
    evsd.call("bridge.add", name="br1", internal=False)  # changes go on, and lose nothing
    evsd.stop()
    evsd.start()
    assert evsd.port("late")["link"] == "failed"
    veth(lab.stack, near, far)
    wait_for(lambda: evsd.port("late")["link"] != "failed")
    wait_for(lambda: "not-restored" not in evsd.call("config.show"))
    assert evsd.port("late")["ofport"] == 9
    assert evsd.macs()[("02:00:00:00:00:01", 7)] == "late"


def test_what_has_no_name_of_its_own_is_tried_again(lab):
    """Neighbours and a controller in a document that lacks their bridge: they come with it."""
    evsd = lab.evsd(config=True)
    evsd.call("neigh.add", bridge="br0", address="192.0.2.8", mac="02:00:00:00:00:08")
    evsd.stop()
    file = evsd.state_dir / "config.json"
    document = json.loads(file.read_text())
    document["neigh"] = {f"late 192.0.2.{n}": {"bridge": "late", "address": f"192.0.2.{n}", "mac": "02:00:00:00:00:09"}
                         for n in (9, 10)} | document["neigh"]
    file.write_text(json.dumps(document))
    evsd.start()
    failed = evsd.call("config.show")["not-restored"]
    assert {(f["kind"], f["name"]) for f in failed} == {("neigh", "late 192.0.2.9"), ("neigh", "late 192.0.2.10")}
    assert [row["address"] for row in evsd.call("neigh.show")] == ["192.0.2.8"]
    evsd.call("bridge.add", name="late", internal=False)
    wait_for(lambda: "not-restored" not in evsd.call("config.show"))
    assert {row["address"] for row in evsd.call("neigh.show")} == {"192.0.2.8", "192.0.2.9", "192.0.2.10"}


def test_a_port_that_can_not_be_restored_may_go(lab):
    near, far = lab.iface("n"), lab.iface("f")
    veth(lab.stack, near, far)
    evsd = lab.evsd(config=True)
    evsd.call("port.add", bridge="br0", name="late", type="af-packet", iface=near)
    evsd.stop()
    sh("ip", "link", "del", near)
    evsd.start()
    evsd.call("port.del", name="late")
    assert evsd.call("port.show") == [] and "not-restored" not in evsd.call("config.show")


def test_a_broken_state_file_is_not_overwritten(lab):
    evsd = lab.evsd(config=True)
    evsd.stop()
    (state,) = [path for path in evsd.state_dir.iterdir() if path.suffix == ".json"]
    state.write_text('{"bridges": [')
    evsd_log_before = len(evsd.log)
    try:
        evsd.start()
    except RuntimeError:
        pass
    assert str(state) in evsd.log[evsd_log_before:]
    assert state.read_text() == '{"bridges": ['
    evsd.process = None
