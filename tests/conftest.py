"""What holds for every test: the same examples of hypothesis in each run; what needs rights is skipped without."""

import os
import shutil

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

_MAKES_NAMESPACES = os.geteuid() == 0 and all(map(shutil.which, ("ip", "tc", "ss", "nsenter")))


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long `tests/fuzz` may take in all."""
    parser.addoption("--fuzz-seconds", type=float, help="time for all fuzz targets together")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips tests of shaped links in the kernel where they cannot be made."""
    if item.get_closest_marker("network") and not _MAKES_NAMESPACES:
        pytest.skip("needs root and iproute2, to make network namespaces")
