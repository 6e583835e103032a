# SPDX-License-Identifier: Apache-2.0
"""A worker that sleeps is woken by every kind of device that can tell of frames, and naps beside those that can not.

    a --veth-- (af-xdp, or DPDK's net_af_packet or net_pcap) br0 --tap-- b
    a (net_tap of DPDK) br0 --tap-- b
    a --tap-- br1 (vhost-user) ==== (net_virtio_user) br0 --tap-- b
"""
import time

import pytest
from evslib import wait_for
from evslib.netns import veth

SOCKETS = {"net_af_packet": "net_af_packet_{token},iface={near}", "net_pcap": "net_pcap_{token},iface={near}"}


def by_socket(lab, evsd, driver):
    if driver == "af-xdp":
        return lab.veth_guest(evsd, "a", "10.0.0.1/24", quiet=True, type="af-xdp")[0]
    near, far = lab.iface("an"), lab.iface("a")
    veth(lab.stack, near, far)
    guest = lab.netns("a")
    guest.take(far, "10.0.0.1/24", quiet=True)
    evsd.call("port.add", bridge="br0", name="a", type="dpdk",
              devargs=SOCKETS[driver].format(token=lab.token, near=near))
    return guest


def by_net_tap(lab, evsd, _):
    iface = lab.iface("a")
    evsd.call("port.add", bridge="br0", name="a", type="dpdk", devargs=f"net_tap_{lab.token},iface={iface}")
    guest = lab.netns("a")
    guest.take(iface, "10.0.0.1/24", quiet=True)
    return guest


def by_virtio_user(lab, evsd, _):
    path = lab.dir / "sock"
    other = lab.evsd(bridge="br1")
    other.call("worker.set", sleep="on")
    other.call("port.add", bridge="br1", name="v", type="vhost-user", path=str(path), mode="server")
    evsd.call("port.add", bridge="br0", name="a", type="dpdk",
              devargs=f"net_virtio_user_{lab.token},path={path},queue_size=1024")
    guest, _ = lab.tap_guest(other, "a", "10.0.0.1/24", bridge="br1", quiet=True)
    wait_for(lambda: other.port("v")["link"] == "up", "the two daemons are connected")
    return guest


def sleeps_a_second(evsd):
    """At most: a machine that stalls only lowers it. Naps make 10,000 and more, waits for events 5,000."""
    begin, before = time.monotonic(), evsd.worker_sum("sleeps")
    time.sleep(0.5)
    return (evsd.worker_sum("sleeps") - before) / (time.monotonic() - begin)


@pytest.mark.parametrize("kind,driver,wake", [
    (by_socket, "af-xdp", "socket"), (by_socket, "net_af_packet", "socket"), (by_socket, "net_pcap", "socket"),
    (by_net_tap, "", "interrupt"), (by_virtio_user, "", "interrupt")],
    ids=["af-xdp", "net_af_packet", "net_pcap", "net_tap", "net_virtio_user"])
def test_a_device_wakes_its_worker(lab, kind, driver, wake):
    evsd = lab.evsd()
    evsd.call("worker.set", sleep="on")
    guest = kind(lab, evsd, driver)
    lab.tap_guest(evsd, "b", "10.0.0.2/24", quiet=True)
    assert evsd.port("a")["status"]["wake"] == wake
    guest.ping("10.0.0.2", count=3)
    for _ in range(3):
        wait_for(lambda: 1 <= sleeps_a_second(evsd) < 5500, "it waits, a fifth of a millisecond at a time")
        guest.ping("10.0.0.2", count=20)
    evsd.check_accounts()


def test_a_device_that_can_not_tell_is_looked_at(lab):
    evsd = lab.evsd()
    evsd.call("worker.set", sleep="on")
    evsd.call("port.add", bridge="br0", name="a", type="dpdk", devargs=f"net_null_{lab.token},no-rx=1")
    assert evsd.port("a")["status"]["wake"] == "timer"
    before = evsd.worker_sum("sleeps")
    wait_for(lambda: evsd.worker_sum("sleeps") > before + 1000, "it naps")
