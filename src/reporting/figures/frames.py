"""The frames of a run as tables."""

from __future__ import annotations

from typing import get_type_hints

import polars as pl

from ...core.records import FrameRecord
from ...files.tidy_table import polars_type
from ..run_logs import RunLogs

SCHEMA = {name: polars_type(kind) for name, kind in get_type_hints(FrameRecord).items()}


def frame_table(run: RunLogs, stream_id: str) -> pl.DataFrame:
    """The frames of a stream, one a row, with when they were captured from the start of the figures on (s)."""
    table = pl.DataFrame(run.frames[stream_id], SCHEMA, orient="row")
    return table.with_columns(captured_s=(pl.col("captured_ms") - run.start_ms) / 1000)
