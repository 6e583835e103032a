# SPDX-License-Identifier: Apache-2.0
"""Processes and the telemetry socket that every DPDK program offers."""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError("%s did not happen within %d s" % (what, seconds))


def run(argv, **kwargs):
    """Runs a command to its end; its output is part of the error if it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
    if done.returncode:
        raise RuntimeError("%s: exit status %d\n%s" % (" ".join(argv), done.returncode, done.stdout))
    return done.stdout


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def _end_with_owner():
    """Also if that is killed: who polls, at a high priority perhaps, would do so for ever."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Daemon:
    """A background process whose output goes to a file; ends with its owner."""

    def __init__(self, argv, log, stdin=subprocess.DEVNULL, env=None):
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(argv, stdin=stdin, stdout=out,
                                            stderr=subprocess.STDOUT,
                                            env=dict(os.environ, **(env or {})),
                                            start_new_session=True, preexec_fn=_end_with_owner)

    def check(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as log:
                raise RuntimeError("ended with %d:\n%s" % (self.process.returncode,
                                                           log.read()[-4000:]))

    def pause(self):
        """Off the CPUs, with all that it knows, until it is resumed."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.resume()
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def eal_folder(file_prefix):
    """Where DPDK keeps its files for a prefix, some MB, also when the program has ended."""
    return "/var/run/dpdk/" + file_prefix


def forget_eal(file_prefix):
    shutil.rmtree(eal_folder(file_prefix), ignore_errors=True)


class Telemetry:
    """DPDK's socket: counts of the drivers, whatever the program says of itself."""

    def __init__(self, file_prefix):
        path = eal_folder(file_prefix) + "/dpdk_telemetry.v2"
        wait_for("telemetry at " + path, lambda: os.path.exists(path))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.socket.recv(1 << 16)

    def ask(self, command):
        self.socket.send(command.encode())
        answer = json.loads(self.socket.recv(1 << 16))
        return answer.get(command.split(",")[0])

    def ethdevs(self):
        return self.ask("/ethdev/list") or []

    def sent(self, ports):
        return sum(self.ask("/ethdev/stats,%d" % port)["opackets"] for port in ports)

    def close(self):
        self.socket.close()


def busiest_thread(pid, seconds=0.5):
    """The path of the run time of the thread that runs most: a poll-mode thread."""
    folder = "/proc/%d/task" % pid
    before = {path: run_time(path)
              for path in ("%s/%s/schedstat" % (folder, tid) for tid in os.listdir(folder))}
    time.sleep(seconds)
    return max(before, key=lambda path: run_time(path) - before[path])


def run_time(path):
    """Seconds on a CPU. What is counted by these is right on a machine that others use too."""
    with open(path) as file:
        return int(file.read().split()[0]) / 1e9


def threads(pid, prefix):
    """The folders in /proc of the threads with such a name, the oldest first."""
    folder, found = "/proc/%d/task" % pid, []
    for tid in sorted(os.listdir(folder), key=int):
        with open("%s/%s/comm" % (folder, tid)) as comm:
            if comm.read().startswith(prefix):
                found.append("%s/%s" % (folder, tid))
    if not found:
        raise RuntimeError("no thread is called %s..." % prefix)
    return found


def memory(pid):
    """Bytes that a process has in use, huge pages included."""
    total = 0
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        for line in rollup:
            if line.startswith(("Rss:", "Private_Hugetlb:", "Shared_Hugetlb:")):
                total += int(line.split()[1]) << 10
    return total
