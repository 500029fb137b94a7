"""Reads and writes weight files; nothing is loaded whose size and hash the manifest does not know.

Errors:
    core.errors.RunError
    +-- WeightsError
        +-- MissingWeights    the manifest names a file that is not there
        +-- CorruptWeights    a file is not what the manifest says
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..core.errors import RunError

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"
MANIFEST_NAME: Final = "manifest.json"
_SCHEMA_VERSION: Final = 1


class WeightsError(RunError):
    """Weights cannot be used."""


class MissingWeights(WeightsError):  # noqa: N818
    """The manifest names a file that is not there."""


class CorruptWeights(WeightsError):  # noqa: N818
    """A file is not what the manifest says: cut short, changed, or of another network."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """What the manifest says of one network.

    Attributes:
        network: Name of the network.
        file: File name, beside the manifest.
        size_bytes: Size.
        sha256: Hash in hexadecimal digits.
        classes: Class names by class id.
        sides_px: Input sides that earn a place in the zoo.
        training_seed: Seed the network was trained with.
        training_steps: Optimiser steps it was trained for.
    """

    network: str
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
        MissingWeights: If there is no manifest.
        CorruptWeights: If it cannot be read.
    """
    path = folder / MANIFEST_NAME
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] != _SCHEMA_VERSION:
            raise CorruptWeights(
                f"schema_version is {document['schema_version']!r} in {path.name}:"
                f" it must be {_SCHEMA_VERSION}"
            )
        return {
            name: WeightFile(
                network=name,
                file=str(entry["file"]),
                size_bytes=int(entry["size_bytes"]),
                sha256=str(entry["sha256"]),
                classes=tuple(entry["classes"]),
                sides_px=tuple(int(side) for side in entry["sides_px"]),
                training_seed=int(entry["training_seed"]),
                training_steps=int(entry["training_steps"]),
            )
            for name, entry in document["networks"].items()
        }
    except FileNotFoundError as error:
        raise MissingWeights(f"{path} does not exist") from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CorruptWeights(f"{path} cannot be read: {error!r}") from error


def write_manifest(files: dict[str, WeightFile], folder: Path = WEIGHTS_FOLDER) -> None:
    """Writes the manifest of a folder."""
    networks = {name: dataclasses.asdict(entry) for name, entry in sorted(files.items())}
    for entry in networks.values():
        del entry["network"]
    document = {"schema_version": _SCHEMA_VERSION, "networks": networks}
    text = json.dumps(document, indent=2) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8", newline="\n")


def load_verified(entry: WeightFile, folder: Path = WEIGHTS_FOLDER) -> dict[str, Tensor]:
    """Returns the tensors of a file, floats widened to float32, once size and hash are right.

    Raises:
        MissingWeights: If the file is not there.
        CorruptWeights: If it is not what the manifest says.
    """
    path = folder / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingWeights(f"{path} cannot be read: {error}") from error
    if len(content) != entry.size_bytes:
        raise CorruptWeights(
            f"{path} has {len(content)} bytes: the manifest says {entry.size_bytes}"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise CorruptWeights(f"{path} has SHA-256 {digest}: the manifest says {entry.sha256}")
    return {
        name: tensor.float() if tensor.dtype.is_floating_point else tensor
        for name, tensor in load(content).items()
    }


def install_weights(
    network: str,
    state: dict[str, Tensor],
    classes: tuple[str, ...],
    sides_px: tuple[int, ...],
    training_seed: int,
    training_steps: int,
    folder: Path = WEIGHTS_FOLDER,
) -> WeightFile:
    """Writes a network's weights, kernels in half precision, and enters them in the manifest."""
    stored = {
        name: (tensor.to(torch.float16) if tensor.ndim > 1 else tensor).contiguous()
        for name, tensor in state.items()
    }
    content = save(stored)
    entry = WeightFile(
        network=network,
        file=f"{network}.safetensors",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        classes=classes,
        sides_px=sides_px,
        training_seed=training_seed,
        training_steps=training_steps,
    )
    (folder / entry.file).write_bytes(content)
    try:
        files = read_manifest(folder)
    except MissingWeights:
        files = {}
    write_manifest({**files, network: entry}, folder)
    return entry
