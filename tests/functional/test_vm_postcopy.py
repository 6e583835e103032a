# SPDX-License-Identifier: Apache-2.0
"""A virtual machine moves and goes on before its memory has come after it (postcopy).

    observer (10.0.0.9) --tap-- br0 of host 0 --veth-- br0 of host 1
                                     |                      |
                                    vm  == migrate ==>     vm
"""
import re

import pytest
from evslib import wait_for
from evslib.vm import installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")

CAPABILITIES = [{"capability": "postcopy-ram", "state": True}]


def make_vm(lab, path, **options):
    vm = lab.vm(path, address="10.0.0.1/24", **options)
    vm.monitor().call("migrate-set-capabilities", capabilities=CAPABILITIES)
    return vm


def digest_of(vm):
    return re.search(r"\b[0-9a-f]{32}\b", vm.run("md5sum /tmp/f")).group()


def test_postcopy(lab):
    evsds, (observer, _) = lab.two_hosts()
    paths = [str(lab.dir / f"host{host}") for host in (0, 1)]
    for evsd, path in zip(evsds, paths):
        evsd.call("port.add", bridge="br0", name="vm", type="vhost-user", path=path, postcopy=True)
    source = make_vm(lab, paths[0]).wait_ready()
    observer.ping("10.0.0.1")
    source.run("dd if=/dev/urandom of=/tmp/f bs=1M count=16 2>/dev/null")
    digest = digest_of(source)

    migration = lab.dir / "migration"
    target = make_vm(lab, paths[1], incoming=migration)
    monitor = source.monitor()
    monitor.call("migrate-set-parameters", **{"max-bandwidth": 1 << 20})  # so that most of it is still missing
    monitor.call("migrate", uri=f"unix:{migration}")
    wait_for(lambda: monitor.call("query-migrate").get("status") == "active", "the migration begins")
    monitor.call("migrate-start-postcopy")
    wait_for(lambda: monitor.call("query-migrate").get("status") in ("completed", "failed"), "the migration ends")
    info = monitor.call("query-migrate")
    assert info["status"] == "completed" and info["ram"]["postcopy-requests"] > 0, info
    source.kill()
    observer.ping("10.0.0.1")
    assert digest_of(target) == digest
    for evsd in evsds:
        evsd.check_accounts()
