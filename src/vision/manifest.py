"""The list that vouches for the trained weights. Nothing heavy is imported here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..core.errors import RunError

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
MANIFEST_NAME: Final = "manifest.json"
SCHEMA_VERSION: Final = 1
DIGEST_CHARS: Final = 12


class WeightsError(RunError):
    """Weights cannot be used: they are missing, cut short, changed, or of another network."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """What the manifest says of one network.

    Attributes:
        file: File name, beside the manifest.
        size_bytes: Size.
        sha256: Hash in hexadecimal digits.
        classes: Class names by class id.
        sides_px: Input sides that earn a place in the zoo.
        training_seed: Seed the network was trained with.
        training_steps: Optimiser steps it was trained for.
    """

    file: str
    size_bytes: int
    sha256: str
    classes: tuple[str, ...]
    sides_px: tuple[int, ...]
    training_seed: int
    training_steps: int


def read_manifest(folder: Path = WEIGHTS_FOLDER) -> dict[str, WeightFile]:
    """Returns what the manifest of a folder says, by network.

    Raises:
        WeightsError: If it is not there, or cannot be read.
    """
    path = folder / MANIFEST_NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA_VERSION:
            raise WeightsError(
                f"schema_version is {document['schema_version']!r} in {path.name}:"
                f" it must be {SCHEMA_VERSION}"
            )
        return {
            name: WeightFile(
                **{key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
            )
            for name, entry in document["networks"].items()
        }
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read: {error!r}") from error


@lru_cache
def weights_digest(folder: Path = WEIGHTS_FOLDER) -> str:
    """A short hash of all weights that a manifest names; empty if there is none that can be read.

    Whoever loads the weights checks each file against the manifest, and says what is wrong with it.
    """
    try:
        hashes = [f"{name} {one.sha256}" for name, one in sorted(read_manifest(folder).items())]
    except WeightsError:
        return ""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:DIGEST_CHARS]
