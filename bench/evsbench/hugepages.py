# SPDX-License-Identifier: Apache-2.0
"""Huge pages for the time of a benchmark, given back afterwards."""
import contextlib
import fcntl
import os
import signal
import subprocess
import sys

COUNT = "/proc/sys/vm/nr_hugepages"
FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
COMPACT = "/proc/sys/vm/compact_memory"
MOUNT = "/dev/hugepages"
LOCK = "/run/evsbench-hugepages.lock"


def read(path):
    with open(path) as file:
        return int(file.read())


@contextlib.contextmanager
def alone():
    """Nobody else counts and writes meanwhile: what two reserve at once would be one's."""
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def add(pages):
    """So many more, or fewer; never below none, as others may have written the count."""
    if pages:
        value = max(read(COUNT) + pages, 0)
        with open(COUNT, "w") as file:
            file.write(str(value))


def give_back(pages):
    with alone():
        add(-pages)


def reserve(pages, stack):
    """Adds what is missing to so many free ones; the stack gives back what the kernel really gave."""
    with alone():
        before = read(COUNT)
        try:
            if read(FREE) < pages:
                with contextlib.suppress(OSError), open(COMPACT, "w") as file:  # it may be free in smaller pieces
                    file.write("1")
            add(max(pages - read(FREE), 0))
        finally:
            stack.callback(give_back, max(read(COUNT) - before, 0))
        if read(FREE) >= pages:
            return
    raise RuntimeError("the kernel has no %d MB in 2 MB pages to give" % (2 * pages))


@contextlib.contextmanager
def reserved(pages):
    """At least `pages` free 2 MB pages and a mounted hugetlbfs. From now on SIGTERM, too, gives them back."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.ExitStack() as stack:
        reserve(pages, stack)
        if not os.path.ismount(MOUNT):
            os.makedirs(MOUNT, exist_ok=True)
            stack.callback(subprocess.run, ["umount", MOUNT], check=False)
            subprocess.run(["mount", "-t", "hugetlbfs", "none", MOUNT], check=True)
        yield
