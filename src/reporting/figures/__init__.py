"""Figures, drawn from result files alone; one module a figure."""

from .adaptation import draw_adaptation
from .gallery import RUN_FIGURES, RunFigure, write_figures
from .latency import draw_latency
from .spent import draw_spent
from .style import save_png
from .verdicts import draw_verdicts
from .zoo import draw_zoo

__all__ = [
    "RUN_FIGURES",
    "RunFigure",
    "draw_adaptation",
    "draw_latency",
    "draw_spent",
    "draw_verdicts",
    "draw_zoo",
    "save_png",
    "write_figures",
]
