"""Reads and writes weight files; nothing is loaded whose size and hash the manifest does not know."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from .manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    WEIGHTS_FOLDER,
    WeightFile,
    WeightsError,
    read_manifest,
)


def load_verified(entry: WeightFile, folder: Path = WEIGHTS_FOLDER) -> dict[str, Tensor]:
    """Returns the tensors of a file, floats widened to float32, once size and hash are right.

    Raises:
        WeightsError: If the file is not there, or not what the manifest says.
    """
    path = folder / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if len(content) != entry.size_bytes:
        raise WeightsError(f"{path} has {len(content)} bytes: the manifest says {entry.size_bytes}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise WeightsError(f"{path} has SHA-256 {digest}: the manifest says {entry.sha256}")
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
    digest = hashlib.sha256(content).hexdigest()
    entry = WeightFile(
        f"{network}.safetensors",
        len(content),
        digest,
        classes,
        sides_px,
        training_seed,
        training_steps,
    )
    (folder / entry.file).write_bytes(content)
    path = folder / MANIFEST_NAME
    entries = (read_manifest(folder) if path.exists() else {}) | {network: entry}
    networks = {name: dataclasses.asdict(one) for name, one in sorted(entries.items())}
    text = json.dumps({"schema_version": SCHEMA_VERSION, "networks": networks}, indent=2) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return entry
