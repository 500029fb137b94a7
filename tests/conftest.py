"""What holds for every test: the same examples of hypothesis in each run, Ctrl-C, and the rules of `plugins/`."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["suite_leaks", "suite_needs"]

# Before numpy is there: two threads wait for each other for minutes where cores are busy, or a test pins them to one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault
)
settings.load_profile("repeatable")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a job that a shell put into the background:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start would ignore it too


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long `tests/fuzz` may take in all."""
    parser.addoption("--fuzz-seconds", type=float, help="time for all fuzz targets together")
