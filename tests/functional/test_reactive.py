# SPDX-License-Identifier: Apache-2.0
"""Controllers to whom packets come, from guests that leave checksums and segmentation to the switch.

    a (10.0.0.1, fd00::1) --tap, offloads on-- br0 --tap, offloads on-- b (10.0.0.2, fd00::2)
                                                +---- a controller that gives back each packet
"""
import re
import subprocess
import sys

import pytest
from evslib import wait_for
from evslib.capture import bad_checksums
from evslib.ofctl import NO_BUFFER
from evslib.ofhub import Hub

SIZE = 100_000
SERVER = """
import socket, sys
tcp = socket.create_server((sys.argv[1], 7), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("listens", flush=True)
peer = tcp.accept()[0]
while data := peer.recv(65536):
    peer.sendall(data)
"""
CLIENT = """
import socket, sys, threading
data = bytes(i * 7 % 251 for i in range(int(sys.argv[2])))
peer = socket.create_connection((sys.argv[1], 7), timeout=60)
def send():
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = b""
while part := peer.recv(65536):
    back += part
assert back == data, (len(back), len(data))
"""
ECHO = """
import socket, sys
udp = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.connect((sys.argv[1], 9))
udp.send(b"to a port where nobody listens")
try:
    udp.recv(10)
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    pass
"""


def checksum_errors(guest):
    """What the kernel counted as wrong, of TCP and UDP, over IPv4 and IPv6."""
    rows = [line.split() for line in guest.run("cat", "/proc/net/snmp").splitlines()]
    table = {names[0] + name: int(value) for names, values in zip(rows[::2], rows[1::2])
             for name, value in zip(names[1:], values[1:])}
    v6 = guest.run("cat", "/proc/net/snmp6")
    return table["Tcp:InCsumErrors"], table["Udp:InCsumErrors"], int(re.search(r"Udp6InCsumErrors\s+(\d+)", v6)[1])


def echo_tcp(a, b, address):
    """Sends data through a connection there and back."""
    server = b.popen(sys.executable, "-c", SERVER, address, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"listens\n"
    a.run(sys.executable, "-c", CLIENT, address, SIZE, timeout=120)
    server.wait(60)


@pytest.mark.parametrize("max_len", [0xFFFF, 128])
def test_every_packet_by_the_controller(lab, max_len):
    """The kernel finds no wrong checksum, and what guests send large comes as frames."""
    evsd = lab.evsd()
    a, _ = lab.tap_guest(evsd, "a", "10.0.0.1/24", "fd00::1/64", offload=True)
    b, at_b = lab.tap_guest(evsd, "b", "10.0.0.2/24", "fd00::2/64", offload=True)
    hub = Hub(lab, evsd, max_len)
    with lab.capture(b, at_b, limit=300) as capture:
        for address in ("10.0.0.2", "fd00::2"):
            echo_tcp(a, b, address)
            wait_for(lambda: "refused" in a.run(sys.executable, "-c", ECHO, address), "the port's answer")
    received = [packet for packet in capture.stop() if packet.dst == b.mac(at_b)]
    assert len(received) > 50 and not bad_checksums(received)
    for guest in (a, b):
        assert checksum_errors(guest) == (0, 0, 0)
    assert max(total for total, _, _ in hub.lengths) == 1514
    if max_len == 128:
        assert any(buffer_id != NO_BUFFER and told == 128 < total for total, told, buffer_id in hub.lengths)
    else:
        assert all(total == told for total, told, _ in hub.lengths)
    hub.check()
    evsd.check_accounts()
