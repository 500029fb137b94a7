"""A figure or a still, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
