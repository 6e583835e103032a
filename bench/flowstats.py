#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the statistics of many rules cost other sessions: one session asks for all of them, again and again, a
second one reads as slowly as it can, and a third one measures how long its echoes and barriers take, with and
without the two."""
import argparse
import json
import multiprocessing
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "functional"))
from evslib import Lab  # noqa: E402
from evslib import ofraw as of  # noqa: E402
from evslib.ofctl import BARRIER, BARRIER_REPLY, ECHO_REPLY, ECHO_REQUEST, MULTIPART, Session, match, message, oxm  # noqa: E402

ALL_FLOWS = message(MULTIPART, struct.pack("!HHxxxxBxxxIIxxxxQQ", 1, 0, 255, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0) + match())


def fill(session, n):
    """UDP rules in one table: two addresses, two ports."""
    begin = time.monotonic()
    for i in range(0, n, 1000):
        session.send(b"".join(of.flow([oxm(5, b"\x08\0"), oxm(10, b"\x11"), oxm(11, struct.pack("!I", 0x0A000000 + k)),
                                       oxm(12, struct.pack("!I", 0xC0A80000 + k % 65536)), oxm(15, struct.pack("!H", k % 50000)),
                                       oxm(16, b"\0\x35")], of.actions(of.output(1)), cookie=k) for k in range(i, i + 1000)))
    session.barrier()
    assert session.errors == []
    return time.monotonic() - begin


def read_all(path, done, rounds):
    """Asks for all rules until `done`; puts how many were told each time, and in what time. A process of its own."""
    session = Session(path)
    while not done.is_set():
        begin, n, more = time.monotonic(), 0, True
        session.send(ALL_FLOWS)
        while more:
            part = session.message()
            if part[1] != MULTIPART + 1:
                continue
            more = struct.unpack_from("!H", part, 10)[0] & 1
            at = 16
            while at < len(part):
                at += struct.unpack_from("!H", part, at)[0]
                n += 1
        rounds.put((n, time.monotonic() - begin))


def latencies(session, kind, reply, seconds):
    end, times = time.monotonic() + seconds, []
    while time.monotonic() < end:
        begin = time.monotonic()
        session.send(message(kind, xid=9))
        session.wait(reply, 9)
        times.append((time.monotonic() - begin) * 1000)
        time.sleep(0.002)
    times.sort()
    return {"median_ms": round(times[len(times) // 2], 3), "p99_ms": round(times[len(times) * 99 // 100], 3),
            "worst_ms": round(times[-1], 3)}


def probe(session, seconds):
    return {"echo": latencies(session, ECHO_REQUEST, ECHO_REPLY, seconds),
            "barrier": latencies(session, BARRIER, BARRIER_REPLY, seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=1000000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", help="write the figures to this file")
    args = parser.parse_args()
    lab = Lab()
    try:
        path = lab.evsd().run_dir / "br0.mgmt"
        session = Session(path)
        result = {"rules": args.rules, "fill_s": round(fill(session, args.rules), 2), "alone": probe(session, args.seconds)}
        slow = Session(path)
        slow.send(ALL_FLOWS)  # and reads nothing
        done, rounds = multiprocessing.Event(), multiprocessing.SimpleQueue()
        reader = multiprocessing.Process(target=read_all, args=(path, done, rounds), daemon=True)
        reader.start()
        result["meanwhile"] = probe(session, args.seconds)
        done.set()
        times = []
        while reader.is_alive() or not rounds.empty():
            n, seconds = rounds.get()
            assert n >= args.rules
            times.append(seconds)
            reader.join(0.1)
        result["dumps"] = {"n": len(times), "fastest_s": round(min(times), 2), "slowest_s": round(max(times), 2)}
    finally:
        lab.close()
    print(json.dumps(result, indent=1))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(result, out, indent=1)


if __name__ == "__main__":
    main()
