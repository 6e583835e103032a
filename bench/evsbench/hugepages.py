# SPDX-License-Identifier: Apache-2.0
"""Huge pages for the time of a benchmark, given back afterwards."""
import contextlib
import os
import signal
import subprocess
import sys

COUNT = "/proc/sys/vm/nr_hugepages"
FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
MOUNT = "/dev/hugepages"


def read(path):
    with open(path) as file:
        return int(file.read())


def write(value):
    with open(COUNT, "w") as file:
        file.write(str(value))


@contextlib.contextmanager
def reserved(pages):
    """At least `pages` free 2 MB pages and a mounted hugetlbfs. From now on SIGTERM, too, gives them back."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    missing = pages - read(FREE)
    mounted = os.path.ismount(MOUNT)
    try:
        if missing > 0:
            write(read(COUNT) + missing)
            if read(FREE) < pages:
                raise RuntimeError("the kernel has no %d MB in 2 MB pages to give" % (2 * pages))
        if not mounted:
            os.makedirs(MOUNT, exist_ok=True)
            subprocess.run(["mount", "-t", "hugetlbfs", "none", MOUNT], check=True)
        yield
    finally:
        if not mounted and os.path.ismount(MOUNT):
            subprocess.run(["umount", MOUNT], check=False)
        if missing > 0:
            write(max(read(COUNT) - missing, 0))  # others may have reserved theirs meanwhile
