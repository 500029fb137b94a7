from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.detector import ARCHITECTURES, build_network
from moonjelly.vision.manifest import (
    MANIFEST_NAME,
    WEIGHTS_FOLDER,
    WeightFile,
    WeightsError,
    read_manifest,
)
from moonjelly.vision.weight_files import install_weights, load_verified


@pytest.fixture
def entry(tmp_path: Path) -> WeightFile:
    state = build_network("traffic-n", 4).state_dict()
    return install_weights("traffic-n", state, TRAFFIC_CLASSES, (128,), 7, 20, tmp_path)


def test_weights_come_back_as_they_were_to_half_precision(
    entry: WeightFile, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    network = build_network("traffic-n", 4)
    entry = install_weights(
        "traffic-n", network.state_dict(), TRAFFIC_CLASSES, (128,), 7, 20, tmp_path
    )
    loaded = load_verified(entry, tmp_path)
    for name, tensor in network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-6)
    assert read_manifest(tmp_path) == {"traffic-n": entry}


def test_a_truncated_file_is_refused_before_it_is_read(entry: WeightFile, tmp_path: Path) -> None:
    path = tmp_path / entry.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=f"has {entry.size_bytes - 1} bytes"):
        load_verified(entry, tmp_path)


def test_a_changed_byte_is_refused(entry: WeightFile, tmp_path: Path) -> None:
    path = tmp_path / entry.file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_verified(entry, tmp_path)


def test_a_missing_file_is_named(entry: WeightFile, tmp_path: Path) -> None:
    (tmp_path / entry.file).unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_verified(entry, tmp_path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 9, "networks": {}}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError):
        read_manifest(tmp_path)


def test_what_ships_is_whole_and_small() -> None:
    manifest = read_manifest()
    assert set(manifest) == set(ARCHITECTURES)
    total = 0
    for entry in manifest.values():
        load_verified(entry)
        assert entry.classes == TRAFFIC_CLASSES
        total += entry.size_bytes
    assert total <= 8_000_000
    text = (WEIGHTS_FOLDER / MANIFEST_NAME).read_bytes()
    assert b"\r" not in text
    assert json.loads(text)["schema_version"] == 1
