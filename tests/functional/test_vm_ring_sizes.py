# SPDX-License-Identifier: Apache-2.0
"""Packed rings may have any length, not only powers of two: frames go round them many times, and on after a kill.

    a --vhost-user-- br0 --vhost-user-- b        guests in Python (evslib/guest.py)
"""
import struct

import pytest
from evslib import guest, wait_for

FRAME = bytes.fromhex("02000000000902000000000188b5") + bytes(46)


@pytest.mark.parametrize("length", [17, 200, 255])
def test_packed_ring_of_any_length(lab, monkeypatch, length):
    monkeypatch.setattr(guest, "LEN", length)
    evsd = lab.evsd(config=True)
    ends = [lab.vhost_guest(evsd, name, mode="client", base=guest.MODERN | guest.PACKED | guest.INDIRECT) for name in "ab"]
    got, n_sent = [], 0

    def pump():
        nonlocal n_sent
        ends[0].send(FRAME + struct.pack("!I", n_sent))
        n_sent += 1
        got.extend(struct.unpack_from("!I", data, len(FRAME))[0] for _, data in ends[1].receive())
        return len(got)
    wait_for(lambda: pump() >= 3 * length, "three times round", interval=0)
    assert f", {length} entries," in evsd.port("a")["status"]["ring1"]
    evsd.kill()
    evsd.start()
    for name, end in zip("ab", ends):
        end.attach()
        wait_for(lambda name=name: evsd.port(name)["link"] == "up", f"{name} is back")
    before = len(got)
    wait_for(lambda: pump() >= before + 3 * length, "three times round again", interval=0)
    assert got == sorted(set(got)) and len(got) >= 6 * length
