from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moonjelly.experiment_manager.hosts.leftovers import (
    PROCESSES_FILE,
    note_process,
    remove_leftovers,
    run_folder,
)

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPER)
    yield process
    process.kill()
    process.wait()


def make_folder(root: Path) -> Path:
    folder = run_folder(str(root), "cafe", "run-1", "edge")
    folder.mkdir(parents=True)
    (folder / "frames.csv").write_text("half\n")
    return folder


@pytest.mark.parametrize("is_stopped", [False, True])
def test_noted_processes_are_ended_and_files_removed(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], is_stopped: bool
) -> None:
    note_process(make_folder(tmp_path), sleeper.pid)
    other = run_folder(str(tmp_path), "beef", "run-1", "edge")
    other.mkdir(parents=True)
    if is_stopped:
        sleeper.send_signal(signal.SIGSTOP)
    assert remove_leftovers(tmp_path / "cafe") == 1
    assert sleeper.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)
    assert not (tmp_path / "cafe").exists()
    assert other.exists()  # another experiment's


def test_a_process_that_only_has_the_number_of_one_that_was_noted_lives(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    folder = make_folder(tmp_path)
    note_process(folder, sleeper.pid)
    path = folder / PROCESSES_FILE
    pid, ticks, boot = path.read_text().split()
    path.write_text(
        f"{pid} {int(ticks) - 1} {boot}\n{pid} {ticks} another-boot\n{pid}\nno number\n"
    )
    assert remove_leftovers(tmp_path / "cafe") == 0
    assert sleeper.poll() is None
    assert not folder.exists()


def test_where_nothing_is_left_nothing_is_done(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "cafe") == 0


@pytest.mark.parametrize(
    ("root", "experiment", "run"),
    [("relative", "cafe", ""), ("/srv", "", ""), ("/srv", "..", ""), ("/srv", "cafe", "../x")],
)
def test_a_name_that_leads_elsewhere_is_refused(root: str, experiment: str, run: str) -> None:
    with pytest.raises(ValueError, match=r"must be (an absolute path|a plain file name)"):
        run_folder(root, experiment, run)
