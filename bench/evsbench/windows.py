# SPDX-License-Identifier: Apache-2.0
"""What a packet rate is made of: short windows, in which the drivers count packets and the kernel
the time that others took from the workers.

A rate is packets by the time that the workers had, or could have had: on a CPU that others use, too,
what they took (the worker was ready to run and did not: `run_delay`; the host ran something else:
`steal`) is no time of the switch. What the host's other guests do to the pace of a CPU is seen by
nobody in here, so windows are short and what is compared takes turns (turns.py)."""
import math
import os
import statistics
import time

WINDOW_S = 0.04
TAKEN = 0.1      # of a window by others: it says little
SURE_S = 0.0005  # counts are of a known moment if asking for them took no longer
ASK_AGAIN = 5
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def waited(thread):
    """Seconds so far that it was ready to run while others had its CPU. thread: its folder in /proc."""
    with open(thread + "/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


def cpu_of(thread):
    with open(thread + "/stat") as file:
        return int(file.read().rpartition(")")[2].split()[36])


def stolen(cpu):
    """Seconds so far that the host took, in ticks."""
    with open("/proc/stat") as file:
        for line in file:
            if line.startswith("cpu%d " % cpu):
                return int(line.split()[8]) * TICK_S
    return 0


class Meter:
    """What the drivers of some ports sent, and what others took from the threads meanwhile."""

    def __init__(self, telemetry, ports, threads):
        self.telemetry, self.ports, self.taken = telemetry, ports, []
        self.threads = [(thread, cpu_of(thread)) for thread in threads]

    def _count(self):
        """(packets so far, when): asked again if the answer came late."""
        best = None
        for _ in range(ASK_AGAIN):
            start = time.monotonic()
            count = self.telemetry.sent(self.ports)
            end = time.monotonic()
            if best is None or end - start < best[2]:
                best = count, (start + end) / 2, end - start
            if end - start < SURE_S * len(self.ports):
                break
        return best[:2]

    def _look(self):
        return *self._count(), [waited(thread) + stolen(cpu) for thread, cpu in self.threads]

    def window(self, seconds=WINDOW_S):
        """(packets a second of the workers' time, the part of it that others took)."""
        count, start, times = self._look()
        time.sleep(seconds)
        now_count, now, now_times = self._look()
        taken = [after - before for before, after in zip(times, now_times)]
        part = min(statistics.mean(taken or [0]) / (now - start), 0.9)
        self.taken.append(part)
        return (now_count - count) / (now - start) / (1 - part), part

    def rate(self, seconds, best=True):
        """What so many seconds of windows say: see upper(); best=False: their median. Those that others took
        much of do not count, if there are more: `steal` comes in ticks as long as a quarter of a window."""
        windows = [self.window() for _ in range(math.ceil(seconds / WINDOW_S))]
        rates = [rate for rate, part in windows if part <= TAKEN] or [rate for rate, _ in windows]
        return upper(rates) if best else statistics.median(rates)


def upper(rates):
    """What the best tenth of the windows reach: the rate without disturbance, but no lucky window."""
    return sorted(rates)[math.ceil(0.9 * len(rates)) - 1]


def lower(times):
    """The same of what should be small."""
    return sorted(times)[len(times) // 10]
