# SPDX-License-Identifier: Apache-2.0
"""The command lines of docs/guests.md, as they stand there, but for paths, and for KVM, which may be missing.

    vm1 --vhost-user-- br0 --tap-- host
"""
import re
import shlex

import pytest
from evslib import wait_for
from evslib.vm import GUEST, ROOT, installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")


def block(title):
    """The commands below a title: the first block of its section, each as a list of words."""
    text = (ROOT / "docs" / "guests.md").read_text()
    section = text[text.index(f"## {title}\n"):]
    code = re.search(r"```sh\n(.*?)```", section, re.S).group(1)
    return [shlex.split(line) for line in code.replace("\\\n", " ").splitlines() if line]


def without_kvm(word):
    """QEMU 7.2 needs vectors=0 then; romfile= spares the network boot."""
    word = word.replace("accel=kvm", "accel=tcg")
    if word == "host":
        return "max"
    return word + ",vectors=0,romfile=" if word.startswith("virtio-net-pci") else word


def test_qemu(lab):
    evsd = lab.evsd(bridge=None)
    evsctl, qemu = [], None
    for program, *words in block("QEMU"):
        words = [word.replace("/run/evs-guests", str(lab.dir)) for word in words]
        if program == "evsctl":
            evsctl.append(words)
        else:
            qemu = [program, *map(without_kvm, words)]
    for words in evsctl:
        evsd.evsctl(*words)
    assert evsd.port("vm1")["status"]["socket"].startswith("connecting (")
    assert qemu.pop() == "...", "what else a machine has"
    vm = lab.vm(lab.dir / "vm1.sock", start=False)  # for its shell; its words are the page's
    vm.argv = [*qemu, "-nographic", "-nodefaults", "-serial", "stdio", "-monitor", "none", "-kernel", str(GUEST / "vmlinuz"),
               "-initrd", str(GUEST / "initramfs.gz"), "-append", "console=ttyS0 quiet panic=-1 evs.addr=10.0.0.1/24"]
    vm.start().wait_ready()
    wait_for(lambda: evsd.port("vm1")["link"] == "up", "the guest is there")
    lab.tap_guest(evsd, "h", "10.0.0.3/24")
    assert vm.ping("10.0.0.3") == 0
    port = evsd.port("vm1")
    assert port["rx-queues"] == 2 and ", 1024 entries, enabled" in port["status"]["ring0"]
    assert vm.run("cat /sys/class/net/eth0/address").split()[-1] == port["mac"] == "52:54:00:00:00:01"
    vm.run("ethtool -L eth0 combined 1")
    wait_for(lambda: evsd.port("vm1")["rx-queues"] == 1, "the guest has chosen its queues")
