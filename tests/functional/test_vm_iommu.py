# SPDX-License-Identifier: Apache-2.0
"""A virtual machine behind an IOMMU of its own: the switch asks QEMU where each page is.

    vm (10.0.0.1) --vhost-user, iommu=on-- br0 --tap-- host (10.0.0.3)
"""
import pytest
from evslib import wait_for
from evslib.vm import installed

pytestmark = pytest.mark.skipif(not installed(), reason="tools/install-deps vm was not run")


def test_iommu(lab):
    evsd = lab.evsd()
    lab.vhost_port(evsd, "vm", iommu=True)
    vm = lab.vm(lab.dir / "vm", start=False, address="10.0.0.1/24", device=",iommu_platform=on,ats=on,disable-legacy=on")
    at = vm.argv.index("-netdev")
    vm.argv[at:at] = ["-device", "intel-iommu,device-iotlb=on"]
    vm.argv[vm.argv.index("-append") + 1] += " intel_iommu=on iommu=pt"
    vm.start().wait_ready()
    wait_for(lambda: evsd.port("vm")["link"] == "up", "the guest is there")
    status = evsd.port("vm")["status"]
    assert "iommu" in status["features"].split(",") and status["wake"] == "timer"
    host, _ = lab.tap_guest(evsd, "h", "10.0.0.3/24")

    def all_pages_known():  # a page that is met for the first time costs its packet
        host.run("ping", "-q", "-c", "600", "-i", "0.005", "10.0.0.1", check=False)
        return vm.ping("10.0.0.3", 5, wait=2) == 0
    wait_for(all_pages_known, "pings pass", timeout=180)
    assert evsd.port("vm")["rx-pkts"] > 100
    evsd.check_accounts()
