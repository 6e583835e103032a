# SPDX-License-Identifier: Apache-2.0
"""Large segments of guests in a tunnel to a port that can not cut them.

    guest (10.0.0.1) --tap, TSO-- br0 --vxlan port-- (phy 192.168.7.1) --af-packet-- peer: eth 192.168.7.2, vxlan device 10.0.0.2
"""
from evslib.capture import bad_checksums
from evslib.wait import wait_for
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from test_vxlan import kernel_vxlan


def test_large_segments_into_a_tunnel(lab):
    """A guest's TCP hands over frames of up to 64 KB; the port below takes 1,514 bytes: each segment in the tunnel is right."""
    evsd = lab.evsd()
    evsd.call("bridge.add", name="phy", internal=False, address="192.168.7.1/24")
    peer, iface = lab.veth_guest(evsd, "u", "192.168.7.2/24", bridge="phy")
    evsd.call("port.add", bridge="br0", name="vx", type="vxlan", remote="192.168.7.2", vni=5)
    kernel_vxlan(lab, peer, iface, "vx0", 5, "192.168.7.2", "192.168.7.1", "10.0.0.2/24")
    guest, _ = lab.tap_guest(evsd, "g", "10.0.0.1/24", mtu=1450, offload=True)
    wait_for(lambda: guest.can_ping("10.0.0.2"), "the guest reaches the peer")
    data = bytes(n * n >> 3 & 0xff for n in range(1 << 19))
    source, sink = lab.dir / "data", lab.dir / "sink"
    source.write_bytes(data)
    python = "/usr/bin/python3"
    server = peer.popen(python, "-c", f"""if True:
        import socket
        listener = socket.create_server(("10.0.0.2", 7777)); sock, _ = listener.accept(); out = open({str(sink)!r}, "wb")
        while data := sock.recv(65536): out.write(data)
        out.close()""")
    wait_for(lambda: ":7777" in peer.run("ss", "-Htln"), "the server listens")
    before = evsd.port("g")
    with lab.capture(peer, iface, "udp port 4789 and src host 192.168.7.1", limit=2000) as capture:
        guest.run(python, "-c", f"""if True:
            import socket
            sock = socket.create_connection(("10.0.0.2", 7777)); sock.sendall(open({str(source)!r}, "rb").read()); sock.close()""")
        assert server.wait(60) == 0 and sink.read_bytes() == data
        packets = [p for p in capture.stop() if TCP in p]
    after = evsd.port("g")
    large = (after["rx-bytes"] - before["rx-bytes"]) / (after["rx-pkts"] - before["rx-pkts"])
    assert large > 1500, large  # they came as large ones: a frame of its own would have 1,464 bytes at most
    assert all(len(p) <= 1514 for p in packets)
    inner = [p[VXLAN][Ether] for p in packets]
    assert not bad_checksums(packets) and not bad_checksums(inner)
    first = min(p[TCP].seq for p in inner if p[TCP].flags & 2)
    stream = bytearray(len(data))
    for p in inner:
        payload = bytes(p[TCP].payload)[:p[IP].len - 20 - 4 * p[TCP].dataofs]
        if payload:
            at = (p[TCP].seq - first - 1) & 0xffffffff
            stream[at:at + len(payload)] = payload
    assert bytes(stream) == data
    assert len({p[IP].id for p in inner}) > len(data) // 1450 // 2
    evsd.check_accounts()
