"""The figures of a run's report: how each is drawn, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from ..picture import Picture
from ..run_logs import RunLogs
from .adaptation import draw_adaptation
from .latency import draw_latency
from .spent import draw_spent
from .style import save_png
from .verdicts import draw_verdicts


@dataclass(frozen=True, slots=True)
class RunFigure:
    """One figure of a run.

    Attributes:
        name: of its file, without the ending.
        draw: draws it from the run's logs.
        title: heading above it.
        text: what it shows, in a sentence or two.
    """

    name: str
    draw: Callable[[RunLogs], Figure]
    title: str
    text: str


RUN_FIGURES: tuple[RunFigure, ...] = (
    RunFigure(
        "latency",
        draw_latency,
        "Latency against the SLO",
        "Share of all captured frames that were answered within a time of their capture. A dropped "
        "frame is never answered, so a curve's height at the dashed line is the share in time.",
    ),
    RunFigure(
        "adaptation",
        draw_adaptation,
        "Following the links",
        "Left: what the link was set to and what the client thought of it. Right: the side of the "
        "frames, the network that answered them, and the side that the server advised.",
    ),
    RunFigure(
        "verdicts",
        draw_verdicts,
        "Verdicts over time",
        "Frames captured in each second, by how they ended.",
    ),
    RunFigure(
        "spent",
        draw_spent,
        "Where the time went",
        "Mean of each part of the latency of answered frames, beside the stream's SLO.",
    ),
)


def write_figures(folder: Path, run: RunLogs) -> list[Picture]:
    """Draws every figure of a run into its folder as `<name>.png`."""
    pictures: list[Picture] = []
    for figure in RUN_FIGURES:
        path = folder / f"{figure.name}.png"
        save_png(figure.draw(run), path)
        pictures.append(Picture(path, figure.title, figure.text))
    return pictures
