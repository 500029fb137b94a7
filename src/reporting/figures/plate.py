"""A figure that can be drawn from the files of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Plate:
    """One figure, not drawn yet.

    Attributes:
        figure: what kind of figure, as `moonjelly figures --only` takes it.
        title: heading of its caption.
        text: what it shows, in a sentence or two.
        sources: files that it is drawn from.
        command: what made these.
        draw: reads them and draws; raises UsageError where one is broken.
        part: tells it from other figures of the kind in that folder; empty if it is the only one.
    """

    figure: str
    title: str
    text: str
    sources: tuple[Path, ...]
    command: str
    draw: Callable[[], Figure]
    part: str = ""

    @property
    def name(self) -> str:
        """Of its files, without the ending."""
        kept = "".join(c if c.isalnum() or c in "._" else "-" for c in self.part).strip("-")
        return f"{self.figure}-{kept}" if kept else self.figure
