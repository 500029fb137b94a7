"""What a device's batches have taught is kept beside this machine's profiles: its next start begins there."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict
from pathlib import Path

from ..core.errors import RunError
from ..files.whole_file import write_whole
from ..scheduling.slowness import AS_PROFILED, Slowness
from .fingerprint import Fingerprint
from .places import machine_profile_path

SCHEMA = 1
MOST_BYTES = 4096

_log = logging.getLogger(__name__)


class LearnedFile:
    """`learned-<device>.json`: how slow one device was, beside one profile.

    Attributes:
        slowness: what is kept; as profiled if that is nothing.
    """

    def __init__(self, path: Path, profile: Path) -> None:
        """What was learned beside another profile, or the same measured anew, does not count."""
        self._path = path
        self._profile = hashlib.sha256(profile.read_bytes()).hexdigest()[:16]
        self.slowness = self._read()

    def keep(self, slowness: Slowness) -> None:
        """Writes it, whole or not at all, if it is new; a device does not fail for want of a place for it."""
        if slowness == self.slowness:
            return
        self.slowness = slowness
        values = {"schema": SCHEMA, "profile": self._profile, **asdict(slowness)}
        try:
            write_whole(self._path, json.dumps(values) + "\n")
        except OSError as error:
            _log.warning("%s: what was learned is not kept: %s", self._path, error.strerror)

    def _read(self) -> Slowness:
        try:
            with self._path.open("rb") as file:
                values = json.loads(file.read(MOST_BYTES))
            fits = values.pop("schema") == SCHEMA and values.pop("profile") == self._profile
            slowness = Slowness(**{name: float(value) for name, value in values.items()})
        except FileNotFoundError:
            return AS_PROFILED
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            _log.warning("%s: is not read: %s", self._path, error)
            return AS_PROFILED
        return slowness if fits and slowness.is_sound else AS_PROFILED


def learned_file(
    zoo: str, device_id: str, device_type: str, fingerprint: Fingerprint, profile: Path
) -> LearnedFile | None:
    """Where a device keeps what it learns; None if there is no place."""
    try:
        folder = machine_profile_path(zoo, device_type, fingerprint).parent
    except RunError as error:
        _log.warning("what is learned of %s is not kept: %s", device_id, error)
        return None
    return LearnedFile(folder / f"learned-{device_id}.json", profile)
