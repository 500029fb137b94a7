"""Where latency profiles lie, and which one fits a device.

Some come with a zoo. What a machine measures for itself goes to
`$XDG_CACHE_HOME/moonjelly/profiles` (`~/.cache/...`; the temporary folder where there is no such place), a folder
per fingerprint, and never overwrites those.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..core.errors import RunError, UsageError
from ..core.variant import Variant
from .fingerprint import Fingerprint
from .homes import user_folder
from .latency import Method, read_latency_file
from .opened import OpenedZoo

_PROFILES = "profiles"

_log = logging.getLogger(__name__)


def own_dirs(kind: str) -> list[Path]:
    """Where this machine may keep files of a kind that it made for itself, best first."""
    cache = user_folder("XDG_CACHE_HOME", ".cache")
    folders = [] if cache is None else [cache]
    with suppress(FileNotFoundError):
        temporary = Path(tempfile.gettempdir()) / f"moonjelly-{os.geteuid()}"
        if _is_private(temporary):
            folders.append(temporary)
    return [folder / "moonjelly" / kind for folder in folders]


def _is_private(folder: Path) -> bool:
    """Whether a folder in a place that all share is ours alone, or not there: others may plant tables."""
    try:
        facts = folder.lstat()
    except OSError:
        return True
    is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
    return is_ours and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def own_path(kind: str, name: Path) -> Path:
    """Where a file of a kind, of this machine's own making, can be written; makes its folder.

    Raises:
        RunError: if there is no place for it.
    """
    for folder in own_dirs(kind):
        path = folder / name
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.access(path.parent, os.W_OK | os.X_OK) and folder in own_dirs(kind):
                return path
    raise RunError(
        f"XDG_CACHE_HOME: must name a folder that can be written, for this machine's {kind}"
    )


def machine_profile_path(zoo: str, device_type: str, fingerprint: Fingerprint) -> Path:
    """Where a profile of this machine's own making can be written; as `own_path`."""
    return own_path(_PROFILES, _own_path(zoo, device_type, fingerprint))


def _own_path(zoo: str, device_type: str, fingerprint: Fingerprint) -> Path:
    return Path(zoo, fingerprint.label, f"latency-{device_type}.csv")


def find_profile(zoo: OpenedZoo, device_type: str, fingerprint: Fingerprint | None) -> Path | None:
    """Finds the latency profile to use: this machine's own, else one that came with the zoo and fits.

    So that never overrules what was measured here. Any table fits a replayed device, which has no fingerprint.

    Raises:
        UsageError: if a table of the zoo is broken.
    """
    if fingerprint is not None:
        own = _find_own(zoo.name, device_type, fingerprint, zoo.variants)
        if own is not None:
            return own
    shipped = zoo.latency_path(device_type)
    if not shipped.exists():
        return None
    file = read_latency_file(shipped, zoo.variants)
    is_measured = file.method is not Method.SYNTHETIC
    fits = fingerprint is None or (is_measured and file.fingerprint == fingerprint)
    return shipped if fits else None


def _find_own(
    zoo: str, device_type: str, fingerprint: Fingerprint, variants: Sequence[Variant]
) -> Path | None:
    for folder in own_dirs(_PROFILES):
        own = folder / _own_path(zoo, device_type, fingerprint)
        try:
            if own.exists():
                read_latency_file(own, variants)
                return own
        except PermissionError:  # a folder on the way
            continue
        except UsageError as error:  # we wrote it and can write it again
            _log.warning("%s; it will be measured again", error)
    return None
