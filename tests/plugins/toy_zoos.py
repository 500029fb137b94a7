"""Zoos that are made for a test: a file, and tables as they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from moonjelly.core.zoo import Network, Task, Zoo
from moonjelly.zoos import OpenedZoo, VariantRow, open_zoo, write_variants, write_zoo_file


def make_zoo(folder: Path, sides_px: Mapping[str, Sequence[int]]) -> OpenedZoo:
    """A zoo of networks without files, each side of which is better than the last."""
    folder.mkdir(parents=True, exist_ok=True)
    networks = tuple(Network(name, tuple(sides)) for name, sides in sides_px.items())
    zoo = Zoo(folder.name, Task.DETECTION, ("thing",), networks)
    write_zoo_file(folder, zoo)
    rows = [
        VariantRow(
            one.name, one.network.name, one.side_px, 0.2 + 0.1 * k, 0.4, None, None, None, 80, 600
        )
        for k, one in enumerate(zoo.variants)
    ]
    write_variants(folder / "variants.csv", rows, {})
    return open_zoo(f"{folder}/")
