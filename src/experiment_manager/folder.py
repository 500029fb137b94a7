"""An experiment's folder: where runs lie, and what makes sure that they belong together.

DIR/runs/RUN_ID/         finished runs
DIR/failed/RUN_ID/       runs that failed, with `problems.txt`; they are tried again, never averaged
DIR/unfinished/RUN_ID/   the run that is under way
DIR/machine.json         the machine and the releases of all runs
DIR/experiment.json      the command that was given last
DIR/results.csv, summary.csv
"""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..core.errors import UsageError
from ..files.json_file import read_json, write_json
from .matrix import RunConfig

CONFIG_FILE = "config.json"
COMMAND_FILE = "experiment.json"
FAILED_DIR = "failed"
ID_FILE = ".id"
MACHINE_FILE = "machine.json"
PROBLEMS_FILE = "problems.txt"
_COMPARED = ("kind", "processor", "cores", "python", "moonjelly", "torch", "grpcio")


class ExperimentFolder:
    """The folder, while this process alone may change it."""

    def __init__(self, root: Path) -> None:
        """Opens with `open_folder`."""
        self.root = root
        self._unfinished = root / "unfinished"
        self._finished = _by_digest(root / "runs")

    @property
    def experiment_id(self) -> str:
        """Names the experiment on other machines: made by chance, and kept."""
        path = self.root / ID_FILE
        if not path.exists():
            path.write_text(secrets.token_hex(8) + "\n", encoding="ascii")
        return path.read_text(encoding="ascii").strip()

    def claim(self, machine: Mapping[str, str]) -> None:
        """Binds the folder to a machine; facts of several begin with `NAME: `.

        Raises:
            UsageError: if its runs were made elsewhere, or by another release.
        """
        path = self.root / MACHINE_FILE
        if not path.exists():
            write_json(path, dict(machine))
            return
        before = read_json(path).read(dict[str, str])
        for fact in sorted({fact for fact in (*before, *machine) if _is_compared(fact)}):
            if before.get(fact) != machine.get(fact):
                raise UsageError(
                    f"--out {self.root}: its runs were made with {fact} {before.get(fact)}, this is "
                    f"{machine.get(fact)}; choose another folder"
                )

    def finished(self, run: RunConfig) -> Path | None:
        """The folder of a run of the same configuration; None if there is none."""
        return self._finished.get(run.digest)

    def failed(self, run: RunConfig) -> Path | None:
        """The folder of a run of the same configuration that failed; None if there is none."""
        return _by_digest(self.root / FAILED_DIR).get(run.digest)

    def note_command(self, words: Sequence[str], detections: str = "") -> None:
        """Writes down how the experiment was started, and where detections are from, for its tables' and figures' readers."""
        command = shlex.join([Path(words[0]).name, *words[1:]])
        write_json(self.root / COMMAND_FILE, {"command": command, "detections": detections})

    def begin(self, run: RunConfig) -> Path:
        """Makes the folder that a run writes to."""
        path = self._unfinished / run.run_id
        path.mkdir(parents=True)
        write_json(path / CONFIG_FILE, run.as_json())
        return path

    def end(self, run: RunConfig, problems: Sequence[str]) -> Path:
        """Gives a run's folder its final name, all at once."""
        draft = self._unfinished / run.run_id
        if (earlier := self.failed(run)) is not None:
            shutil.rmtree(earlier)
        if problems:
            (draft / PROBLEMS_FILE).write_text("\n".join(problems) + "\n", encoding="utf-8")
        target = self.root / (FAILED_DIR if problems else "runs") / run.run_id
        target.parent.mkdir(exist_ok=True)
        draft.rename(target)
        if not problems:
            self._finished[run.digest] = target
        return target

    def forget_unfinished(self) -> None:
        """Removes what a run left that did not end."""
        shutil.rmtree(self._unfinished, ignore_errors=True)


@contextlib.contextmanager
def open_folder(root: Path) -> Iterator[ExperimentFolder]:
    """Opens an experiment's folder, or makes it; one process at a time.

    Raises:
        UsageError: if another process has it.
        OSError: if it cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"--out {root}: another experiment runs there") from None
        folder = ExperimentFolder(root)
        folder.forget_unfinished()
        try:
            yield folder
        finally:
            folder.forget_unfinished()


def _is_compared(fact: str) -> bool:
    return fact.rpartition(": ")[2] in _COMPARED


def _by_digest(parent: Path) -> dict[str, Path]:
    """Digest to run; a name ends in its digest, before it stands what an experiment varied."""
    if not parent.is_dir():
        return {}
    return {path.name.rpartition("_")[2]: path for path in parent.iterdir()}
