from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from moonjelly.experiment_manager.hosts.lease import RENEW, Lease, LeaseLostError, LineReader


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for end in (read_end, write_end):
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def test_lines_come_whole_however_they_were_written(pipe: tuple[int, int]) -> None:
    lines = LineReader(pipe[0])
    os.write(pipe[1], b"one\ntw")
    assert lines.read(5) == "one"
    with pytest.raises(TimeoutError):
        lines.read(0)
    os.write(pipe[1], b"o\nthree\n")
    assert [lines.read(5), lines.read(0)] == ["two", "three"]
    os.write(pipe[1], b"half a line")
    os.close(pipe[1])
    with pytest.raises(EOFError):
        lines.read(5)


@pytest.mark.parametrize("how", ["silence", "end"])
def test_a_lease_is_lost_by_silence_and_by_the_end_of_the_input(
    pipe: tuple[int, int], how: str
) -> None:
    is_lost = threading.Event()
    lease = Lease(LineReader(pipe[0]), 1.0, "remove", is_lost.set)
    os.write(pipe[1], f"{RENEW}\ngo\n".encode())
    assert lease.next_command() == "go"
    assert not is_lost.is_set()
    if how == "end":
        os.close(pipe[1])
    assert is_lost.wait(10)
    for _ in range(2):
        with pytest.raises(LeaseLostError):
            lease.next_command()


def test_after_the_last_command_no_lease_is_needed(pipe: tuple[int, int]) -> None:
    lost: list[str] = []
    lease = Lease(LineReader(pipe[0]), 1.0, "remove", lambda: lost.append("lost"))
    os.write(pipe[1], b"stop\nremove\n")
    os.close(pipe[1])
    assert [lease.next_command(), lease.next_command()] == ["stop", "remove"]
    for thread in threading.enumerate():
        if thread.name == "lease":
            thread.join()
    assert lost == []


@pytest.mark.parametrize("lease_s", [0.5, 3600.0, float("nan")])
def test_a_lease_of_no_use_is_refused(pipe: tuple[int, int], lease_s: float) -> None:
    with pytest.raises(ValueError, match=r"lease_s=.*: must be 1 to 45"):
        Lease(LineReader(pipe[0]), lease_s, "remove", lambda: None)
