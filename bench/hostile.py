#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What other ports keep of their throughput while a guest attacks the switch; 0.95 is wanted.

    null   <-> evs <-> null     two devices that cost nothing: all of the worker is in use
    guest  <-> evs <-> guest    the closed loop of bench/vm.py
    attacker on a port of its own

The attacker is tests/unit/vhost/vhu_attack: rings, headers and messages at random, hundreds of
connections, from a seed that is printed. It runs on the CPU of the guests, as do evsd's threads that
talk to it, never on the worker's; what all these take there from the guests is no time of theirs
(evsbench/windows.py), and what they take from a CPU that shares a core with it, or caches, a process that
only computes would take, too: that one is the control.

Short windows beside the control and under attack take turns (evsbench/turns.py), there and back, so that whatever
else the machine does meets both; each under attack is held against its neighbour. The same is done with windows
of the control alone: what comes out there besides 1 is the machine. There are more windows until the median is known
to one percent (bootstrap, 95 %) or --windows are through.

Exit status: 0 kept, 1 not kept, 2 the machine was too uneven to tell."""
import argparse
import os
import random
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, proc  # noqa: E402
from evsbench.guests import Guests  # noqa: E402
from evsbench.scenarios import FORWARD, null_device  # noqa: E402
from evsbench.switches import Evs  # noqa: E402
from evsbench.turns import Turn, alternate  # noqa: E402
from evsbench.windows import Meter  # noqa: E402

MEMORY_MB = 192
WANTED, PRECISION = 0.95, 0.01
EVEN = 0.03  # so far from 1 the control may be beside itself, or nothing is told
AT_ONCE = 40  # windows, before somebody looks whether they are enough


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--ports", choices=["null", "guests"], action="append", help="default: both")
    parser.add_argument("--windows", type=int, default=200, help="at most, under attack, for each kind of ports")
    parser.add_argument("--seconds", type=float, default=0.08, help="of a window")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    return parser.parse_args()


class Nulls:
    """Two devices that always have packets and lose what they send."""

    def __init__(self, options, folder):
        pass

    def devices(self):
        return [null_device(i) for i in range(2)]

    def run(self, switch):
        """Who counts, and the threads whose time it is by."""
        return switch.telemetry(), switch.workers()

    def stop(self):
        pass


class Pair:
    """Two guests that send back what they receive."""

    def __init__(self, options, folder):
        self.guests = Guests(folder, options.control_cpu, 2, 64, "", MEMORY_MB)
        self.guests.start()

    def devices(self):
        return self.guests.devices()

    def run(self, _):
        self.guests.run(16)
        return self.guests.telemetry(), proc.threads(self.guests.daemon.process.pid, "rte-worker")

    def stop(self):
        self.guests.stop()


KINDS = {"null": Nulls, "guests": Pair}


def bounds(ratios):
    """Of their median, 95 % sure."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(1000))
    return medians[25], medians[974]


def ratios(windows, others):
    return [a / b for a, b in zip(windows, others) if b]


def measure(options, meter, path, folder):
    """(ratios under attack, ratios of the control to itself, rates of the control)"""
    programs = (["sh", "-c", "while :; do :; done"],
                [os.path.join(options.build, "tests/unit/vhost/vhu_attack"), "600", str(options.seed), path])
    rivals = [proc.Daemon(["taskset", "-c", str(options.control_cpu), *program], "%s/rival%d.log" % (folder, i))
              for i, program in enumerate(programs)]
    calm, attacked = [], []
    try:
        # what the rivals take of the CPU is what is asked for: no window is better than another
        turns = {name: Turn([rival], lambda: (meter.window(options.seconds)[0], 0))
                 for name, rival in zip(("calm", "attacked"), rivals)}
        while len(attacked) < options.windows:
            values = alternate(turns, AT_ONCE)
            calm += values["calm"]
            attacked += values["attacked"]
            low, high = bounds(ratios(attacked, calm))
            if high - low < 2 * PRECISION:
                break
    finally:
        for rival in rivals:
            rival.stop()
    return ratios(attacked, calm), ratios(calm[1::2], calm[::2]), calm


def judge(name, kept, noise, calm):
    """Prints; returns 0, 1 or 2, as the exit status says."""
    low, high = bounds(kept)
    print("%-7s %6.2f Mpps beside a process that only computes; under attack %.3f of it (%.3f to %.3f, %d windows); "
          "the control beside itself %.3f (%.3f to %.3f)"
          % (name, statistics.median(calm) / 1e6, statistics.median(kept), low, high, len(kept),
             statistics.median(noise), *bounds(noise)))
    if low <= WANTED <= high or max(abs(1 - bound) for bound in bounds(noise)) > EVEN:
        return 2
    return 0 if low > WANTED else 1


def try_ports(name, options, folder):
    ports = KINDS[name](options, folder)
    switch = Evs(folder, (options.worker_cpu, options.control_cpu), build=options.build, memory_mb=MEMORY_MB)
    path = os.path.join(folder, "bad.sock")
    try:
        switch.start()
        switch.load(ports.devices(), FORWARD, None)
        switch.ctl("port", "add", "br0", "bad", "type=vhost-user", "path=" + path, "mode=server")
        telemetry, threads = ports.run(switch)
        time.sleep(1)
        meter = Meter(telemetry, telemetry.ethdevs(), threads)
        status = judge(name, *measure(options, meter, path, folder))
        telemetry.close()
        print(switch.ctl("port", "show", "bad"))
        return status
    finally:
        switch.stop()
        ports.stop()


def main():
    options = arguments()
    print("seed %d" % options.seed)
    worst = 0
    with hugepages.reserved(MEMORY_MB):
        for name in options.ports or KINDS:
            with tempfile.TemporaryDirectory(prefix="evsbench-") as folder:
                status = try_ports(name, options, folder)
                worst = 1 if 1 in (status, worst) else max(status, worst)
    return worst


if __name__ == "__main__":
    sys.exit(main())
