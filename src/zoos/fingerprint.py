"""Which machine a latency profile belongs to."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .gpus import card_of, cards

UNKNOWN = "unknown"
TORCH = "torch"
PRECISION = "float32"  # of what torch runs; other networks bring theirs in their files


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What decides how long a batch takes: profiles of equal fingerprints are interchangeable.

    Attributes:
        processor: model of the CPU (with family, model and stepping, as virtual machines tend to hide
            the name) or of the GPU.
        num_cores: CPU cores that the executor has; 0 where a GPU does the work.
        runtime: the library that runs the networks, its major release (minor ones differ by less than
            one machine from the next), and the precision it computes in.
        weights: tells the trained networks that were measured; empty where none were.
    """

    processor: str
    num_cores: int
    runtime: str
    weights: str = ""

    @property
    def label(self) -> str:
        """A short name for folders: readable, and different for different fingerprints."""
        words = f"{self.processor} {self.num_cores}c {self.runtime}"
        kept = "".join(c if c.isalnum() or c == "." else "-" for c in words)
        name = "-".join(part for part in kept.split("-") if part)[:120].lower()
        return f"{name}-{self.weights}" if self.weights else name


def cpu_fingerprint(
    num_cores: int, weights: str = "", libraries: Sequence[str] = (TORCH,)
) -> Fingerprint:
    """The fingerprint of an executor with such networks on that many cores of this machine."""
    return Fingerprint(_cpu_model(), num_cores, _runtime(libraries), weights)


def cuda_fingerprint(
    gpu: int, weights: str = "", libraries: Sequence[str] = (TORCH,)
) -> Fingerprint:
    """The fingerprint of an executor with such networks on a GPU of this machine."""
    return Fingerprint(_gpu_model(gpu), 0, _runtime(libraries), weights)


def _cpu_model(path: Path = Path("/proc/cpuinfo")) -> str:
    try:
        first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return platform.machine() or UNKNOWN
    pairs = (line.partition(":") for line in first.splitlines())
    values = {key.strip(): value.strip() for key, _, value in pairs}
    name = values.get("model name") or platform.machine() or UNKNOWN
    numbers = [
        f"{key.split()[-1]} {values[key]}"
        for key in ("cpu family", "model", "stepping")
        if key in values
    ]
    return " ".join([name, *numbers])


def _gpu_model(gpu: int) -> str:
    card = card_of(gpu, cards(), os.environ)
    return UNKNOWN if card is None or not card.model else card.model


def _runtime(libraries: Sequence[str]) -> str:
    """The libraries' releases: a major one says enough of torch, others still change with each minor one."""
    found: list[str] = []
    for name in libraries:
        release = _release(name) or _release(f"{name}-gpu")  # of two packages that hold the same
        if not release:
            return UNKNOWN
        is_torch = name == TORCH
        found.append(
            f"{name} {release[0]} {PRECISION}" if is_torch else f"{name} {'.'.join(release[:2])}"
        )
    return ", ".join(found)


def _release(package: str) -> list[str]:
    try:
        return version(package).split(".")
    except PackageNotFoundError:
        return []
