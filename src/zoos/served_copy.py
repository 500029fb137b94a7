"""A copy of a zoo, so that a server that runs is not touched by what happens to the zoo's own folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..core.errors import RunError
from .opened import OpenedZoo
from .places import own_dirs
from .zoo_file import ZOO_FILE

_KIND = "served"


class ServedCopy:
    """A folder for one copy, of this process until it is closed.

    Attributes:
        folder: where the copy goes; it is empty at first.
    """

    def __init__(self) -> None:
        """Makes the folder, and removes those of processes that could not do it themselves.

        Raises:
            RunError: if there is no place for it.
        """
        for place in own_dirs(_KIND):
            with suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                with _locked(place):
                    _sweep(place)
                    self.folder = Path(tempfile.mkdtemp(dir=place))
                    self._lock = ExitStack()
                    self._lock.enter_context(_locked(self.folder))
                return
        raise RunError(
            "XDG_CACHE_HOME: must name a folder that can be written, for the zoo that is served"
        )

    def close(self) -> None:
        """Removes the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def copy_zoo(zoo: OpenedZoo, folder: Path) -> str:
    """Copies a zoo into a folder under its own name; returns how the copy is called.

    Weights are linked where that can be: commands of this program put new files in their place, and what is written
    into them is found out by their hash. Those that are not there are missed by whoever loads them.

    Raises:
        RunError: if that fails.
    """
    copy = folder / zoo.name
    try:
        copy.mkdir()
        for file in zoo_files(zoo, with_weights=False):
            shutil.copyfile(file, copy / file.name)
        for file in _weights(zoo):
            with suppress(FileNotFoundError):
                _link_or_copy(file.resolve(), copy / file.name)
    except OSError as error:
        raise RunError(f"zoo {zoo.name}: {error.filename}: {error.strerror}") from None
    return str(copy)


def zoo_files(zoo: OpenedZoo, *, with_weights: bool) -> list[Path]:
    """What a copy of a zoo consists of: its file and tables, and what its networks need to run."""
    tables = [zoo.folder / ZOO_FILE, *zoo.folder.glob("*.csv")]
    return [*tables, *_weights(zoo)] if with_weights else tables


def _weights(zoo: OpenedZoo) -> list[Path]:
    return [zoo.folder / one.file for one in zoo.zoo.networks if one.file]


def _link_or_copy(file: Path, copy: Path) -> None:
    try:
        os.link(file, copy)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or another user's
        shutil.copyfile(file, copy)


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Holds the lock of a folder; OSError if it cannot be had."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _sweep(place: Path) -> None:
    """Removes copies that nobody holds."""
    for folder in place.iterdir():
        with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)
