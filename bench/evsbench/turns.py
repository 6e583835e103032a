# SPDX-License-Identifier: Apache-2.0
"""Switches that take turns: all are started, and each stands still while another is measured, so that
all of them see the same moments of the machine, and none has to learn its flows anew."""
import contextlib
import time

SETTLE_S = 0.2  # until the caches of the CPU are a switch's own again


def _open(stack, opener, lab, name):
    parts, take = stack.enter_context(opener(lab, name))
    for part in parts:
        part.pause()
    return parts, take


def _turn(parts, take):
    for part in parts:
        part.resume()
    time.sleep(SETTLE_S)
    try:
        return take()
    finally:
        for part in reversed(parts):
            part.pause()


def _rounds(lab, opener, names, repeat, tell):
    with contextlib.ExitStack() as stack:
        turns = {}
        for name in names:
            try:
                turns[name] = _open(stack, opener, lab, name)
            except (RuntimeError, TimeoutError, OSError) as error:
                tell(name, error=error)
        for _ in range(repeat):
            for name, turn in list(turns.items()):
                try:
                    tell(name, _turn(*turn))
                except (RuntimeError, TimeoutError, OSError) as error:
                    tell(name, error=error)
                    del turns[name]


def in_turns(lab, opener, names, repeat, tell, afresh=False):
    """opener(lab, name): a context manager of (what can pause and resume, a function that measures).
    tell(name, values, error=None) is called after each turn. afresh: all are started anew for each
    round, since a process may be slower than the next of its kind. The limit knows nothing that it could
    forget, and has its turn first and once."""
    others = [name for name in names if name != "limit"]
    if "limit" in names:
        _rounds(lab, opener, ["limit"], 1, tell)
    for _ in range(repeat if afresh else 1):
        _rounds(lab, opener, others, 1 if afresh else repeat, tell)
        others.append(others.pop(0))  # who starts first may have an advantage
