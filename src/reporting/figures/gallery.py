"""The figures of a run: how each is drawn, and what to say about it."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from ..html import Picture
from ..load import starved_words
from ..run_folder import FRAMES_FILE, RUN_FILE, link_file, read_run_info
from ..run_logs import RunLogs, read_run_logs
from .adaptation import draw_adaptation
from .following import draw_following
from .latency import draw_latency
from .plate import Kind, Plate, mark, save_figure
from .spent import draw_spent
from .verdicts import draw_verdicts

MAX_STREAMS = 24  # of figures that have a row for each


class RunFigure(Kind[RunLogs]):
    """A figure of a run."""


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
"""Those of a run's page."""

FOLLOWING = RunFigure(
    "following",
    draw_following,
    "Two streams following their links",
    "Above: the side of each frame in time, the side of the variant that answered it, and over them the "
    "frames that were late or dropped. Below: what the link was set to, and what client and server thought of it.",
)


def write_figures(folder: Path, run: RunLogs) -> list[Picture]:
    """Draws the figures of a run's page into its folder as `<name>.png`."""
    pictures: list[Picture] = []
    note = starved_words(folder)
    for figure in RUN_FIGURES:
        path = folder / f"{figure.name}.png"
        drawn = figure.draw(run)
        mark(drawn, note)
        save_figure(drawn, path)
        pictures.append(Picture(path, figure.title, f"{figure.text} {note}".strip()))
    return pictures


def run_plates(folder: Path) -> list[Plate]:
    """The figures that a run's folder allows; none if it is no run's.

    Raises:
        UsageError: if it is, and its description is broken.
    """
    if not (folder / RUN_FILE).exists():
        return []
    info = read_run_info(folder)
    command = info.settings.get("command", f"settings in {folder / RUN_FILE}")
    links = (folder / link_file(stream.stream_id) for stream in info.streams)
    sources = (folder / RUN_FILE, folder / FRAMES_FILE, *(path for path in links if path.exists()))
    read = cache(partial(read_run_logs, folder))
    of_all = RUN_FIGURES if len(info.streams) <= MAX_STREAMS else ()
    note = starved_words(folder)
    return [one.plate(sources, command, read, note=note) for one in (*of_all, FOLLOWING)]
