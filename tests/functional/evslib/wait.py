# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions; nothing in the stories sleeps for a fixed time."""
import time

# Sanitizers and busy machines are slow; waiting long costs nothing where things work.
TIMEOUT_S = 60


def wait_for(condition, what="", timeout=TIMEOUT_S, interval=0.02):
    """Calls condition until it returns something true, and returns that.

    An AssertionError or OSError of the condition counts as "not yet"; the last one is told.
    """
    deadline = time.monotonic() + timeout
    reason = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, OSError) as error:
            reason = error
        if time.monotonic() > deadline:
            text = what or getattr(condition, "__name__", "condition")
            raise AssertionError(f"waited {timeout} s for: {text}" + (f" ({reason})" if reason else ""))
        time.sleep(interval)
