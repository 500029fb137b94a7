"""Writes figures, whole or not at all; the same figure always gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from ...files.whole_file import whole_file

PNG_DPI = 160  # for screens; print takes the PDF
EMBED_TRUETYPE = 42  # as fonts that can be searched and edited, where the default is outlines
RULES: Any = {"pdf.fonttype": EMBED_TRUETYPE, "svg.hashsalt": "moonjelly"}
NO_DATE = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def save_figure(figure: Figure, path: Path, dpi: float | None = None) -> None:
    """Writes a figure in the format that the name ends in: png, pdf or svg.

    Args:
        figure: to be written.
        path: in an existing folder.
        dpi: of a PNG; the figure's own if None.

    Raises:
        OSError: if it cannot be written.
    """
    with whole_file(path) as draft, rc_context(RULES):
        figure.savefig(
            draft,
            format=path.suffix.removeprefix("."),
            dpi=dpi or figure.dpi,
            metadata=NO_DATE.get(path.suffix),
        )
