"""What was set before we touched clocks, on the disk: it outlives us, and a power cut."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ...core.errors import RunError, UsageError
from ...energy.governor_core import Claim
from ...files.json_file import read_json, write_json
from ...zoos.homes import user_folder

NAME = "clocks.json"


def claim_path() -> Path | None:
    """Where this user's claim is; None where there is no home."""
    state = user_folder("XDG_STATE_HOME", ".local/state")
    return None if state is None else state / "moonjelly" / NAME


class ClaimFile:
    """One governor at a time has it: the others wait until that has put its clocks back."""

    def __init__(self, path: Path | None) -> None:
        """Does nothing yet."""
        self._path = path
        self._lock = -1

    def take(self) -> Claim | None:
        """Returns what is written down; None while another governor has the file.

        Raises:
            RunError: if it cannot be had or read.
        """
        if self._path is None:
            raise RunError("clocks are not set: there is no home for the claim")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._lock < 0:
                self._lock = os.open(
                    self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
                )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            raise RunError(f"{self._path}: {error.strerror}; clocks are not set") from None
        if not self._path.exists():
            return {}
        try:
            return read_json(self._path).read(dict[str, dict[str, str]])
        except UsageError as error:
            raise RunError(f"{error}; clocks are not set until it is removed") from None

    def write(self, claim: Claim) -> None:
        """Writes it down for good; an empty one is no file.

        Raises:
            RunError: if that fails.
        """
        if self._path is None:
            raise RunError("there is no home for the claim")
        try:
            if claim:
                write_json(self._path, {name: dict(one) for name, one in claim.items()})
                _sync(self._path)
            else:
                self._path.unlink(missing_ok=True)
            _sync(self._path.parent)
        except OSError as error:
            raise RunError(f"{self._path}: {error.strerror}") from None

    def close(self) -> None:
        """Lets another governor have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
