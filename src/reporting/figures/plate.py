"""A figure that can be drawn from the files of a folder, and how figures are written."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib import rc_context
from matplotlib.figure import Figure

from ...files.whole_file import whole_file, write_whole
from .style import VERMILLION

PNG_DPI = 160  # for screens; print takes the PDF
EMBED_TRUETYPE = 42  # as fonts that can be searched and edited, where the default is outlines
RULES: Any = {"pdf.fonttype": EMBED_TRUETYPE}
CAPTION_WIDTH = 100
Data = TypeVar("Data")


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
        note: what to beware of, written below the figure and in its caption; empty for nothing.
        part: tells it from other figures of the kind in that folder; empty if it is the only one.
    """

    figure: str
    title: str
    text: str
    sources: tuple[Path, ...]
    command: str
    draw: Callable[[], Figure]
    part: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """Of its files, without the ending."""
        kept = "".join(c if c.isalnum() or c in "._" else "-" for c in self.part).strip("-")
        return f"{self.figure}-{kept}" if kept else self.figure

    def write(self, folder: Path, out_dir: Path) -> list[Path]:
        """Draws it from the files of a folder, and writes PDF, PNG and caption."""
        figure = self.draw()
        mark(figure, self.note)
        paths = [out_dir / f"{self.name}{ending}" for ending in (".pdf", ".png", ".txt")]
        for path in paths[:2]:
            save_figure(figure, path, PNG_DPI)
        lines = [
            self.title,
            "",
            textwrap.fill(f"{self.text} {self.note}".strip(), CAPTION_WIDTH),
            "",
            f"data:   {self.command}",
            *(f"from:   {source}" for source in self.sources),
            f"figure: moonjelly figures {folder} --only {self.figure}",
        ]
        write_whole(paths[2], "\n".join(lines) + "\n")
        return paths


@dataclass(frozen=True, slots=True)
class Kind(Generic[Data]):
    """A kind of figure.

    Attributes:
        name: of its file, without the ending, and as `moonjelly figures --only` takes it.
        draw: draws it from what was read.
        title: heading of its caption.
        text: what it shows, in a sentence or two.
    """

    name: str
    draw: Callable[[Data], Figure]
    title: str
    text: str

    def plate(
        self,
        sources: tuple[Path, ...],
        command: str,
        read: Callable[[], Data],
        part: str = "",
        note: str = "",
    ) -> Plate:
        """One of these, of files that are read when it is drawn; the rest is as of a `Plate`."""
        draw = self.draw
        return Plate(
            self.name, self.title, self.text, sources, command, lambda: draw(read()), part, note
        )


def mark(figure: Figure, note: str) -> None:
    """Writes a note below a figure, if there is one."""
    if note:
        figure.supxlabel(note, fontsize=8, color=VERMILLION)


def save_figure(figure: Figure, path: Path, dpi: float | None = None) -> None:
    """Writes a figure as PNG or PDF, whole or not at all; the same figure always gives the same bytes.

    The DPI is that of a PNG; the figure's own if None.
    """
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
    with whole_file(path) as draft, rc_context(RULES):
        figure.savefig(
            draft, format=path.suffix.removeprefix("."), dpi=dpi or figure.dpi, metadata=metadata
        )
