"""Draws link traces that look like published ones: same spread, same restlessness, other values.

    python network_shaping/generate_traces.py            writes the files beside this program

A trace is an autoregressive series of Gaussian numbers, whose ranks are then replaced by the values of
a distribution that is straight between the published quantiles. The correlation is searched so that the
mean absolute step between neighbours comes out right too. Statistics: the WiFi and LTE upload traces
used with Jellyfish (RTSS 2022), Mbit/s, one value a second.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class TraceStatistics:
    """What a trace is to look like (Mbit/s).

    Attributes:
        mean_step: mean absolute difference of neighbouring values.
    """

    minimum: float
    p5: float
    median: float
    mean: float
    p95: float
    maximum: float
    mean_step: float

    @classmethod
    def of(cls, values: Values) -> TraceStatistics:
        """Measures a trace."""
        low, p5, median, p95, high = (float(v) for v in np.quantile(values, QUANTILES))
        step = float(np.mean(np.abs(np.diff(values))))
        return cls(low, p5, median, float(np.mean(values)), p95, high, step)


@dataclass(frozen=True, slots=True)
class Kind:
    """One file to write."""

    title: str
    seed: int
    num_values: int
    wanted: TraceStatistics


KINDS = {
    "wifi_like_mbps.txt": Kind(
        "Like a WiFi link", 11, 200, TraceStatistics(12.9, 18.7, 53.1, 51.87, 77.4, 90.8, 9.41)
    ),
    "lte_like_mbps.txt": Kind(
        "Like an LTE uplink",
        12,
        199,
        TraceStatistics(2.855, 7.32, 14.70, 15.20, 25.43, 26.33, 2.99),
    ),
}


def draw_trace(kind: Kind) -> Values:
    """Draws the values of one trace (Mbit/s), the same every time."""
    noise = np.random.default_rng(kind.seed).standard_normal(kind.num_values)
    candidates = (_series(noise, kind.wanted, rho) for rho in np.linspace(0.0, 0.99, 100))
    wanted = kind.wanted.mean_step
    return min(candidates, key=lambda v: abs(TraceStatistics.of(v).mean_step - wanted))


def _series(noise: Values, wanted: TraceStatistics, rho: float) -> Values:
    """An autoregressive series with correlation `rho` and the wanted distribution."""
    state = np.empty_like(noise)
    state[0] = noise[0]
    for i in range(1, len(noise)):
        state[i] = rho * state[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    ranks = np.argsort(np.argsort(state)) / (len(noise) - 1)
    corners = (wanted.minimum, wanted.p5, wanted.median, wanted.p95, wanted.maximum)
    return np.round(np.interp(ranks, QUANTILES, corners), 3)


def write_trace(path: Path, kind: Kind) -> None:
    """Writes one trace file."""
    lines = [
        f"# {kind.title}; drawn by generate_traces.py, seed {kind.seed}. Mbit/s, one value a second.",
        *(f"{value:.3f}" for value in draw_trace(kind)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Writes the files."""
    parser = argparse.ArgumentParser(description="Draws the link traces of this folder.")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, help="folder (here)")
    folder = parser.parse_args().to
    for name, kind in KINDS.items():
        write_trace(folder / name, kind)
        sys.stdout.write(f"{folder / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
