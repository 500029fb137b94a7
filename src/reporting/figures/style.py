"""The look of all figures: colours that colour-blind readers tell apart, thin lines, no clutter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...core.verdict import Verdict

# The palette of Okabe and Ito in "Color Universal Design", 2008.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#222222"
GREY, PALE = "#777777", "#DDDDDD"
NETWORK_COLOURS = (GREEN, PURPLE, ORANGE, SKY, YELLOW)  # the others mean something else
VERDICT_COLOURS = {Verdict.IN_TIME: BLUE, Verdict.LATE: ORANGE, Verdict.DROPPED: VERMILLION}
VERDICT_NAMES = {Verdict.IN_TIME: "in time", Verdict.LATE: "late", Verdict.DROPPED: "dropped"}
DPI = 110


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


def save_png(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG."""
    figure.savefig(path, format="png")
