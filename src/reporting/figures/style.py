"""The look of all figures: readable in print, in grey and by colour-blind people; thin lines, no clutter.

What a reader must tell apart differs in more than colour: markers and line styles, or hatches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from ...core.verdict import Verdict

# The palette of Okabe and Ito in "Color Universal Design", 2008.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#222222"
GREY, PALE = "#777777", "#DDDDDD"
NETWORK_COLOURS = (GREEN, PURPLE, ORANGE, SKY, YELLOW)  # the others mean something else
VERDICT_COLOURS = {Verdict.IN_TIME: BLUE, Verdict.LATE: ORANGE, Verdict.DROPPED: VERMILLION}
VERDICT_NAMES = {Verdict.IN_TIME: "in time", Verdict.LATE: "late", Verdict.DROPPED: "dropped"}
DPI = 110  # of the report's page; figures for print are finer
PAGE_WIDTH = 7.2  # of a paper with two columns (inch)
Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one of several lines, or kinds of points, is drawn."""

    colour: str
    marker: str
    dashes: str

    def line(self) -> dict[str, Any]:
        """As arguments of `Axes.plot`."""
        return {
            "color": self.colour, "marker": self.marker, "linestyle": self.dashes,
            "linewidth": 1.3, "markersize": 4.5,
        }  # fmt: skip

    def point(self) -> dict[str, Any]:
        """As arguments of `Axes.errorbar` for points alone; hollow, so that what lies below shows."""
        return {
            "color": self.colour, "marker": self.marker, "linestyle": "", "markersize": 6,
            "elinewidth": 0.8, "capsize": 2.0, "markerfacecolor": "none", "markeredgewidth": 1.3,
        }  # fmt: skip

    def key(self, label: str, *, is_point: bool = False) -> Line2D:
        """An entry of a legend: the line with its marker, or the marker alone."""
        if is_point:
            return Line2D(
                [], [], color=self.colour, marker=self.marker, lw=0, ms=6, label=label,
                markerfacecolor="none", markeredgewidth=1.3,
            )  # fmt: skip
        return Line2D([], [], **self.line(), label=label)


LINES: tuple[LineStyle, ...] = (
    LineStyle(BLUE, "o", "-"),
    LineStyle(VERMILLION, "s", "--"),
    LineStyle(GREEN, "^", "-."),
    LineStyle(PURPLE, "D", ":"),
    LineStyle(ORANGE, "v", "-"),
    LineStyle(SKY, "P", "--"),
    LineStyle(BLACK, "X", "-."),
    LineStyle(GREY, "*", ":"),
)
HATCHES = ("", "////", "....", "xxxx")


def line_styles(names: Sequence[Name]) -> dict[Name, LineStyle]:
    """A style for each name, in their order; they repeat after eight."""
    return {name: LINES[k % len(LINES)] for k, name in enumerate(names)}


def tidy(axes: Axes, x_label: str = "", y_label: str = "", title: str = "") -> None:
    """Gives axes the common look."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=BLACK)
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    if title:
        axes.set_title(title, fontsize=9, loc="left", fontweight="bold")


def possible(mean: ArrayLike, half: ArrayLike) -> tuple[Any, Any]:
    """How far an interval of a share, from 0 to 1, reaches below its mean and above; (n,) or one number."""
    return np.minimum(half, mean), np.minimum(half, np.subtract(1, mean))


def new_figure(width: float, height: float) -> Figure:
    """A figure of that size (inches) that belongs to no window."""
    return Figure(figsize=(width, height), layout="constrained", dpi=DPI)


def variant_colours(variants: Iterable[str]) -> dict[str, str]:
    """A colour for each network, the same for all of its input sides."""
    networks = sorted({network_of(variant) for variant in variants})
    return {name: NETWORK_COLOURS[k % len(NETWORK_COLOURS)] for k, name in enumerate(networks)}


def network_of(variant: str) -> str:
    """The network of a variant named network-side."""
    return variant.rpartition("-")[0] or variant


def legend_above(figure: Figure, handles: Sequence[Artist], num_columns: int) -> None:
    """A legend over the whole figure, where it hides nothing."""
    figure.legend(
        handles=list(handles),
        loc="outside upper center",
        ncols=num_columns,
        fontsize=8,
        frameon=False,
        handlelength=2.6,
    )
