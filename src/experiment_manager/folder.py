"""An experiment's folder: where runs lie, and what makes sure that they belong together.

DIR/runs/RUN_ID/         finished runs
DIR/failed/RUN_ID/       runs that failed, with `problems.txt`; they are tried again, never averaged
DIR/unfinished/RUN_ID/   the run that is under way
DIR/machine.json         the machine and the releases of all runs
DIR/results.csv, summary.csv
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..core.errors import UsageError
from ..reporting.run_folder import read_json, write_json
from .matrix import RunConfig

CONFIG_FILE = "config.json"
MACHINE_FILE = "machine.json"
PROBLEMS_FILE = "problems.txt"
_COMPARED = ("processor", "cores", "python", "moonjelly", "torch", "grpcio")


class ExperimentFolder:
    """The folder, while this process alone may change it."""

    def __init__(self, root: Path) -> None:
        """Opens with `open_folder`."""
        self.root = root
        self._unfinished = root / "unfinished"
        self._finished = _by_digest(root / "runs")

    def finished(self, run: RunConfig) -> Path | None:
        """The folder of a run of the same configuration; None if there is none."""
        return self._finished.get(run.digest)

    def begin(self, run: RunConfig) -> Path:
        """Makes the folder that a run writes to."""
        path = self._unfinished / run.run_id
        path.mkdir(parents=True)
        write_json(path / CONFIG_FILE, run.as_json())
        return path

    def end(self, run: RunConfig, problems: Sequence[str]) -> Path:
        """Gives a run's folder its final name, all at once."""
        draft = self._unfinished / run.run_id
        if (earlier := _by_digest(self.root / "failed").get(run.digest)) is not None:
            shutil.rmtree(earlier)
        if problems:
            (draft / PROBLEMS_FILE).write_text("\n".join(problems) + "\n", encoding="utf-8")
        target = self.root / ("failed" if problems else "runs") / run.run_id
        target.parent.mkdir(exist_ok=True)
        draft.rename(target)
        if not problems:
            self._finished[run.digest] = target
        return target

    def forget_unfinished(self) -> None:
        """Removes what a run left that did not end."""
        shutil.rmtree(self._unfinished, ignore_errors=True)


@contextlib.contextmanager
def open_folder(root: Path, machine: Mapping[str, str]) -> Iterator[ExperimentFolder]:
    """Opens an experiment's folder, or makes it; one process at a time.

    Raises:
        UsageError: if another process has it, or its runs were made on another machine or release.
        OSError: if it cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"--out {root}: another experiment runs there") from None
        path = root / MACHINE_FILE
        if path.exists():
            before = read_json(path)
            for name in _COMPARED:
                if before.get(name) != machine.get(name):
                    raise UsageError(
                        f"--out {root}: its runs were made with {name} {before.get(name)}, this is "
                        f"{machine.get(name)}; choose another folder"
                    )
        else:
            write_json(path, dict(machine))
        folder = ExperimentFolder(root)
        folder.forget_unfinished()
        try:
            yield folder
        finally:
            folder.forget_unfinished()


def _by_digest(parent: Path) -> dict[str, Path]:
    """Digest to run; a name ends in its digest, before it stands what an experiment varied."""
    if not parent.is_dir():
        return {}
    return {path.name.rpartition("_")[2]: path for path in parent.iterdir()}
