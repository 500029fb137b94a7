"""The figures of a zoo's folder: its variants on each device type that was profiled."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from ...zoos import load_latency_profile, load_variants, open_zoo
from ...zoos.latency import read_latency_file
from .plate import Plate
from .profiles import draw_profiles

VARIANTS_FILE = "variants.csv"
LATENCY_FILES = "latency-*.csv"


def zoo_plates(folder: Path) -> list[Plate]:
    """The figures that a folder of latency profiles allows.

    The variants are those of `variants.csv` there, or else those shipped of the zoo that a profile names.

    Raises:
        UsageError: if a profile is broken.
    """
    plates: list[Plate] = []
    for path in sorted(folder.glob(LATENCY_FILES)):
        profile = read_latency_file(path)
        beside = folder / VARIANTS_FILE
        variants = beside if beside.exists() else open_zoo(profile.zoo).variants_path
        plates.append(
            Plate(
                figure="profiles",
                part=profile.device_type,
                title=f"The zoo {profile.zoo} on {profile.device_type}",
                text="Accuracy over the input side; 99th percentile of a batch's latency, and the "
                "throughput that follows from it, over the batch size, with a line for each variant.",
                sources=(variants, path),
                command=profile.source,
                draw=partial(_draw, variants, path),
            )
        )
    return plates


def _draw(variants_file: Path, latency_file: Path) -> Figure:
    variants = load_variants(variants_file)
    return draw_profiles(variants, load_latency_profile(latency_file, variants))
