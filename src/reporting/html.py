"""The report: one HTML page that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..files.whole_file import write_whole
from .energy import in_words
from .run_folder import REPORT_FILE, RunInfo
from .summary import Summary
from .table import columns, drops, outcome_cells, percent
from .tenant_outcome import fairness_in_words
from .tenant_outcome import in_words as tenant_in_words

EMBED_LIMIT_BYTES = 12 * 1024 * 1024
TEMPLATE = "report.html.j2"
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".mp4": "video/mp4"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure or a still of the report.

    Attributes:
        path: PNG or JPEG.
        title: heading above it.
        text: what it shows, in a sentence or two.
    """

    path: Path
    title: str
    text: str


def write_report(
    folder: Path,
    info: RunInfo,
    summary: Summary,
    figures: Sequence[Picture],
    stills: Sequence[Picture] = (),
    video: Path | None = None,
) -> Path:
    """Writes `report.html`, whole or not at all, and returns its path.

    Figures and stills are embedded, and the video too unless it is larger than `EMBED_LIMIT_BYTES`;
    then the page links to it.
    """
    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    rows = [
        (stream_id, f"{one.fps:g}", f"{one.slo_ms:g}", *outcome_cells(one))
        for stream_id, one in summary.streams.items()
    ]
    is_embedded = video is not None and video.stat().st_size <= EMBED_LIMIT_BYTES
    page = environment.get_template(TEMPLATE).render(
        info=info,
        summary=summary,
        percent=percent(summary.total.in_time_ratio),
        problems=summary.problems(),
        energy=in_words(summary.energy),
        tenants=[tenant_in_words(*one) for one in summary.tenants.items()],
        fairness="" if summary.fairness is None else fairness_in_words(summary.fairness),
        columns=columns(summary),
        rows=rows,
        total=outcome_cells(summary.total),
        drops=[
            (stream_id, drops(one)) for stream_id, one in summary.streams.items() if one.dropped
        ],
        figures=[(one, _data_url(one.path)) for one in figures],
        stills=[(one, _data_url(one.path)) for one in stills],
        video="" if video is None else _data_url(video) if is_embedded else video.name,
        video_name="" if video is None else video.name,
    )
    path = folder / REPORT_FILE
    write_whole(path, page)
    return path


def _data_url(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{data}"
