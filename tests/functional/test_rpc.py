# SPDX-License-Identifier: Apache-2.0
"""Clients that behave badly, and many of them.

    clients == evs.sock == evsd
"""
import json
import resource
import socket

import pytest
from evslib import RpcClient, RpcError, wait_for


@pytest.fixture
def evsd(lab):
    return lab.evsd()


def answer_to(evsd, line):
    with evsd.connect() as client:
        client.send(line)
        return client.receive()


@pytest.mark.parametrize("line, code", [
    (b"{nonsense\n", -32700),
    (b"\xff\xfe\n", -32700),
    (b"[" * 5000 + b"\n", -32700),
    (b"42\n", -32600),
    (b"[]\n", -32600),
    (b'{"jsonrpc":"2.0","id":1}\n', -32600),
    (b'{"jsonrpc":"1.0","id":1,"method":"version"}\n', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"no.such"}\n', -32601),
    (b'{"jsonrpc":"2.0","id":1,"method":"bridge.add"}\n', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"bridge.add","params":{"name":"x","nom":1}}\n', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"bridge.add","params":{"name":17}}\n', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"bridge.add","params":["x"]}\n', -32602),
], ids=["no-json", "no-utf8", "too-deep", "number", "empty-batch", "no-method", "wrong-version", "unknown-method",
        "no-params", "unknown-param", "wrong-type", "by-position"])
def test_bad_requests_get_their_code(evsd, line, code):
    answer = answer_to(evsd, line)
    assert answer["error"]["code"] == code, answer
    assert len(answer["error"]["message"]) > 10


def test_errors_name_object_and_errno(evsd):
    with pytest.raises(RpcError, match="br0") as taken:
        evsd.call("bridge.add", name="br0")
    assert taken.value.errno == 17
    with pytest.raises(RpcError, match="nothere"):
        evsd.call("port.del", name="nothere")
    with pytest.raises(RpcError, match="telepathy") as unknown:
        evsd.call("port.add", bridge="br0", name="p0", type="telepathy")
    assert "tap" in unknown.value.message  # what there is
    with pytest.raises(RpcError, match="colour"):
        evsd.call("port.add", bridge="br0", name="p0", type="tap", colour="red")
    assert evsd.ports() == {}


def test_batch_and_notification(evsd):
    with evsd.connect() as client:
        client.send([{"jsonrpc": "2.0", "id": 1, "method": "version"},
                     {"jsonrpc": "2.0", "method": "version"},
                     {"jsonrpc": "2.0", "id": 2, "method": "no.such"}])
        answers = {answer["id"]: answer for answer in client.receive()}
    assert set(answers) == {1, 2}
    assert "result" in answers[1] and answers[2]["error"]["code"] == -32601


def test_split_and_joined_lines(evsd):
    one = b'{"jsonrpc":"2.0","id":1,"method":"version"}\n'
    with evsd.connect() as client:
        for i in range(len(one)):
            client.send(one[i:i + 1])
        assert client.receive()["id"] == 1
        client.send(one * 50)
        assert [client.receive()["id"] for _ in range(50)] == [1] * 50


def test_oversized_line_ends_only_its_connection(evsd):
    with evsd.connect() as client:
        try:
            for _ in range(64):
                client.send(b"x" * 65536)
            client.send(b"\n")
        except OSError:
            pass
        try:
            assert client.receive()["error"]["code"] in (-32700, -32600)
        except ConnectionError:
            pass
    assert evsd.call("version")


def test_a_client_that_never_reads(evsd):
    before = evsd.footprint()
    deaf = evsd.connect()
    deaf.socket.settimeout(1)
    line = b'{"jsonrpc":"2.0","id":1,"method":"rpc.describe"}\n'
    try:
        for _ in range(20000):
            deaf.send(line)
    except OSError:
        pass
    for _ in range(20):
        assert evsd.call("version")
    assert evsd.footprint()["memory_kb"] - before["memory_kb"] < 64 * 1024
    deaf.close()


def test_many_connections(evsd):
    """Ten thousand: those above evsd's limit are closed, the others are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, hard), hard))
    many = []
    try:
        for _ in range(10000):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            many.append(sock)
            sock.connect(str(evsd.socket_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert evsd.call("version")
    for sock in many:
        sock.close()

    def is_served():  # while the last of them leave, who comes may still be one too many
        with evsd.connect() as client:
            return client.call("version")
    wait_for(is_served, "there is room again")


def test_transaction_is_all_or_nothing(evsd):
    before = evsd.call("config.show")
    with pytest.raises(RpcError, match="nowhere"):
        evsd.transaction(("bridge.add", {"name": "br1", "internal": False}),
                         ("port.add", {"bridge": "br1", "name": "n1", "type": "dpdk", "devargs": "net_null7"}),
                         ("bridge.set", {"name": "br0", "fdb-age": 99}),
                         ("port.del", {"name": "nowhere"}))
    assert evsd.call("config.show") == before
    evsd.transaction(("bridge.add", {"name": "br1", "internal": False}),
                     ("port.add", {"bridge": "br1", "name": "n1", "type": "dpdk", "devargs": "net_null7"}))
    assert evsd.port("n1")["bridge"] == "br1"


def test_subscription(evsd, lab):
    with evsd.connect() as client:
        client.call("rpc.subscribe", topics=["port"])
        evsd.call("port.add", bridge="br0", name="n1", type="dpdk", devargs="net_null7")
        assert client.notification("port")["name"] == "n1"


def test_describe_lists_what_can_be_called(evsd):
    methods = {row["name"]: row for row in evsd.call("rpc.describe")["methods"]}
    assert {"bridge.add", "port.add", "fdb.show", "worker.show", "version"} <= set(methods)
    assert json.dumps(methods["port.add"]).count("bridge")
