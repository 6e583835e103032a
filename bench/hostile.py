#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What two guests keep of their throughput while a third one attacks the switch.

    guest <-> evs <-> guest, the closed loop of bench/vm.py; an attacker on a port of its own

The attacker is tests/unit/vhost/vhu_attack: rings, headers and messages at random, hundreds of
connections, from a seed that is printed. Windows with and without it alternate, so that whatever
else the machine does meets both. It runs on the CPU of the guests, never on the worker's; what it
takes there from the guests is seen by a run against a socket that nobody attacks (--idle: a
process that only computes)."""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evsbench import hugepages, proc  # noqa: E402
from evsbench.guests import Guests  # noqa: E402
from evsbench.scenarios import FORWARD  # noqa: E402
from evsbench.switches import Evs  # noqa: E402

MEMORY_MB = 192


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--pairs", type=int, default=8, help="windows with and without the attacker")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker-cpu", type=int, default=0)
    parser.add_argument("--control-cpu", type=int, default=1)
    return parser.parse_args()


class Attacker:
    """Stopped and continued by signals, so that it costs nothing while the other half is measured."""

    def __init__(self, options, path):
        program = [os.path.join(options.build, "tests/unit/vhost/vhu_attack"), "600",
                   str(options.seed), path]
        self.process = subprocess.Popen(["taskset", "-c", str(options.control_cpu), *program],
                                        stdout=subprocess.DEVNULL)
        self.pause()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Idler(Attacker):
    """Takes the same CPU and does nothing with it."""

    def __init__(self, options, _):
        self.process = subprocess.Popen(["taskset", "-c", str(options.control_cpu), "sh", "-c",
                                         "while :; do :; done"])
        self.pause()


def measure(options, switch, telemetry, path):
    """Rates alone, under attack, and beside a process that only computes."""
    rates = {"alone": [], "attack": [], "idle": []}
    rivals = {"attack": Attacker(options, path), "idle": Idler(options, path)}
    try:
        for _ in range(options.pairs):
            for name, result in rates.items():
                if name in rivals:
                    rivals[name].go_on()
                    time.sleep(0.2)
                result.append(max(proc.rates(telemetry, options.seconds)))
                if name in rivals:
                    rivals[name].pause()
    finally:
        for rival in rivals.values():
            rival.stop()
    return rates


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="evsbench-") as folder, hugepages.reserved(MEMORY_MB):
        guests = Guests(folder, options.control_cpu, 2, 64, "", MEMORY_MB)
        switch = Evs(folder, (options.worker_cpu, options.control_cpu), build=options.build,
                     memory_mb=MEMORY_MB)
        path = os.path.join(folder, "bad.sock")
        try:
            guests.start()
            switch.start()
            switch.load(guests.devices(), FORWARD, None)
            switch.ctl("port", "add", "br0", "bad", "type=vhost-user", "path=" + path,
                          "mode=server")
            guests.run(16)
            telemetry = guests.telemetry()
            time.sleep(1)
            rates = measure(options, switch, telemetry, path)
            telemetry.close()
            print(switch.ctl("port", "show", "bad"))
        finally:
            switch.stop()
            guests.stop()
    for name, windows in rates.items():
        print("%-7s %6.2f Mpps" % (name, statistics.median(windows) / 1e6))
    kept = [a / b for a, b in zip(rates["attack"], rates["idle"])]
    print("kept under attack: %.3f of the rate beside a process that only computes"
          % statistics.median(kept))


if __name__ == "__main__":
    main()
