# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the stories: `lab`, and `bench` for those that try rules on raw frames. What a failed test's daemons said stands in its report."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from evslib import Lab  # noqa: E402
from evslib.ofbench import Bench  # noqa: E402


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("functional tests make network namespaces: run them as root", returncode=2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    used = getattr(item, "funcargs", {})
    lab = used.get("lab") or getattr(used.get("pair"), "lab", None)
    if report.when == "call" and report.failed and lab:
        report.sections.append(("evsd", lab.logs()))


@pytest.fixture
def lab():
    bench = Lab()
    try:
        yield bench
    finally:
        bench.close()


@pytest.fixture(scope="module")
def bench():
    """One switch for all stories of a file: starting it costs more than most of them."""
    lab = Lab()
    try:
        yield Bench(lab)
    finally:
        lab.close()
