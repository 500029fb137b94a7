"""Computes the tables of this folder from formulas that were fitted to published measurements: README.md beside it says whose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    Metric,
    VariantRow,
    write_latency_file,
    write_variants,
)

ZOO = "loudva"
NETWORK = "inception-v3"
DATE = "2026-11-27"


@dataclass(frozen=True)
class Board:
    """With batch b at clock f (GHz) it takes `(fixed_s + frame_s b) / f^slowing` at `base_w + (busy_w + log_w log2 b) f^rising`."""

    processor: str
    clocks_mhz: tuple[float, ...]
    most: int
    fixed_s: float
    frame_s: float
    slowing: float
    base_w: float
    busy_w: float
    log_w: float
    rising: float
    idle_w: tuple[float, ...]  # at the lowest clock and at the highest

    def p50_ms(self, batch_size: int, clock_mhz: float) -> float:
        """What a batch takes."""
        seconds = self.fixed_s + self.frame_s * batch_size
        return 1000 * seconds / (clock_mhz / 1000) ** self.slowing

    def power_w(self, batch_size: int, clock_mhz: float) -> float:
        """What the board draws while such batches run."""
        busy_w = self.busy_w + self.log_w * math.log2(batch_size)
        return self.base_w + busy_w * (clock_mhz / 1000) ** self.rising


BOARDS = {
    "jetson-agx-xavier": Board(
        "NVIDIA Jetson AGX Xavier",
        (114.75, 216.75, 318.75, 420.75, 522.75, 624.75, 675.75, 828.75, 905.25, 1032.75, 1198.5, 1236.75, 1338.75, 1377.0),
        64, 0.0234, 0.01235, 1.0, 5.43, 12.05, 0.77, 1.2, (3.55, 7.46),
    ),
    "jetson-xavier-nx": Board(
        "NVIDIA Jetson Xavier NX",
        (114.75, 204.0, 306.0, 408.0, 510.0, 599.25, 701.25, 752.25, 803.25, 854.25, 905.25, 956.25, 1007.25, 1058.25, 1109.25),
        8, 0.0245, 0.01715, 0.92, 4.42, 6.97, 0.57, 1.25, (2.3,),
    ),
    "jetson-nano": Board(
        "NVIDIA Jetson Nano",
        (153.6, 230.4, 307.2, 384.0, 460.8, 537.6, 614.4, 691.2, 768.0, 844.8, 921.6),
        4, 0.0429, 0.10045, 0.91, 2.5, 4.43, 0.06, 1.65, (1.04,),
    ),
}  # fmt: skip


def make(folder: Path) -> None:
    """Writes all tables."""
    frame_kbits = 299 * 299 * 3 * 8 / 1000 / 6.235
    row = VariantRow(f"{NETWORK}-299", NETWORK, 299, 0.78, *[None] * 4, frame_kbits, 0, Metric.TOP1)  # type: ignore[arg-type]
    write_variants(folder / "variants.csv", [row], {"published": "README.md tells by whom"})
    for device_type, board in BOARDS.items():
        rows = []
        for clock_mhz in board.clocks_mhz:
            for size in range(1, board.most + 1):
                p50_ms = board.p50_ms(size, clock_mhz)
                rows.append(
                    LatencyRow(
                        *(f"{NETWORK}-299", size, p50_ms, 1.05 * p50_ms + 0.5, 0, clock_mhz),
                        power_w=round(board.power_w(size, clock_mhz), 3),
                    )
                )
        file = LatencyFile(
            zoo=ZOO,
            device_type=device_type,
            method=Method.SYNTHETIC,
            fingerprint=Fingerprint(board.processor, 0, "Triton, TensorFlow 2"),
            measured_on=DATE,
            source="formulas fitted to LoudVA's measurements; for replay only: README.md",
            rows=tuple(rows),
            idle_w=board.idle_w,
        )
        write_latency_file(folder / f"latency-{device_type}.csv", file)


if __name__ == "__main__":
    make(Path(__file__).parent)
