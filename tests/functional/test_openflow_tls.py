# SPDX-License-Identifier: Apache-2.0
"""OpenFlow over TLS, to controllers and from clients, both sides showing certificates.

    ovs-ofctl --ssl--> br0 (pssl:)          br0 (ssl:) --ssl--> a controller
"""
import shutil
import socket
import ssl
import struct
import subprocess

import pytest
from evslib import Ofctl, RpcError, wait_for
from evslib.ofctl import BARRIER, BARRIER_REPLY, HELLO, MULTIPART, Session, message


class Pki:
    """A CA of its own; name -> name.pem (certificate) and name.key."""

    def __init__(self, directory, name):
        self.dir, self.name = directory, name
        self.serial = 1
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                      "-subj", f"/CN={name}", "-keyout", self.path("ca", "key"), "-out", self.path("ca", "pem"))

    def path(self, who, kind):
        return str(self.dir / f"{self.name}-{who}.{kind}")

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def sign(self, who):
        self.serial += 1
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                      f"/CN={who}-{self.serial}", "-keyout", self.path(who, "key"), "-out", self.path(who, "csr"))
        self._openssl("x509", "-req", "-in", self.path(who, "csr"), "-CA", self.path("ca", "pem"), "-CAkey",
                      self.path("ca", "key"), "-set_serial", str(self.serial), "-days", "2", "-out",
                      self.path(who, "pem"))

    def context(self, who, server=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.path("ca", "pem"))
        context.load_cert_chain(self.path(who, "pem"), self.path(who, "key"))
        return context

    def keys(self, who):
        return {"private-key": self.path(who, "key"), "certificate": self.path(who, "pem"),
                "ca-cert": self.path("ca", "pem")}


@pytest.fixture
def bench(lab):
    pki = Pki(lab.dir, "good")
    for who in ("switch", "peer"):
        pki.sign(who)
    evsd = lab.evsd()
    evsd.call("ssl.set", **pki.keys("switch"))
    return lab, evsd, pki


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def listen(evsd, **options):
    port = free_port()
    evsd.call("controller.add", bridge="br0", target=f"pssl:{port}:127.0.0.1", **options)
    return port


def row(evsd):
    return evsd.call("controller.show", bridge="br0")[0]


def ofctl(evsd, pki, port, who="peer"):
    keys = pki.keys(who)
    options = [f"--{name}={path}" for name, path in keys.items()]
    said = Ofctl(evsd, target=f"ssl:127.0.0.1:{port}")
    return lambda command, *words, check=True: said(command, *words, options=options, check=check)


def test_ovs_ofctl_calls(bench):
    lab, evsd, pki = bench
    client = ofctl(evsd, pki, listen(evsd))
    client("add-flow", "priority=7,udp,actions=normal")
    assert "priority=7,udp" in client("dump-flows") and "n_tables:254" in client("show")
    # A reply of many parts, and a file of many rules, go through TLS as through TCP.
    (lab.dir / "rules").write_text("".join(f"udp,udp_dst={i},actions=drop\n" for i in range(5000)))
    client("add-flows", lab.dir / "rules")
    assert client("dump-flows").count("udp") == 5001


def test_only_those_whom_the_ca_signed(bench):
    lab, evsd, pki = bench
    port = listen(evsd)
    bad = Pki(lab.dir, "bad")
    bad.sign("peer")
    shutil.copy(pki.path("ca", "pem"), bad.path("ca", "pem"))  # it believes us, we do not believe it
    assert "n_tables" not in ofctl(evsd, bad, port)("show", check=False)
    wait_for(lambda: "certificate" in row(evsd)["last-error"], "the reason is told")
    # One without certificate, and one that does not speak TLS.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises(OSError):
        context.wrap_socket(plain)
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.settimeout(60)
        plain.sendall(message(HELLO))
        while True:
            try:
                if not plain.recv(1000):
                    break
            except ConnectionResetError:
                break
    wait_for(lambda: row(evsd)["sessions"] == 0, "nobody is left")
    assert "n_tables" in ofctl(evsd, pki, port)("show")


