# SPDX-License-Identifier: Apache-2.0
"""Two virtual machines and a namespace. The machines boot once; each story leaves them as it found them.

    vm1 (10.0.0.1) --vhost-user-- br0 --vhost-user-- vm2 (10.0.0.2)
    split rings,                   |                 packed rings, two queues,
    evsd is the client            tap                evsd is the server
                              host (10.0.0.3)
"""
import re

import pytest
from evslib import Lab, wait_for
from evslib.vm import installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")


class Pair:
    def __init__(self, lab):
        self.lab = lab
        self.evsd = lab.evsd(config=True)
        for n in (1, 2):
            self.add_port(n)
        self.vms = [self.vm(1), self.vm(2, server=False, queues=2, device=",packed=on,host_mtu=9000")]
        for vm in self.vms:
            vm.wait_ready()
        self.wait_up()

    def vm(self, n, **options):
        return self.lab.vm(self.lab.dir / f"vm{n}", address=f"10.0.0.{n}/24", mac=f"52:54:00:00:00:0{n}", **options)

    def add_port(self, n):
        self.lab.vhost_port(self.evsd, f"vm{n}", mode="client" if n == 1 else "server")

    def status(self, n):
        return self.evsd.port(f"vm{n}")["status"]

    def received(self, n):
        return self.evsd.port(f"vm{n}")["rx-bytes"]

    def wait_link(self, n, link):
        wait_for(lambda: self.evsd.port(f"vm{n}")["link"] == link, f"vm{n}'s link is {link}")

    def wait_up(self):
        for n in (1, 2):
            self.wait_link(n, "up")

    def check_pings(self, count=3, **options):
        assert self.vms[0].ping("10.0.0.2", count, **options) == 0


@pytest.fixture(scope="module")
def pair():
    lab = Lab()
    try:
        yield Pair(lab)
    finally:
        lab.close()


class Bulk:
    """TCP from one guest to the other; the receiver checks the content."""

    def __init__(self, sender, receiver, address, mb=8):
        self.sender, self.receiver = sender, receiver
        receiver.send("nc -l -p 5001 | md5sum > /tmp/sum; echo EVS-RECEIVED")
        sender.run(f"dd if=/dev/urandom of=/tmp/data bs=1M count={mb} 2>/dev/null")
        sender.send(f"until nc -w 60 {address} 5001 < /tmp/data 2>/dev/null; do sleep 0.1; done; echo EVS-SENT")

    def check(self):
        self.sender.wait_for("EVS-SENT", timeout=120)
        self.receiver.wait_for("EVS-RECEIVED", timeout=120)
        assert self.sender.run("md5sum < /tmp/data").split()[0] == self.receiver.run("cat /tmp/sum").split()[0]


class Endless(Bulk):
    """Goes on until it is checked, so that what happens meanwhile does happen under traffic. What sends stands in the
    background; a child that ends while the shell reads makes that end, too, now and then: this one ends while it waits."""

    def __init__(self, sender, receiver, address):
        self.sender, self.receiver = sender, receiver
        receiver.send("nc -l -p 5001 | md5sum > /tmp/sum; echo EVS-RECEIVED")
        sender.run("rm -f /tmp/stop /tmp/copy; mkfifo /tmp/copy; dd if=/dev/urandom of=/tmp/data bs=1M count=1 2>/dev/null")
        source = "while [ ! -e /tmp/stop ] && cat /tmp/data; do :; done"
        sender.run(f"{{ until {{ md5sum < /tmp/copy > /tmp/sent & {source} | tee /tmp/copy | nc -w 60 {address} 5001; }} "
                   "2>/dev/null; do sleep 0.1; done & }")

    def check(self):
        self.sender.run("touch /tmp/stop; wait", timeout=120)
        self.receiver.wait_for("EVS-RECEIVED", timeout=120)
        assert re.search(r"\b[0-9a-f]{32}\b", self.sender.run("cat /tmp/sent")).group() in self.receiver.run("cat /tmp/sum")


def test_traffic(pair):
    a, b = pair.vms
    pair.check_pings()
    pair.lab.tap_guest(pair.evsd, "h", "10.0.0.3/24")
    assert a.ping("10.0.0.3") == 0
    assert a.ping("10.0.0.3", size=4000) == 0  # fragments
    Bulk(a, b, "10.0.0.2").check()
    Bulk(b, a, "10.0.0.1").check()
    drops = {key: n for key, n in pair.evsd.drops().items() if n}
    assert not [key for key in drops if key[1] in ("segment", "guest-bad-offload")], drops
    assert "packed" in pair.status(2)["features"] and "packed" not in pair.status(1)["features"]
    pair.evsd.check_accounts()
    pair.evsd.call("port.del", name="h")


