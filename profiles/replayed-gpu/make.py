"""Computes the tables of this folder. Nothing here was measured: see README.md beside it."""

from __future__ import annotations

from pathlib import Path

from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    VariantRow,
    write_latency_file,
    write_variants,
)

ZOO = "replayed-gpu"
DEVICE_TYPE = "gpu"
DATE = "2026-11-21"
MAX_BATCH_SIZE = 12
# The smallest JPEG (quality 90) compression ratios over the traffic videos of Jellyfish (RTSS 2022).
COMPRESSION_RATIO = {
    128: 4.78, 160: 5.148, 192: 5.365, 224: 5.66, 256: 5.782, 288: 6.133, 320: 6.431, 352: 6.556,
    384: 6.781, 416: 6.953, 448: 7.158, 480: 7.421, 512: 7.574, 544: 7.739, 576: 7.968, 608: 8.131,
}  # fmt: skip
FORMULA = "p50 = 5.4 + 10.7 (side/608)^2 (0.4 + 0.6 batch) ms; p99 = 1.05 p50 + 0.5 ms"


def accuracy(side_px: int) -> float:
    """Within half a point of the published AP of YOLOv4 at 416, 512 and 608; 0.17 assumed at 128."""
    return 0.4687 - 0.0337 * float(608 / side_px) ** 1.4


def p50_ms(side_px: int, batch_size: int) -> float:
    """Batch 1 follows the published frame rates of YOLOv4; the growth with the batch is assumed."""
    return 5.4 + 10.7 * (side_px / 608) ** 2 * (0.4 + 0.6 * batch_size)


def make(folder: Path) -> None:
    """Writes both tables."""
    variants: list[VariantRow] = []
    rows: list[LatencyRow] = []
    for side, ratio in COMPRESSION_RATIO.items():
        name, exact = f"yolov4-{side}", accuracy(side)
        kbits = side * side * 3 * 8 / 1000 / ratio
        variants.append(
            VariantRow(name, "yolov4", side, exact, 1.51 * exact, None, None, None, kbits, 0)
        )
        for batch_size in range(1, MAX_BATCH_SIZE + 1):
            p50 = p50_ms(side, batch_size)
            rows.append(LatencyRow(name, batch_size, p50, 1.05 * p50 + 0.5, 0))
    write_variants(
        folder / "variants.csv",
        variants,
        {"synthetic": "computed by make.py, measured nowhere; README.md says after what"},
    )
    write_latency_file(
        folder / f"latency-{DEVICE_TYPE}.csv",
        LatencyFile(
            zoo=ZOO,
            device_type=DEVICE_TYPE,
            method=Method.SYNTHETIC,
            fingerprint=Fingerprint("a GPU of 2018 or so", 0, "none"),
            measured_on=DATE,
            source=f"SYNTHETIC, for replay only: {FORMULA}",
            rows=tuple(rows),
        ),
    )


if __name__ == "__main__":
    make(Path(__file__).parent)
