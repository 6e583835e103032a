#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What other ports keep of their throughput while a guest attacks the switch; 0.95 is wanted.

    null   <-> evs <-> null     two devices that cost nothing: all of the worker is in use
    guest  <-> evs <-> guest    the closed loop of bench/vm.py
    attacker on a port of its own

The attacker is tests/unit/vhost/vhu_attack: rings, headers and messages at random, hundreds of
connections, from a seed that is printed; or, with --attack bad-frames, one connection on which the
dearest frames that are none come as fast as they are taken. It runs on the CPU of the guests, as do
evsd's threads that talk to it, never on the worker's; what all these take there from the guests is no
time of theirs (evsbench/windows.py), and what they take from a CPU that shares a core with it, or
caches, other programs would take, too. So two others run there in turns with it:

    computes            a process that only computes
    attacks elsewhere   the same attacker, on another evsd whose threads run on the same CPUs

Devices are held against the first. Guests are held against the second, since they share their CPU with all that an
attack needs there, whatever it attacks.

Short windows of the three take turns (evsbench/turns.py), there and back, so that whatever else the machine does
meets all; each under attack is held against its neighbour. The same is done with neighbouring windows of the
control alone: what comes out there besides 1 is the machine. There are more windows until the median is known
to one percent (bootstrap, 95 %) or --windows are through.

Exit status: 0 kept, 1 not kept, 2 the machine was too uneven to tell."""
import argparse
import json
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
EVEN = 0.02  # so far from 1 the control may surely be beside itself, or nothing is told
PROOFS = {"random": "guest_connects", "bad-frames": "drops"}  # the port's counters tell of the attack
AT_ONCE = 40  # windows, before somebody looks whether they are enough


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--ports", choices=["null", "guests"], action="append", help="default: both")
    parser.add_argument("--attack", choices=PROOFS, default="random")
    parser.add_argument("--windows", type=int, default=600, help="at most, under attack, for each kind of ports")
    parser.add_argument("--seconds", type=float, default=0.04, help="of a window")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    return parser.parse_args()


class Nulls:
    """Two devices that always have packets and lose what they send."""

    control = "computes"

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

    control = "attacks elsewhere"

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


def neighbours(windows):
    """Ratios of those that follow each other."""
    return ratios(windows[2::2], windows[1:-1:2])


def attacker(options, path):
    kind = [] if options.attack == "random" else [options.attack]
    return [os.path.join(options.build, "tests/unit/vhost/vhu_attack"), "600", str(options.seed), path, *kind]


def measure(options, meter, programs, control, folder):
    """{name of a rival: its windows}. programs: {name: what it runs}."""
    rivals = {name: proc.Daemon(["taskset", "-c", str(options.control_cpu), *program],
                                "%s/%s.log" % (folder, name)) for name, program in programs.items()}
    windows = {name: [] for name in programs}
    try:
        # what the rivals take of the CPU is what is asked for: no window is better than another
        turns = {name: Turn([rival], lambda: (meter.window(options.seconds)[0], 0))
                 for name, rival in rivals.items()}
        while len(windows["attacks"]) < options.windows:
            for name, values in alternate(turns, min(AT_ONCE, options.windows - len(windows["attacks"]))).items():
                windows[name] += values
                rivals[name].check()
            low, high = bounds(ratios(windows["attacks"], windows[control]))
            if high - low < 2 * PRECISION:
                break
    finally:
        for rival in rivals.values():
            rival.stop()
    return windows


def n_attacks(options, switch):
    """So many by now: connections, or bad frames."""
    port, = json.loads(switch.ctl("--json", "port", "show", "bad", "xstats=on"))
    return {**port, **port["xstats"]}[PROOFS[options.attack]]


def judge(name, windows, control):
    """Prints; returns 0, 1 or 2, as the exit status says."""
    noise = neighbours(windows[control])
    print("%s: %d windows, %.2f Mpps beside a process that only computes; %s beside itself %.3f (%.3f to %.3f)"
          % (name, len(windows["attacks"]), statistics.median(windows["computes"]) / 1e6, control,
             statistics.median(noise), *bounds(noise)))
    for other in windows:
        if other != "attacks":
            kept = ratios(windows["attacks"], windows[other])
            print("    under attack, of what they have beside who %-16s %.3f (%.3f to %.3f)"
                  % (other, statistics.median(kept), *bounds(kept)))
    low, high = bounds(ratios(windows["attacks"], windows[control]))
    quiet, loud = bounds(noise)
    if low <= WANTED <= high or quiet > 1 + EVEN or loud < 1 - EVEN:
        return 2
    return 0 if low > WANTED else 1


def victim(options, folder, name):
    """A switch with a port for the attacker: (switch, the port's socket)."""
    home = os.path.join(folder, name)
    os.mkdir(home)
    switch = Evs(home, (options.worker_cpu, options.control_cpu), build=options.build, memory_mb=MEMORY_MB)
    return switch, os.path.join(home, "bad.sock")


def add_port(switch, path):
    switch.ctl("port", "add", "br0", "bad", "type=vhost-user", "path=" + path, "mode=server")


def try_ports(name, options, folder):
    ports = KINDS[name](options, folder)
    (switch, path), (other, elsewhere) = victim(options, folder, "evs"), victim(options, folder, "other")
    try:
        switch.start()
        switch.load(ports.devices(), FORWARD, None)
        other.start()
        add_port(switch, path)
        add_port(other, elsewhere)
        telemetry, threads = ports.run(switch)
        time.sleep(1)
        meter = Meter(telemetry, telemetry.ethdevs(), threads)
        programs = {"computes": ["sh", "-c", "while :; do :; done"], "attacks": attacker(options, path),
                    "attacks elsewhere": attacker(options, elsewhere)}
        windows = measure(options, meter, programs, ports.control, folder)
        if n_attacks(options, switch) < len(windows["attacks"]):
            raise RuntimeError("%s is %d only: that is no attack" % (PROOFS[options.attack], n_attacks(options, switch)))
        status = judge(name, windows, ports.control)
        telemetry.close()
        print(switch.ctl("port", "show", "bad"))
        return status
    finally:
        for started in (other, switch):
            started.stop()
        ports.stop()


def main():
    options = arguments()
    print("seed %d" % options.seed)
    worst = 0
    with hugepages.reserved(MEMORY_MB * 3 // 2):
        for name in options.ports or KINDS:
            with tempfile.TemporaryDirectory(prefix="evsbench-") as folder:
                status = try_ports(name, options, folder)
                worst = 1 if 1 in (status, worst) else max(status, worst)
    return worst


if __name__ == "__main__":
    sys.exit(main())
