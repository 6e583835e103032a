# SPDX-License-Identifier: Apache-2.0
"""Captures of a port's traffic: files that scapy and tcpdump read, filters, limits, and their end.

    a --tap-- br0 --tap-- b
"""
import subprocess

import pytest
from evslib import EvsctlError, wait_for


@pytest.fixture
def pair(lab):
    evsd = lab.evsd()
    a, iface = lab.tap_guest(evsd, "a", "10.0.0.1/24", quiet=True)
    b, _ = lab.tap_guest(evsd, "b", "10.0.0.2/24", quiet=True)
    wait_for(lambda: a.can_ping("10.0.0.2"))
    return evsd, a, b, iface


def ping(evsd, guest, n, size=56):
    """Echoes and their answers go through the switch, whether or not ping has the patience to hear the last."""
    before = evsd.port("a")["tx-pkts"]
    guest.run("ping", "-q", "-c", n, "-i", "0.02", "-W", 60, "-s", size, "10.0.0.2")
    wait_for(lambda: evsd.port("a")["tx-pkts"] >= before + n, "all are answered")


def read(path):
    import scapy.layers.inet  # noqa: F401
    import scapy.layers.l2  # noqa: F401
    from scapy.utils import rdpcap
    return list(rdpcap(str(path)))


def state(evsd, port):
    return {row["port"]: row for row in evsd.call("capture.show")}.get(port, {}).get("state")


def test_both_directions_with_a_filter(lab, pair):
    from scapy.layers.inet import ICMP
    evsd, a, b, _ = pair
    path = lab.dir / "a.pcapng"
    evsd.evsctl("capture", "start", "a", path, "icmp", "and", "host", "10.0.0.2")
    assert state(evsd, "a") == "running"
    ping(evsd, a, 10)
    wait_for(lambda: evsd.call("capture.show")[0]["packets"] >= 20, "all are in the file")
    figures = evsd.evsctl("capture", "stop", "a", json_output=True)
    packets = read(path)
    assert figures["packets"] == len(packets) == 20 and figures["lost"] == 0
    assert [p[ICMP].type for p in packets].count(8) == 10
    # The requests came in, the replies went out: tcpdump shows the flags of each packet.
    for direction, word in (("inbound", "request"), ("outbound", "reply")):
        out = subprocess.run(["tcpdump", "-n", "-r", path, direction], capture_output=True, text=True)
        if "not supported" not in out.stderr and not out.returncode:
            assert out.stdout.count(word) == 10, out.stdout
    assert all(abs(q.time - p.time) < 60 and q.time >= p.time for p, q in zip(packets, packets[1:]))
    assert state(evsd, "a") is None
    ping(evsd, a, 3)  # and traffic goes on without


def test_the_file_tells_directions(lab, pair):
    """By the flags of each packet block, read as bytes."""
    import struct
    evsd, a, _, _ = pair
    path = lab.dir / "d.pcapng"
    evsd.evsctl("capture", "start", "a", path, "icmp", "direction=rx", "snaplen=60")
    ping(evsd, a, 5, 1000)
    evsd.evsctl("capture", "stop")
    data, at, flags = path.read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("=II", data, at)
        assert size % 4 == 0 and struct.unpack_from("=I", data, at + size - 4)[0] == size
        if kind == 6:
            cap_len, length = struct.unpack_from("=II", data, at + 20)
            assert (cap_len, length) == (60, 1042)
            flags.append(struct.unpack_from("=HHI", data, at + 28 + 60)[2])
        at += size
    assert flags == [1] * 5


def test_ends_by_itself(lab, pair):
    evsd, a, _, _ = pair
    path = lab.dir / "n.pcapng"
    evsd.call("capture.start", port="a", file=str(path), filter=["icmp"], packets=7)
    ping(evsd, a, 10)
    wait_for(lambda: state(evsd, "a") == "ended")
    assert len(read(path)) == 7
    assert "as many packets" in evsd.evsctl("capture", "show")
    evsd.call("capture.start", port="a", file=str(path), packets=1)  # takes the place of the one that ended
    wait_for(lambda: a.can_ping("10.0.0.2") and state(evsd, "a") == "ended")
    assert evsd.call("capture.stop", port="a")["packets"] == 1


@pytest.mark.parametrize("words, reason", [
    (["nosuch", "{dir}/x"], "nosuch"),
    (["a", "/nonexistent/x"], "/nonexistent/x"),
    (["a", "/dev/null"], "not a file"),
    (["a", "{dir}/x", "icmp and and"], "pcap-filter"),
])
def test_refusals(lab, pair, words, reason):
    evsd = pair[0]
    with pytest.raises(EvsctlError, match=reason):
        evsd.evsctl("capture", "start", *[word.format(dir=lab.dir) for word in words])
    assert evsd.call("capture.show") == []


def test_one_at_a_time_and_patch_ports(lab, pair):
    evsd = pair[0]
    evsd.call("capture.start", port="a", file=str(lab.dir / "1"))
    with pytest.raises(EvsctlError, match="is being captured"):
        evsd.evsctl("capture", "start", "a", lab.dir / "2")
    evsd.call("port.add", bridge="br0", name="pp", type="patch", peer="qq")
    with pytest.raises(EvsctlError, match="moves no packets itself"):
        evsd.evsctl("capture", "start", "pp", lab.dir / "3")
    with pytest.raises(EvsctlError, match="not being captured"):
        evsd.evsctl("capture", "stop", "b")


def test_a_flood_is_bounded_and_ports_go_meanwhile(lab):
    """More than any disk takes: lost packets are counted, the file stays below its size, the port can go."""
    evsd = lab.evsd()
    for name, option in (("src", "size=64"), ("dst", "no-rx=1")):
        evsd.call("port.add", bridge="br0", name=name, type="dpdk", devargs=f"net_null_{lab.token}{name},{option}")
    src, dst = lab.dir / "src.pcapng", lab.dir / "dst.pcapng"
    evsd.call("capture.start", port="src", file=str(src), size=3)
    wait_for(lambda: state(evsd, "src") == "ended")
    assert 3_000_000 <= src.stat().st_size < 3_100_000
    packets = read(src)
    assert all(bytes(p) == bytes(packets[0]) for p in packets)
    evsd.call("capture.start", port="dst", file=str(dst), snaplen=14)
    wait_for(lambda: evsd.call("capture.show")[-1]["packets"] > 1000)
    evsd.call("port.del", name="dst")
    wait_for(lambda: state(evsd, "dst") is None)
    evsd.call("port.del", name="src")
    evsd.check_accounts()
    assert evsd.call("capture.show") == []


def test_ends_with_evsd(lab, pair):
    evsd, a, _, _ = pair
    path = lab.dir / "end.pcapng"
    evsd.call("capture.start", port="a", file=str(path), filter=["icmp"])
    ping(evsd, a, 4)
    evsd.stop()  # which completes it, as `capture stop` would
    assert len(read(path)) == 8
