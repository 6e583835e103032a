#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Guests and evsd that go and come back: how long nothing passes, and what is left behind.

    bench/reconnect.py gap [--rounds N]       evsd is killed (-9) and started: from when it answers on its socket
                                              until a frame passes between two guests
    bench/reconnect.py guest [--rounds N]     a guest makes its socket anew: until evsd has connected
    bench/reconnect.py cycles [--rounds N]    a guest connects, sends and receives, goes: descriptors and memory

Exit status 1: a gap above 200 ms after evsd's start, or cycles left something behind.
Guests are those of tests/functional/evslib/guest.py: a vhost-user master in Python, split rings.
"""
import argparse
import contextlib
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "functional"))

from evslib import Lab, wait_for  # noqa: E402
from evslib.guest import MQ, PROTOCOL, Guest  # noqa: E402

GAP_MS, LEAK_KB = 200, 300
FRAME = bytes.fromhex("ffffffffffff525400000001 88b5") + bytes(50)


class Bench:
    def __init__(self, lab, mode, pairs):
        self.lab, self.mode, self.pairs = lab, mode, pairs
        self.evsd = lab.evsd(config=True)
        for n in (0, 1):
            self.evsd.call("port.add", bridge="br0", name=f"g{n}", type="vhost-user", path=self.path(n), mode=mode)
        self.guests = [self.guest(n) for n in (0, 1)]

    def path(self, n):
        return str(self.lab.dir / f"g{n}")

    def guest(self, n):
        return Guest(self.path(n), MQ | PROTOCOL, listen=self.mode == "client", pairs=self.pairs)

    def exchange(self):
        """Offers frames until one arrives; what is under way from before does not count."""
        sender, receiver = self.guests
        while True:
            if sender.reap():
                sender.send(FRAME, wait=False)
            if receiver.receive():
                return
            time.sleep(0.0005)

    def footprint(self):
        """When all rings are there: frames pass from the first one on."""
        for n in (0, 1):
            wait_for(lambda n=n: self.evsd.port(f"g{n}")["rx-queues"] == self.pairs, "all queues are served")
        return self.evsd.footprint()


def gap(bench, rounds):
    """In ms, with evsd's own start beside it."""
    result = []
    for _ in range(rounds):
        bench.exchange()
        bench.evsd.kill()
        begin = time.monotonic()
        bench.evsd.start()
        answers = time.monotonic()
        for guest in bench.guests:
            guest.attach()
        bench.guests[1].receive()
        bench.exchange()
        result.append({"start": (answers - begin) * 1e3, "gap": (time.monotonic() - answers) * 1e3})
    return result


def guest_back(bench, rounds):
    result = []
    for i in range(rounds):
        bench.exchange()
        bench.guests[1].close()
        time.sleep(0.013 * (i % 17))
        begin = time.monotonic()
        bench.guests[1] = bench.guest(1)
        bench.exchange()
        result.append({"gap": (time.monotonic() - begin) * 1e3})
    return result


def cycle(bench):
    bench.guests[1].close()
    bench.guests[1] = bench.guest(1)
    bench.exchange()


def grown(before, after):
    """What there is more of: descriptors, threads, buffers; or memory, by more than the allocators' unrest."""
    return [key for key in before if after[key] > before[key] + (LEAK_KB if key == "memory_kb" else 0)]


def cycles(bench, rounds, warm_up=50):
    """The first ones fill the allocators' and the library's stocks."""
    for _ in range(warm_up):
        cycle(bench)
    before = bench.footprint()
    begin = time.monotonic()
    for _ in range(rounds):
        cycle(bench)
    seconds = time.monotonic() - begin
    with contextlib.suppress(AssertionError):  # what is still on its way
        wait_for(lambda: not grown(before, bench.footprint()), timeout=5)
    return [{"cycles": rounds, "seconds": round(seconds, 1), "before": before, "after": bench.footprint()}]


def bad(what, rows):
    """What is not as it should be."""
    if what == "cycles":
        return grown(rows[0]["before"], rows[0]["after"])
    return [f"a gap of {row['gap']:.0f} ms" for row in rows if what == "gap" and row["gap"] > GAP_MS]


def summary(rows):
    text = {}
    for key in (key for key in rows[0] if isinstance(rows[0][key], float) and len(rows) > 1):
        values = sorted(row[key] for row in rows)
        text[key] = {"median_ms": round(values[len(values) // 2], 1), "worst_ms": round(values[-1], 1)}
    return text or rows[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("gap", "guest", "cycles"))
    parser.add_argument("--rounds", type=int, help="default: 20; of cycles 1000")
    parser.add_argument("--mode", choices=("client", "server"), default="client", help="what evsd is")
    parser.add_argument("--pairs", type=int, default=1, help="of rings, of each guest; 16 at most")
    args = parser.parse_args()
    lab = Lab()
    try:
        bench = Bench(lab, args.mode, args.pairs)
        rounds = args.rounds or (1000 if args.what == "cycles" else 20)
        rows = {"gap": gap, "guest": guest_back, "cycles": cycles}[args.what](bench, rounds)
        print(json.dumps({"what": args.what, "mode": args.mode, "pairs": args.pairs, **summary(rows)}))
        found = bad(args.what, rows)
    finally:
        lab.close()
    if found:
        sys.exit(f"{args.what}: {', '.join(found)}")


if __name__ == "__main__":
    main()
