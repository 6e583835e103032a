# SPDX-License-Identifier: Apache-2.0
"""Virtual machines move to another host while they are talked to.

    observer (10.0.0.9) --tap-- br0 of host 0 --veth-- br0 of host 1
                                     |                      |
                                 vm1, vm2  == migrate ==> vm1, vm2
"""
import re
import subprocess

import pytest
from evslib import wait_for
from evslib.vm import installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")

INTERVAL_S = 0.01
STREAM = """
import hashlib, os, socket, time
data = hashlib.md5()
while True:
    try:
        sock = socket.create_connection(("10.0.0.1", 5001), 60)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
for i in range(300):
    chunk = os.urandom(65536)
    sock.sendall(chunk)
    data.update(chunk)
    time.sleep(0.01)
print(data.hexdigest())
"""


class Hosts:
    """Of vm1, with split rings, evs knows the address; vm2 has packed ones and announces itself."""

    def __init__(self, lab):
        self.lab = lab
        self.evsds, (self.observer, self.iface) = lab.two_hosts()
        for host, evsd in enumerate(self.evsds):
            evsd.call("port.add", bridge="br0", name="vm1", type="vhost-user", path=self.path(host, 1), mac=self.mac(1))
            evsd.call("port.add", bridge="br0", name="vm2", type="vhost-user", path=self.path(host, 2))
        self.vms = {n: self.vm(0, n) for n in (1, 2)}
        for vm in self.vms.values():
            vm.wait_ready()

    def path(self, host, n):
        return str(self.lab.dir / f"host{host}-vm{n}")

    def mac(self, n):
        return f"52:54:00:00:00:0{n}"

    def vm(self, host, n, **options):
        return self.lab.vm(self.path(host, n), address=f"10.0.0.{n}/24", mac=self.mac(n),
                           device=",packed=on" if n == 2 else "", **options)

    def migrate(self, n):
        """Returns for how long the guest was away, as QEMU says, and when it went on.

        The source's downtime ends when it has sent all: what the target does with it before the guest goes on is
        left out there. And the event STOP comes when the source has told all its devices, some time after the guest
        stands still; that it has completed it does not always tell. So its own account counts, from the beginning."""
        path = self.lab.dir / f"migration{n}"
        source, target = self.vms[n], self.vm(1, n, incoming=path)
        target.monitor()
        source.monitor().call("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        said = source.migrate(path)
        downtime = said["downtime"] / 1e3
        begin = source.monitor().happened("MIGRATION", status="setup") + said["total-time"] / 1e3 - downtime
        resumed = wait_for(lambda: target.monitor().happened("RESUME"), "the guest goes on")
        downtime = max(downtime, resumed - begin)
        source.kill()
        self.vms[n] = target
        return downtime, resumed


class Pings:
    """Every 10 ms one, over a migration; all that the observer saw is kept."""

    def __init__(self, hosts, n):
        self.hosts, self.n = hosts, n
        self.said = hosts.lab.dir / f"ping{n}"

    def __enter__(self):
        hosts = self.hosts
        self.capture = hosts.lab.capture(hosts.observer, hosts.iface, "icmp or arp or rarp", limit=20000)
        with open(self.said, "wb") as said:
            self.process = hosts.observer.popen("ping", "-i", INTERVAL_S, f"10.0.0.{self.n}", stdout=said, stderr=said)
        self.wait_for_replies(20)
        return self

    def replies(self):
        return {int(seq) for seq in re.findall(r"icmp_seq=(\d+) ttl", self.said.read_text())}

    def wait_for_replies(self, more):
        now = max(self.replies(), default=0)
        wait_for(lambda: max(self.replies(), default=0) >= now + more, f"{more} more pings are answered")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.capture.stop()

    def lost(self):
        replies = self.replies()
        return set(range(1, max(replies))) - replies

    def announced(self, since, ether_type):
        """When the first such frame from the guest came after `since`."""
        return float(self.capture.wait(1, lambda packet: packet.src == self.hosts.mac(self.n) and
                                       packet.type == ether_type and packet.time > since)[0].time)


@pytest.fixture
def hosts(lab):
    return Hosts(lab)


def test_migration(hosts):
    hosts.observer.ping("10.0.0.1")
    hosts.observer.ping("10.0.0.2")
    hosts.vms[1].send("nc -l -p 5001 | md5sum; echo EVS-RECEIVED")
    stream = hosts.observer.popen("python3", "-c", STREAM, stdout=subprocess.PIPE, text=True)
    for n in (1, 2):
        with Pings(hosts, n) as pings:
            downtime, resumed = hosts.migrate(n)
            # evs announces vm1 by RARP before the guest has done a thing; vm2's own kernel sends ARP.
            announced = pings.announced(resumed - downtime, 0x8035 if n == 1 else 0x0806)
            pings.wait_for_replies(30)
        explained = max(downtime, downtime + announced - resumed)
        assert len(pings.lost()) <= explained / INTERVAL_S + 2, (pings.lost(), downtime, announced - resumed)
        for host, evsd in enumerate(hosts.evsds):
            place = "vm" if host == 1 else "trunk"
            wait_for(lambda: evsd.macs()[(hosts.mac(n), 0)].startswith(place), f"host {host} knows where vm{n} is")
    # What arrived while memory was copied is what was sent.
    sent = stream.communicate(timeout=120)[0].strip()
    hosts.vms[1].wait_for(f"{sent}[^$]*EVS-RECEIVED", timeout=120)
    assert hosts.vms[1].ping("10.0.0.2") == 0
    for evsd in hosts.evsds:
        evsd.check_accounts()
