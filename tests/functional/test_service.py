# SPDX-License-Identifier: Apache-2.0
"""evsd with no more rights than conf/evsd.service.in leaves it: every kind of port works.

    taps, veths (af-packet, af-xdp), guests, the host itself -- br0 -- vxlan -- (br-phy) -- tap
"""
import os
import pathlib
import stat

import pytest
from evslib import RpcError, wait_for
from evslib.netns import sh
from evslib.vm import ROOT
from test_vxlan import UNDERLAY, kernel_vxlan

FRAME = bytes.fromhex("ffffffffffff52540000000188b5") + bytes(50)
NOBODY, DAEMON = 65534, 1
USERFAULTFD = pathlib.Path("/proc/sys/vm/unprivileged_userfaultfd")  # of a kernel that has it


def settings():
    """The unit's section [Service]: {key: words}; a key that comes twice adds."""
    found = {}
    for line in (ROOT / "conf" / "evsd.service.in").read_text().splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(key, []).extend(value.split())
    return found


def sandbox(*without):
    unit = settings()
    names = [name.removeprefix("CAP_").lower() for name in unit["CapabilityBoundingSet"] if name not in without]
    words = ["setpriv", "--inh-caps=-all", "--bounding-set=" + ",".join(["-all", *(f"+{name}" for name in names)])]
    return words + (["--no-new-privs"] if unit.get("NoNewPrivileges") == ["yes"] else [])


def start(lab, *without, **options):
    evsd = lab.evsd(start=False, **options)
    evsd.argv[:0] = sandbox(*without)
    evsd.start().call("bridge.add", name="br0", internal=False)
    return evsd


def test_the_kernels_interfaces(lab):
    evsd = start(lab)
    guests = [lab.tap_guest(evsd, "a", "10.0.0.1/24", quiet=True),
              lab.veth_guest(evsd, "p", "10.0.0.2/24", quiet=True),
              lab.veth_guest(evsd, "x", "10.0.0.3/24", quiet=True, type="af-xdp")]
    wait_for(lambda: all(guests[0][0].can_ping(f"10.0.0.{n}") for n in (2, 3)), "all reach each other")
    guest, iface = guests[0]
    for state in ("down", "up"):  # told from another network namespace
        guest.run("ip", "link", "set", iface, state)
        wait_for(lambda: evsd.port("a")["link"] == state, "evsd hears of it")
    assert "CAP_" not in evsd.log


def test_the_host_and_a_tunnel(lab):
    """An address on the bridge's own device, an underlay of evsd's, a capture into somebody's folder."""
    near, far, length = UNDERLAY[4]
    evsd = start(lab)
    phy = lab.iface("br")
    evsd.call("bridge.add", name=phy, address=f"{near}/{length}")
    peer, iface = lab.tap_guest(evsd, "u", f"{far}/{length}", bridge=phy)
    assert near in sh("ip", "-4", "address", "show", phy)
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote=far, vni=77)
    kernel_vxlan(lab, peer, iface, "vx0", 77, far, near, "10.0.0.2/24")
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450)
    folder = lab.dir / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    evsd.call("capture.start", port="g", file=str(folder / "g.pcapng"))
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the tunnel carries")
    assert evsd.call("capture.stop", port="g")["packets"] > 0


@pytest.mark.parametrize("mode", ["client", "server"])
def test_guests_of_another_user(lab, mode):
    evsd = start(lab)
    folder = pathlib.Path(lab.dir / "guests")
    folder.mkdir()
    folder.chmod(0o3770 if mode == "server" else 0o700)
    os.chown(folder, -1 if mode == "server" else NOBODY, DAEMON)
    server = {"socket-mode": "0660", "socket-owner": "nobody:daemon"} if mode == "server" else {}
    guests = []
    for name in ("v", "w"):
        path = folder / name
        evsd.call("port.add", bridge="br0", name=name, type="vhost-user", path=str(path), mode=mode,
                  postcopy=USERFAULTFD.exists(), **server)
        if mode == "server":
            info = os.stat(path)
            assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o660, NOBODY, DAEMON)
        guests.append(lab.attach(evsd, name))

    def crosses():
        guests[0].send(FRAME)
        return guests[1].receive()
    wait_for(crosses, "a frame crosses")
    evsd.kill()  # what it leaves is another's by now
    evsd.start()
    evsd.call("bridge.add", name="br0", internal=False)
    evsd.call("port.add", bridge="br0", name="v", type="vhost-user", path=str(folder / "v"), mode=mode, **server)
    assert "CAP_" not in evsd.log and "asynchronous" not in evsd.log


def test_what_is_missing_is_named(lab):
    evsd = start(lab, "CAP_CHOWN", "CAP_SYS_PTRACE", "CAP_NET_BROADCAST")
    assert "CAP_NET_BROADCAST" in evsd.log
    vhost = {"bridge": "br0", "name": "v", "type": "vhost-user", "path": str(lab.dir / "v")}
    with pytest.raises(RpcError, match="CAP_CHOWN"):
        evsd.call("port.add", mode="server", **{"socket-owner": "nobody"}, **vhost)
    assert not os.path.exists(vhost["path"])
    evsd.call("port.add", mode="server", **{"socket-mode": "0600"}, **vhost)  # its own: needs nothing
    evsd.call("port.del", name="v")
    if USERFAULTFD.exists() and USERFAULTFD.read_text() == "0\n":
        with pytest.raises(RpcError, match="CAP_SYS_PTRACE"):
            evsd.call("port.add", postcopy=True, **vhost)
