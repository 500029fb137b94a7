"""What a run may leave on a host, found again by the run's folder: files, and processes by their ids."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from pathlib import Path

import psutil

from ...core.checks import echo

PROCESSES_FILE = "processes.txt"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,254}")
_START_TICKS_FIELD = 19  # of /proc/PID/stat, counted after the name
_END_LIMIT_S = 12.0
_KILL_LIMIT_S = 5.0
_LOOK_AGAIN_S = 0.05
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def run_folder(root: str, experiment: str, run: str = "", host: str = "") -> Path:
    """Where the files of an experiment, of one of its runs, of a host in it, lie.

    Raises:
        ValueError: if a name could lead elsewhere.
    """
    if not root.startswith("/"):
        raise ValueError(f"root={echo(root)}: must be an absolute path")
    folder = Path(root)
    for field, name in (("experiment", experiment), ("run", run), ("host", host)):
        if not name and field != "experiment":
            break
        if not _NAME.fullmatch(name):
            raise ValueError(f"{field}={echo(name)}: must be a plain file name")
        folder /= name
    return folder


def note_process(folder: Path, pid: int) -> None:
    """Writes down a process, so that it is found and not taken for another one of its number.

    Raises:
        OSError: if that fails, or there is no such process.
    """
    with (folder / PROCESSES_FILE).open("a", encoding="ascii") as file:
        file.write(f"{pid} {_identity(pid)}\n")


def remove_leftovers(folder: Path) -> int:
    """Ends the processes that runs below a folder have noted, then removes the folder.

    Returns:
        How many processes still ran.

    Raises:
        OSError: if something cannot be removed.
    """
    processes = [
        process for path in sorted(folder.rglob(PROCESSES_FILE)) for process in _noted(path)
    ]
    found = {process.pid: process for process in processes}
    for process in processes:
        for child in _children(process):
            found.setdefault(child.pid, child)
    for process in processes:
        _signal(process, "terminate")
        _signal(process, "resume")  # or a stopped one would not hear it
    alive = _wait_for_end(list(found.values()), _END_LIMIT_S)
    for process in alive:
        _signal(process, "kill")
    _wait_for_end(alive, _KILL_LIMIT_S)
    if folder.exists():
        shutil.rmtree(folder)
    return len(processes)


def _noted(path: Path) -> list[psutil.Process]:
    """The processes of a file that still run."""
    found = []
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        pid, _, identity = line.partition(" ")
        try:
            process = psutil.Process(int(pid))
            if _identity(process.pid) == identity and _is_running(process):
                found.append(process)
        except (ValueError, OSError, psutil.Error):
            continue  # half a line, or a process that has ended
    return found


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _wait_for_end(processes: list[psutil.Process], limit_s: float) -> list[psutil.Process]:
    """Waits for processes that are no children of this one; returns those that still run."""
    end_s = time.monotonic() + limit_s
    while processes := [process for process in processes if _is_running(process)]:
        if time.monotonic() >= end_s:
            break
        time.sleep(_LOOK_AGAIN_S)
    return processes


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, how: str) -> None:
    with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
        getattr(process, how)()


def _identity(pid: int) -> str:
    """Start of a process in clock ticks since boot, and the boot: no clock that is set matters."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    ticks = stat.rpartition(")")[2].split()[_START_TICKS_FIELD]
    return f"{ticks} {_BOOT_ID.read_text(encoding='ascii').strip()}"
