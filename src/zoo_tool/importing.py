"""Takes in tables as the profiler of Jellyfish (RTSS 2022) writes them: a zoo to be replayed and simulated.

The folder holds `accuracy.txt` (ModelSize, Accuracy: 0 to 1) and, for each side of it,
`profile_latency_SIDE.txt` (ModelSize, Batch, InferenceTime: ms), a row for each batch that ran. Files
of several devices may stand one behind the other, each with its header.
"""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.checks import echo, require_id
from ..core.errors import UsageError
from ..core.profile import BatchLatency
from ..core.zoo import MAX_SIDE_PX, Network, Task, Zoo
from ..files.text_file import read_text
from ..vision.classes import COCO_CLASSES
from ..zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    OpenedZoo,
    VariantRow,
    open_zoo,
    write_latency_file,
    write_variants,
    write_zoo_file,
)
from ..zoos.latency import MAX_BATCH_SIZE, MAX_LATENCY_MS, MIN_LATENCY_MS
from .taking_in import zoo_folder

NETWORK = "yolov4"
ACCURACY_FILE = "accuracy.txt"
LATENCY_FILE = "profile_latency_{}.txt"
SIZES_OF = "replayed-gpu"  # the zoo that has the published sizes of frames
MOST_BYTES = 1 << 28


def import_tables(folder: Path, name: str, device_type: str) -> OpenedZoo:
    """Makes a zoo of a folder's tables.

    Args:
        folder: with the tables.
        name: of the new zoo, or its folder.
        device_type: what the latencies are of; devices `replayed:TYPE` have them.

    Raises:
        UsageError: with `file:line: rule` where a table is broken or not there, or if the zoo is there.
        OSError: if the zoo cannot be written.
    """
    made = zoo_folder(name)
    if made.exists():
        raise UsageError(f"zoo={echo(name)}: is there; remove it first, or choose another name")
    try:
        require_id("device_type", device_type)
    except ValueError as error:
        raise UsageError(f"{error}") from None
    accuracies = _read_accuracies(folder / ACCURACY_FILE)
    latencies = {
        side_px: _read_latencies(folder / LATENCY_FILE.format(side_px), side_px)
        for side_px in accuracies
    }
    zoo = Zoo(made.name, Task.DETECTION, COCO_CLASSES, (Network(NETWORK, tuple(accuracies)),))
    rows = [
        VariantRow(
            *(one.name, NETWORK, one.side_px, accuracies[one.side_px], None, None, None, None),
            frame_kbits=_frame_kbits(one.side_px),
            num_frames=0,
        )
        for one in zoo.variants
    ]
    file = LatencyFile(
        zoo=zoo.name,
        device_type=device_type,
        method=Method.SYNTHETIC,
        fingerprint=Fingerprint(device_type, 0, "unknown"),
        measured_on=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        source=f"imported that day from profile_latency_SIDE.txt of {folder.resolve().name}",
        rows=tuple(row for one in zoo.variants for row in _rows(one.name, latencies[one.side_px])),
    )
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=".new-") as temporary:
        draft = Path(temporary) / made.name
        draft.mkdir()
        notes = {"imported": f"accuracy of {ACCURACY_FILE}; frame_kbits as in {SIZES_OF}"}
        write_variants(draft / "variants.csv", rows, notes)
        write_latency_file(draft / f"latency-{device_type}.csv", file)
        write_zoo_file(draft, zoo)
        shutil.move(draft, made)
    return open_zoo(name)


def _read_accuracies(path: Path) -> dict[int, float]:
    """Accuracy by side, smallest first."""
    found: dict[int, float] = {}
    for number, (side, accuracy) in _read_rows(path, 2):
        side_px = _side(path, number, side)
        if side_px in found:
            raise UsageError(f"{path}:{number}: side {side_px} is there twice")
        if not 0 <= accuracy <= 1:
            raise UsageError(f"{path}:{number}: accuracy {accuracy:g}: must be from 0 to 1")
        found[side_px] = accuracy
    return dict(sorted(found.items()))


def _rows(variant: str, samples: Mapping[int, Sequence[float]]) -> list[LatencyRow]:
    """Rows of a profile, of what batches of each size took."""
    quantiles = [np.quantile(samples[size], (0.5, 0.99)).tolist() for size in sorted(samples)]
    p50s, p99s = zip(*quantiles, strict=True)
    latency = BatchLatency.monotone(p50s, p99s)
    return [
        LatencyRow(variant, size, p50_ms, p99_ms, len(samples[size]))
        for size, (p50_ms, p99_ms) in enumerate(
            zip(latency.p50_ms, latency.p99_ms, strict=True), start=1
        )
    ]


def _read_latencies(path: Path, side_px: int) -> dict[int, list[float]]:
    """What each batch took (ms), by its size: 1, 2, ... without holes."""
    samples: dict[int, list[float]] = defaultdict(list)
    for number, (side, batch_size, latency_ms) in _read_rows(path, 3):
        if _side(path, number, side) != side_px:
            raise UsageError(f"{path}:{number}: side {side:g}: must be {side_px}, as in its name")
        if batch_size not in range(1, MAX_BATCH_SIZE + 1):
            rule = f"must be a whole number from 1 to {MAX_BATCH_SIZE}"
            raise UsageError(f"{path}:{number}: batch {batch_size:g}: {rule}")
        if not MIN_LATENCY_MS <= latency_ms <= MAX_LATENCY_MS:
            rule = f"must be from {MIN_LATENCY_MS:g} to {MAX_LATENCY_MS:g} ms"
            raise UsageError(f"{path}:{number}: time {latency_ms:g}: {rule}")
        samples[int(batch_size)].append(latency_ms)
    for size in range(1, max(samples)):
        if size not in samples:
            raise UsageError(f"{path}: has no batch of {size}")
    return samples


def _read_rows(path: Path, num_columns: int) -> list[tuple[int, list[float]]]:
    """The numbers of each row with its line, without headers."""
    rows: list[tuple[int, list[float]]] = []
    for number, line in enumerate(read_text(path, MOST_BYTES).splitlines(), 1):
        if not line.strip() or re.match(r"\s*ModelSize\s*,", line):
            continue
        try:
            values = [float(cell) for cell in line.split(",")]
        except ValueError:
            values = []
        if len(values) != num_columns:
            rule = f"must be {num_columns} numbers with commas between"
            raise UsageError(f"{path}:{number}: {echo(line.strip())}: {rule}")
        rows.append((number, values))
    if not rows:
        raise UsageError(f"{path}: has no rows")
    return rows


def _side(path: Path, number: int, side: float) -> int:
    if side not in range(1, MAX_SIDE_PX + 1):
        raise UsageError(
            f"{path}:{number}: side {side:g}: must be a whole number from 1 to {MAX_SIDE_PX}"
        )
    return int(side)


def _frame_kbits(side_px: int) -> float:
    """The published size of a frame of a side: bits per pixel between, and at the ends beyond, the published sides."""
    known = sorted(open_zoo(SIZES_OF).variants, key=lambda one: one.input_side_px)
    per_pixel = [one.frame_kbits / one.input_side_px**2 for one in known]
    return side_px**2 * float(np.interp(side_px, [one.input_side_px for one in known], per_pixel))
