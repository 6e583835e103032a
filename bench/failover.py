#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long a fast failover group takes to notice that the link of its first bucket is gone: frames with
sequence numbers at 10,000 a second, and the time from the first that came out nowhere to the first that came
out at the second port, by the sender's clock. No controller acts.

    sender (tap) ---- br0 ==== first (tap, or af-packet on a veth)
                          ==== second (tap)
"""
import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "functional"))
from evslib import Lab, wait_for  # noqa: E402
from evslib import ofraw as of  # noqa: E402
from evslib.ofctl import Session  # noqa: E402

RATE = 10000
STALL_S = 0.002
FRAME = bytes.fromhex("020000000002020000000001") + b"\x88\xb5"
SO_RCVBUFFORCE = 33


def numbers(wire):
    """The sequence numbers of all frames that wait."""
    got = []
    while (frame := wire.take()) is not None:
        if frame[12:14] == FRAME[12:14]:
            got.append(struct.unpack_from("!I", frame, 14)[0])
    return got


def send_while(wire, seconds, act=None):
    """Sends at the rate; calls `act` after a quarter of the time. When each number was sent."""
    sent, start = [], time.perf_counter()
    while (now := time.perf_counter()) < start + seconds:
        if act and now > start + seconds / 4:
            act()
            act = None
        if now >= start + len(sent) / RATE:
            sent.append(time.perf_counter())
            wire.send(FRAME + struct.pack("!I", len(sent) - 1) + bytes(42))
    return sent


class Link:
    """Takes an interface up and down, by a shell that is there before, so that it holds up nobody."""

    def __init__(self, guest, iface):
        self.shell = guest.popen("sh", "-c", f"while read state; do ip link set {iface} $state; done", stdin=subprocess.PIPE)

    def set(self, state):
        self.shell.stdin.write(state.encode() + b"\n")
        self.shell.stdin.flush()


def goes_to(sender, wires, n):
    """Whether frames come out at wire n now."""
    send_while(sender, 0.005)
    time.sleep(0.02)
    return [bool(numbers(wire)) for wire in wires] == [i == n for i in range(2)]


def one_round(sender, wires, link):
    """None if the sender, or the worker all the time, had no CPU: that is not what is measured."""
    wait_for(lambda: goes_to(sender, wires, 0), "the first port is in use")
    sent = send_while(sender, 0.4, lambda: link.set("down"))
    time.sleep(0.05)
    first, second = numbers(wires[0]), numbers(wires[1])
    link.set("up")
    if not first or not second:
        return None
    window = sent[max(first):min(second) + 1]
    if any(b - a > STALL_S for a, b in zip(window, window[1:])):
        return None
    lost = max(min(second) - max(first) - 1, 0)
    return {"gap_ms": (sent[min(second)] - sent[max(first) + 1]) * 1000 if lost else 0.0, "lost": lost}


def rounds_of(n, sender, wires, link):
    rows = []
    for _ in range(10 * n):
        row = one_round(sender, wires, link)
        rows += [row] if row else []
        if len(rows) == n:
            break
    return rows


def measure(kind, rounds):
    lab = Lab()
    try:
        evsd = lab.evsd()
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:-1] or [0])  # the last is the worker's
        sender = of.Wire(*lab.tap_guest(evsd, "s", quiet=True))
        make = lab.veth_guest if kind == "af-packet" else lab.tap_guest
        guest, iface = make(evsd, "a", quiet=True)
        wires = [of.Wire(guest, iface), of.Wire(*lab.tap_guest(evsd, "b", quiet=True))]
        for wire in wires:
            wire.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        session = Session(evsd.run_dir / "br0.mgmt")
        session.send(of.group_mod(1, 3, (0, 2, [of.output(2)]), (0, 3, [of.output(3)])) +
                     of.flow([], of.actions(of.long(22, 1))))
        session.barrier()
        assert session.errors == []
        link = Link(guest, iface)
        return rounds_of(rounds, sender, wires, link)
    finally:
        lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", help="write the figures to this file")
    args = parser.parse_args()
    result, cpus = {}, sorted(os.sched_getaffinity(0))
    for kind in ("tap", "af-packet"):
        os.sched_setaffinity(0, cpus)
        rows = measure(kind, args.rounds)
        if not rows:
            sys.exit(f"{kind}: no round without a stall: the machine is too busy")
        gaps = sorted(row["gap_ms"] for row in rows)
        result[kind] = {"gap_ms": {"median": round(statistics.median(gaps), 3), "worst": round(gaps[-1], 3)},
                        "lost": {"median": statistics.median(row["lost"] for row in rows), "worst": max(r["lost"] for r in rows)},
                        "rounds": len(rows)}
        print(kind, json.dumps(result[kind]), flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