def test_handshake_takes_no_longer_than_an_echo(bench):
    lab, evsd, pki = bench
    port = listen(evsd, probe=1)
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.settimeout(60)
        wait_for(lambda: row(evsd)["sessions"] == 1, "it is there")
        assert silent.recv(1) == b""


def accept(listener, pki, who="peer"):
    plain = listener.accept()[0]
    return pki.context(who, server=True).wrap_socket(plain, server_side=True)


def test_bridge_calls(bench):
    """A bridge connects, shows its certificate, and calls again after a loss with renewed ones."""
    lab, evsd, pki = bench
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        evsd.call("controller.add", bridge="br0", target=f"ssl:127.0.0.1:{listener.getsockname()[1]}",
                  **{"max-backoff": 1})
        tls = accept(listener, pki)
        assert tls.getpeercert()["subject"][0][0] == ("commonName", "switch-2")
        session = Session(tls)
        session.barrier()
        wait_for(lambda: row(evsd)["connected"], "told as connected")
        # Many requests ahead, read slowly.
        session.send(b"".join(message(MULTIPART, struct.pack("!HHxxxx", 12, 0), xid=i) for i in range(20)))
        session.send(message(BARRIER, xid=99))
        session.wait(BARRIER_REPLY, 99)
        assert len(session.others) >= 20
        pki.sign("switch")
        session.close()
        tls = accept(listener, pki)
        assert tls.getpeercert()["subject"][0][0] == ("commonName", "switch-4")
        assert "switch-4" in evsd.call("ssl.show")[0]["subject"]
        Session(tls).barrier()
        # A broken renewal is not used.
        key = pki.path("switch", "key")
        with open(key, "w") as file:
            file.write("this is no key\n")
        tls.close()
        tls = accept(listener, pki)
        assert tls.getpeercert()["subject"][0][0] == ("commonName", "switch-4")
        assert "renewed files are not used" in evsd.log and key in evsd.log
        tls.close()


def test_bridge_leaves_a_stranger(bench):
    lab, evsd, pki = bench
    bad = Pki(lab.dir, "bad")
    bad.sign("peer")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        evsd.call("controller.add", bridge="br0", target=f"ssl:127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(OSError):
            accept(listener, bad)
        wait_for(lambda: "certificate" in row(evsd)["last-error"], "the reason is told")


def test_keys_are_checked_and_saved(lab):
    evsd = lab.evsd(config=True)
    with pytest.raises(RpcError, match="ssl set"):
        evsd.call("controller.add", bridge="br0", target="ssl:127.0.0.1:1")
    pki = Pki(lab.dir, "good")
    pki.sign("switch")
    pki.sign("other")
    keys = pki.keys("switch")
    for wrong in ({"private-key": "/nowhere"}, {"certificate": keys["private-key"]},
                  {"private-key": pki.path("other", "key")}, {"ca-cert": keys["private-key"]}):
        with pytest.raises(RpcError, match=list(wrong.values())[0]):
            evsd.call("ssl.set", **{**keys, **wrong})
    with pytest.raises(RpcError, match="needed"):
        evsd.call("ssl.set", certificate=keys["certificate"])
    assert evsd.call("ssl.show") == []
    evsd.evsctl("ssl", "set", *[f"{name}={path}" for name, path in keys.items()])
    port = listen(evsd)
    with pytest.raises(RpcError, match="delete it first"):
        evsd.call("ssl.del")
    evsd.stop()
    evsd.start()
    assert "switch-2" in evsd.evsctl("ssl", "show")
    pki.sign("peer")
    assert "n_tables" in ofctl(evsd, pki, port)("show")
    # To other keys in one step, as `config load` does it.
    document = evsd.call("config.show")
    for section in document.get("document", document).get("ssl", {}).values():
        assert section["certificate"] == keys["certificate"]
    evsd.call("ssl.set", certificate=pki.path("other", "pem"), **{"private-key": pki.path("other", "key")})
    assert "other-3" in evsd.call("ssl.show")[0]["subject"]
    evsd.call("controller.del", bridge="br0", target=f"pssl:{port}:127.0.0.1")
    evsd.call("ssl.del")
    assert evsd.call("ssl.show") == []
