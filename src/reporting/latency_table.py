"""`latencies.csv` of an experiment: how many frames of each cell were answered within x ms, all of its runs pooled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ..files.tidy_table import read_log
from ..files.whole_file import whole_file
from .run_folder import FRAMES_FILE

LATENCIES_FILE = "latencies.csv"
_COLUMNS = {"stream_id": str, "latency_ms": float | None}


def write_latencies(path: Path, results: pl.DataFrame, cell: Sequence[str], runs_dir: Path) -> None:
    """Writes the table, whole or not at all.

    A cell holds the cameras of its rows alone, as those of one run may differ. It has a row for each whole ms at which frames were answered: `answered` of them by then, of `captured`. One
    without answers has a row of zeros.

    Args:
        path: of the table.
        results: a row for each camera of each run.
        cell: columns whose values tell cells apart.
        runs_dir: folders of the runs.

    Raises:
        UsageError: naming the log that is missing or broken.
        OSError: if it cannot be written.
    """
    tables = []
    for key, rows in results.group_by(cell, maintain_order=True):
        logs = [
            read_log(runs_dir / str(run) / FRAMES_FILE, _COLUMNS).filter(
                pl.col("stream_id").is_in(cameras["camera"].implode())
            )
            for (run,), cameras in rows.group_by("run", maintain_order=True)
        ]
        latency_ms = pl.concat(logs)["latency_ms"]
        answered = latency_ms.drop_nulls().ceil().cast(pl.Int64).value_counts().sort("latency_ms")
        if answered.is_empty():
            answered = pl.DataFrame({"latency_ms": [0], "count": [0]})
        tables.append(
            answered.select(
                *(pl.lit(value).alias(name) for name, value in zip(cell, key, strict=True)),
                captured=pl.lit(len(latency_ms)),
                latency_ms="latency_ms",
                answered=pl.col("count").cum_sum(),
            )
        )
    if tables:
        with whole_file(path) as draft:
            # An option may be empty in some of them.
            pl.concat(tables, how="vertical_relaxed").write_csv(draft)
