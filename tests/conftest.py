"""What holds for every test: the same examples of hypothesis in each run, Ctrl-C, and the rules of `plugins/`."""

import signal

import pytest
from hypothesis import settings

pytest_plugins = ["suite_leaks", "suite_needs"]

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a job that a shell put into the background:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start would ignore it too


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long `tests/fuzz` may take in all."""
    parser.addoption("--fuzz-seconds", type=float, help="time for all fuzz targets together")
