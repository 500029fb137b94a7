from __future__ import annotations

from pathlib import Path

import pytest
from toy_networks import CLASSES, Toy, export


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Zoos and profiles of this test alone."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data" / "moonjelly" / "zoos"


@pytest.fixture
def classes(tmp_path: Path) -> str:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(CLASSES) + "\n")
    return str(path)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return export(Toy(), tmp_path / "toy.onnx")
