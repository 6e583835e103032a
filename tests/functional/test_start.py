# SPDX-License-Identifier: Apache-2.0
"""How evsd starts, refuses to start, and ends.

    evsd --options--> a socket, or one sentence and a status that is not 0
"""
import os
import pathlib
import signal
import subprocess

import pytest
from evslib.evsd import BUILD
from evslib.lab import EAL_DIR


def refuse(*options, timeout=60):
    run = subprocess.run([str(BUILD / "evsd"), *map(str, options)], text=True, capture_output=True, timeout=timeout,
                         stdin=subprocess.DEVNULL)
    assert run.returncode != 0, run.stderr
    return run.stderr


def test_version_and_help():
    for option, word in (("--version", "evs"), ("--help", "--run-dir")):
        run = subprocess.run([str(BUILD / "evsd"), option], text=True, capture_output=True, timeout=60)
        assert run.returncode == 0 and word in run.stdout


@pytest.mark.parametrize("options, word", [
    (["--nonsense"], "nonsense"),
    (["--log", "loud"], "loud"),
    (["--worker-cpus", "4095"], "4095"),
    (["--worker-cpus", "x"], "x"),
    (["--config", "/nonexistent/evs.json"], "/nonexistent/evs.json"),
    (["--dpdk", "--no-huge --in-memory"], "in-memory"),
    (["--dpdk", "--nonsense-option"], "nonsense-option"),
])
def test_bad_options_are_named(lab, options, word):
    said = refuse("--run-dir", lab.dir / "r", "--no-config", *options)
    assert word in said


def test_second_evsd_on_the_same_socket(lab):
    evsd = lab.evsd()
    said = refuse(*evsd.argv[1:])
    assert str(evsd.socket_path) in said
    assert evsd.call("version")  # the first was not disturbed


def test_threads_keep_to_their_cpus(lab):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs a second CPU")
    evsd = lab.evsd("--control-cpus", str(cpus[0]), workers=str(cpus[1]))
    tasks = pathlib.Path(f"/proc/{evsd.process.pid}/task")
    where = {(task / "comm").read_text().strip(): os.sched_getaffinity(int(task.name)) for task in tasks.iterdir()}
    assert where.pop("evs-w0") == {cpus[1]}
    assert where and all(at == {cpus[0]} for at in where.values()), where


def test_stale_socket_is_replaced(lab):
    evsd = lab.evsd()
    evsd.kill()
    assert evsd.socket_path.exists()
    evsd.start()


def test_dpdks_files_go_with_their_owner(lab):
    """EAL's files of a --file-prefix: 3 MB, which whoever comes second leaves alone."""
    evsd = lab.evsd()
    folder = EAL_DIR / evsd.argv[evsd.argv.index("--dpdk") + 1].split()[-1]
    files = sorted(folder.iterdir())
    assert folder / "config" in files
    words = [word.replace(str(evsd.run_dir), str(lab.dir / "other")) for word in evsd.argv[1:]]
    assert "--file-prefix" in refuse(*words)
    assert sorted(folder.iterdir()) == files
    evsd.stop()
    assert list(folder.iterdir()) == []


def test_run_dir_that_can_not_be_made(lab):
    file = lab.dir / "file"
    file.write_text("")
    assert str(file) in refuse("--run-dir", file / "sub", "--no-config", "--dpdk", "--no-huge -m 64")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_time_under_full_traffic(lab, number):
    evsd = lab.evsd()
    evsd.call("port.add", bridge="br0", name="src", type="dpdk", devargs=f"net_null_s{lab.token},size=64")
    evsd.call("port.add", bridge="br0", name="dst", type="dpdk", devargs=f"net_null_d{lab.token},no-rx=1")
    if number == signal.SIGINT:
        os.kill(evsd.process.pid, number)
    evsd.stop()
