"""Computes the tables of this folder from published figures: README.md beside it says whose, and by which rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moonjelly.files.table import write_table
from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    VariantRow,
    write_latency_file,
    write_variants,
)

ZOO = "yolov4"
DATE = "2026-11-27"
SIDES_PX = range(128, 609, 32)
PUBLISHED_PX = (320, 416, 512, 608)
PUBLISHED_BATCHES = (1, 4)
MAX_BATCH_SIZE = 12
# Frames/s by published side, at batch 1 and at batch 4, FP16: README of ceccocats/tkDNN, 2021-07-20.
RATES_FPS = {
    "rtx-2080-ti": ((207.81, 169.06, 140.36, 111.39), (443.32, 293.78, 215.17, 152.89)),
    "jetson-agx-xavier": ((57.14, 41.01, 31.12, 21.92), (79.05, 49.00, 33.84, 23.36)),
    "jetson-xavier-nx": ((30.14, 22.43, 15.78, 11.54), (41.15, 25.59, 17.13, 12.06)),
    "jetson-tx2": ((15.32, 9.45, 7.22, 4.67), (16.31, 9.90, 7.23, 4.70)),
    "jetson-nano": ((6.14, 3.90, 3.02, 1.92), (6.53, 4.04, 3.04, 1.93)),
}
IMITATED = {
    "rtx-2080-ti": ("NVIDIA GeForce RTX 2080 Ti", "TensorRT 7.0.0"),
    "jetson-agx-xavier": ("NVIDIA Jetson AGX Xavier", "TensorRT 6.0.1"),
    "jetson-xavier-nx": ("NVIDIA Jetson Xavier NX", "TensorRT 7.1.0"),
    "jetson-tx2": ("NVIDIA Jetson TX2", "TensorRT 5.0.6"),
    "jetson-nano": ("NVIDIA Jetson Nano", "TensorRT 7.1.0"),
}
# AP and AP50 on COCO test-dev by published side: README of AlexeyAB/darknet.
AP, AP50 = (0.380, 0.412, 0.430, 0.435), (0.600, 0.628, 0.649, 0.657)
# The smallest JPEG (quality 90) compression ratios over the traffic videos of Jellyfish (RTSS 2022).
COMPRESSION_RATIO = (
    4.78, 5.148, 5.365, 5.66, 5.782, 6.133, 6.431, 6.556, 6.781, 6.953, 7.158, 7.421, 7.574, 7.739, 7.968, 8.131,
)  # fmt: skip
MARKS = {
    "published": "as published",
    "between": "straight lines between the published sides beside it: latency over side^2, accuracy over 1/side",
    "below": "smaller than any published side: the fixed cost of 320 px and its cost per pixel; accuracy on the line of 320 and 416 px",
    "batch": "on the straight line over the batch through 1 and 4, also beyond 4",
    "p99_ms": "assumed everywhere: 1.05 p50_ms + 0.5",
    "frame_kbits": "computed everywhere: 24 side^2 / (1000 ratio), the smallest JPEG-90 ratio that Jellyfish found for that side",
}


def accuracy(side_px: int, published: tuple[float, ...]) -> float:
    """Straight lines over 1/side through the published sides; the first one goes on below them."""
    small, next_one, *_ = PUBLISHED_PX
    fall = (published[1] - published[0]) / (1 / small - 1 / next_one)
    if side_px < small:
        return published[0] - fall * (1 / side_px - 1 / small)
    return float(np.interp(-1 / side_px, [-1 / px for px in PUBLISHED_PX], published))


def p50_ms(device_type: str, side_px: int, batch_size: int) -> float:
    """A fixed cost and one for each frame, each in straight lines over side^2.

    Both follow from the published rates. Without pixels only the fixed cost of the smallest published side would be left.
    """
    one_ms, four_ms = (
        batch * 1000 / np.array(rates)
        for batch, rates in zip(PUBLISHED_BATCHES, RATES_FPS[device_type], strict=True)
    )
    frame_ms = (four_ms - one_ms) / (PUBLISHED_BATCHES[1] - PUBLISHED_BATCHES[0])
    fixed_ms = one_ms - frame_ms
    pixels = np.square((0, *PUBLISHED_PX))
    fixed, frame = (
        np.interp(side_px**2, pixels, [at_none, *known])
        for at_none, known in ((fixed_ms[0], fixed_ms), (0.0, frame_ms))
    )
    return float(fixed + batch_size * frame)


def side_mark(side_px: int) -> str:
    """Where the numbers of a side come from, at the published batches."""
    if side_px in PUBLISHED_PX:
        return "published"
    return "below" if side_px < PUBLISHED_PX[0] else "between"


def mark(side_px: int, batch_size: int) -> str:
    """Where a latency comes from."""
    side = side_mark(side_px)
    if batch_size in PUBLISHED_BATCHES:
        return side
    return "batch" if side == "published" else f"{side}+batch"


def make(folder: Path) -> None:
    """Writes all tables."""
    variants = {side: f"yolov4-{side}" for side in SIDES_PX}
    batches = range(1, MAX_BATCH_SIZE + 1)
    write_variants(
        folder / "variants.csv",
        [
            VariantRow(
                *(name, "yolov4", side, accuracy(side, AP), accuracy(side, AP50)),
                *(None, None, None, side * side * 3 * 8 / 1000 / ratio, 0),
            )
            for (side, name), ratio in zip(variants.items(), COMPRESSION_RATIO, strict=True)
        ],
        {"published": "or computed from what was, by make.py; sources.csv tells which"},
    )
    for device_type, (processor, runtime) in IMITATED.items():
        p50s = [
            (name, batch, p50_ms(device_type, side, batch))
            for side, name in variants.items()
            for batch in batches
        ]
        write_latency_file(
            folder / f"latency-{device_type}.csv",
            LatencyFile(
                zoo=ZOO,
                device_type=device_type,
                method=Method.SYNTHETIC,
                fingerprint=Fingerprint(processor, 0, f"tkDNN, {runtime}, FP16"),
                measured_on=DATE,
                source="published frames/s of YOLOv4 with tkDNN, or computed from them; for replay only: sources.csv",
                rows=tuple(
                    LatencyRow(name, batch, p50, 1.05 * p50 + 0.5, 0) for name, batch, p50 in p50s
                ),
            ),
        )
    write_table(
        folder / "sources.csv",
        MARKS,
        ("variant", "map", "map50", *(f"batch_{size}" for size in batches)),
        [
            (name, side_mark(side), side_mark(side), *(mark(side, size) for size in batches))
            for side, name in variants.items()
        ],
    )


if __name__ == "__main__":
    make(Path(__file__).parent)
