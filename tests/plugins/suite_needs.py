"""What a test may need beyond Python, and the rule of CI: for anything else nothing is skipped.

A need is a marker. Where it is not met its tests are skipped, with its reason. With `--strict-skips` a test that is
skipped in any other way, or for a need that CI has to meet, fails.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest

REFERENCE_VARIABLE = "MOONJELLY_REFERENCE"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a machine has or has not.

    Attributes:
        what: its name, and how to get it where that is easy.
        is_met: looks whether it is there.
        may_be_missing: whether CI puts up without it.
    """

    what: str
    is_met: Callable[[], bool]
    may_be_missing: bool = False


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _makes_namespaces() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("ip", "tc", "ss", "nsenter")))


def find_sshd() -> str | None:
    """Where the SSH server is; it is often outside the path."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which("sshd", path=os.pathsep.join(places))


def _has_ssh_server() -> bool:
    return bool(find_sshd() and shutil.which("ssh-keygen"))


def _delays_packets() -> bool:
    """Whether the kernel has netem, tried in a namespace that is gone afterwards."""
    command = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _bounds_retransmission() -> bool:
    with socket.socket() as one:
        try:
            one.getsockopt(socket.IPPROTO_TCP, 44)  # TCP_RTO_MAX_MS, of Linux 6.15
        except OSError:
            return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


NEEDS = {  # in this order: to look for netem one makes a namespace
    "network": Need("root and iproute2, to make network namespaces", _makes_namespaces),
    "gpu": Need("a CUDA device", _has_cuda, may_be_missing=True),
    "reference": Need(
        f"reference data, its folder in {REFERENCE_VARIABLE}",
        lambda: bool(os.environ.get(REFERENCE_VARIABLE)),
        may_be_missing=True,
    ),
    "netem": Need("a kernel with netem", _delays_packets, may_be_missing=True),
    "no_netem": Need("a kernel without netem", lambda: not _delays_packets(), may_be_missing=True),
    "rto_max": Need("a kernel with TCP_RTO_MAX_MS", _bounds_retransmission, may_be_missing=True),
    "ipv6": Need("a kernel with IPv6", _has_ipv6, may_be_missing=True),
    "ssh_server": Need("sshd and ssh-keygen: apt-get install openssh-server", _has_ssh_server),
    "two_cores": Need("two cores", lambda: len(os.sched_getaffinity(0)) >= 2),
}

_UNMET = pytest.StashKey[Need]()


@functools.cache
def is_met(name: str) -> bool:
    """Whether this machine has what a marker stands for."""
    return NEEDS[name].is_met()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option of CI."""
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="fail what is skipped for anything but CUDA, a kernel feature or reference data",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes each need a marker."""
    for name, need in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: needs {need.what}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose need is not met."""
    for name, need in NEEDS.items():
        if item.get_closest_marker(name) and not is_met(name):
            item.stash[_UNMET] = need
            pytest.skip(f"needs {need.what}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test that was skipped, or let fail, without a need that may be missing."""
    report = yield
    need = item.stash.get(_UNMET, None)
    if report.skipped and not (need and need.may_be_missing):
        _fail(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fails a module that skips all its tests at once."""
    report = yield
    if report.skipped:
        _fail(report, collector.config)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    if config.getoption("--strict-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "it may fail"
        vars(report).pop("wasxfail", None)
        report.outcome = "failed"
        report.longrepr = f"{reason}: only a need that may be missing excuses a test in CI"
