"""Figures, drawn from result files alone; one module a figure."""

from .folder import draw_folder, figure_names
from .gallery import RUN_FIGURES, RunFigure, write_figures

__all__ = ["RUN_FIGURES", "RunFigure", "draw_folder", "figure_names", "write_figures"]
