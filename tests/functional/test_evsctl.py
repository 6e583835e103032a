# SPDX-License-Identifier: Apache-2.0
"""The client as people and scripts use it.

    evsctl == evs.sock == evsd
"""
import subprocess

import pytest
from evslib.evsd import BUILD


def test_first_session(lab):
    evsd = lab.evsd(bridge=None)
    evsd.evsctl("bridge", "add", "br0", "internal=off")
    evsd.evsctl("port", "add", "br0", "p0", "type=tap", f"ifname={lab.iface('p0')}")
    text = evsd.evsctl("port", "show")
    assert "p0" in text and "tap" in text and "br0" in text
    (port,) = evsd.evsctl("port", "show", json_output=True)
    assert port["name"] == "p0" and port["ofport"] == 1
    for words in (["bridge", "show"], ["worker", "show"], ["queue", "show"], ["cache", "show"], ["drop", "show"],
                  ["stats", "show"], ["version"], ["log", "level"], ["config", "show"], ["fdb", "show", "br0"],
                  ["port", "show", "p0"], ["port", "types"]):
        assert evsd.evsctl(*words).strip() or words[0] in ("drop", "fdb"), words
    evsd.evsctl("port", "del", "p0")
    evsd.evsctl("bridge", "del", "br0")
    assert evsd.evsctl("bridge", "show", json_output=True) == []


def test_options_go_back_to_their_default(lab):
    evsd = lab.evsd(config=True)
    default = {option["option"]: option["default"] for option in evsd.call("port.types", type="vhost-user")}
    assert default["tx-steering"] == "thread" and default["mac"] == "none" and default["mtu"] == "1500"
    path = f"path={lab.dir / 'sock'}"
    evsd.evsctl("port", "add", "br0", "vm", "type=vhost-user", path, "mac=02:00:00:00:00:01", "tx-steering=hash",
                "mtu=9000")
    evsd.evsctl("port", "set", "vm", "mac=", "tx-steering=", "mtu=")
    port = evsd.port("vm")
    assert port["mtu"] == 1500 and not {"mac", "tx-steering", "mtu"} & set(evsd.call("config.show")["port"]["vm"])
    evsd.evsctl("port", "set", "vm", "mac=none", "tx-steering=thread")
    evsd.stop()
    evsd.start()
    assert evsd.port("vm")["status"]["path"] == str(lab.dir / "sock")
    evsd.evsctl("port", "add", "br0", "t", "type=tap", f"ifname={lab.iface('t')}")
    for port, option, reason in (("vm", "iommu", "can not be changed"), ("vm", "colour", "no option 'colour'"),
                                 ("t", "mac", "no default to go back to"), ("t", "mac=none", "unicast")):
        refused = evsd.evsctl("port", "set", port, option + "=" * ("=" not in option), check=False)
        assert refused.returncode == 1 and reason in refused.stderr, refused.stderr


def test_exit_status(lab):
    evsd = lab.evsd()
    refused = evsd.evsctl("port", "del", "nothere", check=False)
    assert refused.returncode == 1 and "nothere" in refused.stderr and not refused.stdout
    for words in (["nonsense"], ["port", "nonsense"], ["port", "add"], ["port", "add", "br0", "x", "type"]):
        usage = evsd.evsctl(*words, check=False)
        assert usage.returncode == 2 and usage.stderr, words
    evsd.stop()
    absent = evsd.evsctl("version", check=False)
    assert absent.returncode == 3 and str(evsd.socket_path) in absent.stderr


@pytest.mark.parametrize("words", [["--help"], ["help"], ["port", "--help"], ["port", "add", "--help"]])
def test_help_needs_no_daemon(words):
    run = subprocess.run([str(BUILD / "evsctl"), *words], text=True, capture_output=True, timeout=60)
    assert run.returncode == 0 and "port" in run.stdout
