# SPDX-License-Identifier: Apache-2.0
"""Two virtual machines and a namespace.

    vm1 (10.0.0.1) --vhost-user-- br0 --vhost-user-- vm2 (10.0.0.2)
                                   |
                                  tap
                                   |
                              host (10.0.0.3)
"""
import pytest
from evslib import wait_for
from evslib.vm import Vm, installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")


class Two:
    def __init__(self, lab, **options):
        self.lab, self.vms = lab, []
        self.evsd = lab.evsd(config=True)
        for n in (1, 2):
            path = lab.dir / f"vm{n}"
            self.evsd.call("port.add", bridge="br0", name=f"vm{n}", type="vhost-user", path=str(path))
            vm = Vm(path, address=f"10.0.0.{n}/24", mac=f"52:54:00:00:00:0{n}", **options)
            lab.stack.callback(vm.kill)
            self.vms.append(vm.start())
        for vm in self.vms:
            vm.wait_ready()

    def pings(self, count=3, **options):
        return self.vms[0].ping("10.0.0.2", count, **options) == 0


def bulk(sender, receiver, address, mb=8):
    """TCP from one guest to the other; the receiver checks the content."""
    receiver.send("nc -l -p 5001 | md5sum > /tmp/sum; echo EVS-RECEIVED")
    sum_sent = sender.run(f"sleep 1; dd if=/dev/urandom of=/tmp/data bs=1M count={mb} 2>/dev/null; "
                          f"nc -w 3 {address} 5001 < /tmp/data; md5sum < /tmp/data", timeout=120)
    receiver.wait_for("EVS-RECEIVED")
    sum_received = receiver.run("cat /tmp/sum")
    assert sum_sent.split()[0] == sum_received.split()[0]


def test_traffic(lab):
    two = Two(lab)
    a, b = two.vms
    assert two.pings()
    host, _ = lab.tap_guest(two.evsd, "h", "10.0.0.3/24")
    assert a.ping("10.0.0.3") == 0
    assert a.ping("10.0.0.3", size=4000) == 0  # fragments
    bulk(a, b, "10.0.0.2")
    bulk(b, a, "10.0.0.1")
    port = two.evsd.port("vm1")
    assert port["link"] == "up"
    drops = {key: n for key, n in two.evsd.drops().items() if n}
    assert not [key for key in drops if key[1] in ("segment", "guest-bad-offload")], drops
    two.evsd.check_accounts()


def test_guest_killed_and_back(lab):
    two = Two(lab)
    a, b = two.vms
    assert two.pings()
    b.kill()
    wait_for(lambda: two.evsd.port("vm2")["link"] == "down", "vm2's link is down")
    b.start().wait_ready()
    wait_for(lambda: two.evsd.port("vm2")["link"] == "up", "vm2's link is up again")
    assert two.pings(5)


def test_evsd_killed_and_back(lab):
    two = Two(lab)
    assert two.pings()
    two.evsd.kill()
    two.evsd.start()
    wait_for(lambda: all(two.evsd.port(f"vm{n}")["link"] == "up" for n in (1, 2)), "both guests are back")
    assert two.pings(5)


def test_driver_reload(lab):
    two = Two(lab)
    a, b = two.vms
    b.run("rmmod virtio_net")
    wait_for(lambda: two.evsd.port("vm2")["link"] == "down", "vm2's link is down")
    b.run("insmod /modules/virtio_net.ko && ip link set eth0 up && ip addr add 10.0.0.2/24 dev eth0")
    wait_for(lambda: two.evsd.port("vm2")["link"] == "up", "vm2's link is up again")
    assert two.pings(5)


def test_queues_and_packed_rings(lab):
    two = Two(lab, queues=2, device=",packed=on")
    a, b = two.vms
    assert two.pings()
    bulk(a, b, "10.0.0.2", mb=4)


def test_jumbo_and_vlan(lab):
    two = Two(lab, mtu=9000, vlan=7)
    for n in (1, 2):
        two.evsd.call("port.set", name=f"vm{n}", mtu=9000)
    a, b = two.vms
    assert two.pings(size=8000)
    bulk(a, b, "10.0.0.2", mb=4)
