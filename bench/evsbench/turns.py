# SPDX-License-Identifier: Apache-2.0
"""Switches that take turns: all are started, and each stands still while another is measured, so that
all of them see the same moments of the machine, and none has to learn its flows anew.

Turns are short, since the pace of a virtual CPU changes within tens of milliseconds with what its
host does besides: many short pairs tell a ratio much better than a few long ones of the same time.
A turn that others took too much of is taken again, so many times at most."""
import contextlib
import time

from .windows import TAKEN

SETTLE_S = 0.02  # until the caches of the CPU are a switch's own again
AGAIN = 2        # so often a window is taken again of which others took more than TAKEN


class Turn:
    """parts: what can pause and resume; take(): (value, part of its time that others took)."""

    again = total = 0  # of all

    def __init__(self, parts, take):
        self.parts, self.take = parts, take
        self.pause()

    def pause(self):
        for part in reversed(self.parts):
            part.pause()

    def resume(self):
        for part in self.parts:
            part.resume()

    def _once(self):
        self.resume()
        try:
            time.sleep(SETTLE_S)
            return self.take()
        finally:
            self.pause()

    def value(self):
        """Of the window of which others took least."""
        Turn.total += 1
        best = self._once()
        for _ in range(AGAIN):
            if best[1] <= TAKEN:
                break
            Turn.again += 1
            best = min(best, self._once(), key=lambda window: window[1])
        return best[0]


def alternate(turns, n):
    """n values of each: {name: Turn} -> {name: values}; there and back, so that nobody is always first."""
    values = {name: [] for name in turns}
    for i in range(n):
        for name in list(turns) if i % 2 == 0 else reversed(list(turns)):
            values[name].append(turns[name].value())
    return values


def _round(lab, opener, names, n, tell):
    with contextlib.ExitStack() as stack:
        turns = {}
        for name in names:
            try:
                turns[name] = Turn(*stack.enter_context(opener(lab, name)))
            except (RuntimeError, TimeoutError, OSError) as error:
                tell(name, error=error)
        try:
            values = alternate(turns, n)
        except (RuntimeError, TimeoutError, OSError) as error:
            tell(" or ".join(turns), error=error)
            return
        for name in turns:
            tell(name, values[name])


def rounds(names):
    """Who takes turns with whom: the limit with a single switch; where there are several, it has its own before theirs."""
    switches = [name for name in names if name != "limit"]
    if len(switches) > 1 and "limit" in names:
        return [["limit"], switches]
    return [list(names)]


def in_turns(lab, opener, names, repeat, tell, afresh=False):
    """opener(lab, name): a context manager of what a Turn is made of. tell(name, values, error=None) is
    called after each round. afresh: all are started anew for each round, since a process may be slower
    than the next of its kind."""
    *alone, together = rounds(names)
    n = lab.options.turns
    for first in alone:
        _round(lab, opener, first, n, tell)
    for _ in range(repeat if afresh else 1):
        _round(lab, opener, together, n if afresh else repeat * n, tell)
        together.append(together.pop(0))  # who starts first may have an advantage