def test_segments_are_longer_than_the_burst(pair):
    """Guests that exchange segments of many frames, shaped both ways with a burst of one frame: nothing stalls."""
    for name in ("vm1", "vm2"):
        pair.evsd.call("qos.set", port=name, **{"egress.average": "200M", "egress.burst": 1514, "ingress.average": "200M",
                                                "ingress.mode": "shape", "ingress.burst": 1514})
    Bulk(*pair.vms, "10.0.0.2", mb=4).check()
    row = next(row for row in pair.evsd.call("qos.show", port="vm2") if row["kind"] == "queue")
    assert row["bytes"] / row["pkts"] > 2 * 1514, "segments passed whole"
    assert row["bytes"] > 4e6
    for name in ("vm1", "vm2"):
        pair.evsd.call("qos.del", port=name)
    pair.evsd.check_accounts()


def test_guest_chooses_its_queues(pair):
    b = pair.vms[1]
    for queues in (1, 2):
        b.run(f"ethtool -L eth0 combined {queues}")
        wait_for(lambda: pair.evsd.port("vm2")["rx-queues"] == queues, f"{queues} queues are served")
        expected = "enabled" if queues == 2 else "disabled"
        wait_for(lambda: all(f", {expected}" in pair.status(2)[f"ring{ring}"] for ring in (2, 3)), f"its rings are {expected}")
        pair.check_pings()
        Bulk(pair.vms[0], b, "10.0.0.2", mb=2).check()


def test_jumbo_in_a_vlan(pair):
    for n, vm in enumerate(pair.vms, 1):
        pair.evsd.call("port.set", name=f"vm{n}", mtu=9000)
        vm.run("ip link set eth0 mtu 9000; vconfig add eth0 7 >/dev/null; "
               f"ip addr add 10.7.0.{n}/24 dev eth0.7; ip link set eth0.7 up mtu 9000")
    assert pair.vms[0].ping("10.7.0.2", size=8000) == 0
    Bulk(*pair.vms, "10.7.0.2", mb=4).check()
    assert [vlan for mac, vlan in pair.evsd.macs() if mac == "52:54:00:00:00:01"].count(7) == 1
    for n, vm in enumerate(pair.vms, 1):
        vm.run("vconfig rem eth0.7 >/dev/null; ip link set eth0 mtu 1500")
        pair.evsd.call("port.set", name=f"vm{n}", mtu=1500)


def test_evsd_killed_under_traffic(pair):
    """A transfer goes on where it was; twice, as the second time no ring is at its beginning."""
    for sender, receiver, address in ((0, 1, "10.0.0.2"), (1, 0, "10.0.0.1")):
        before = pair.received(sender + 1)
        bulk = Endless(pair.vms[sender], pair.vms[receiver], address)
        wait_for(lambda: pair.received(sender + 1) > before + 1e6, "the transfer runs")
        pair.evsd.kill()
        pair.evsd.start()
        wait_for(lambda: pair.received(sender + 1) > 1e6, "the transfer goes on")
        pair.wait_up()
        bulk.check()
        pair.check_pings()


def test_driver_reload(pair):
    b = pair.vms[1]
    driver = "/sys/bus/virtio/drivers/virtio_net"
    device = b.run(f"cd {driver}; ls -d virtio*").split()[0]
    b.run(f"echo {device} > {driver}/unbind")
    pair.wait_link(2, "down")
    b.run(f"echo {device} > {driver}/bind; ip link set eth0 up && ip addr add 10.0.0.2/24 dev eth0")
    pair.wait_link(2, "up")
    pair.check_pings()


def test_port_deleted_and_back(pair):
    for n in (1, 2):
        pair.evsd.call("port.del", name=f"vm{n}")
        assert pair.vms[0].ping("10.0.0.2", 1, wait=2) == 100
        pair.add_port(n)
        pair.wait_up()
        pair.check_pings()


def test_reboot_and_other_features_after_a_kill(pair):
    """vm1 boots again by itself; vm2's QEMU is killed, and the next one wants split rings of one queue."""
    a, b = pair.vms
    b.kill()
    pair.wait_link(2, "down")
    pair.vms[1] = pair.vm(2, server=False, device=",mrg_rxbuf=off,guest_tso4=off")
    a.reboot()
    pair.vms[1].wait_ready()
    pair.wait_up()
    features = pair.status(2)["features"].split(",")
    assert not {"packed", "mrg-rxbuf"} & set(features), features
    pair.check_pings()
    Bulk(pair.vms[1], a, "10.0.0.1", mb=2).check()
    Bulk(a, pair.vms[1], "10.0.0.2", mb=2).check()
