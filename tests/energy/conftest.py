"""A tree like the kernel's, made by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MakeTree = Callable[[Mapping[str, object]], Path]


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """Writes files by their path below the root, each with a line; returns the root."""

    def make(files: Mapping[str, object]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return make
