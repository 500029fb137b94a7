"""Retrained networks are told from the ones that were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moonjelly.vision.manifest import MANIFEST_NAME, WEIGHTS_FOLDER, weights_digest
from moonjelly.zoos import read_latency_file, shipped_dir


def write_manifest(folder: Path, document: dict[str, object]) -> None:
    folder.mkdir()
    (folder / MANIFEST_NAME).write_text(json.dumps(document))


def test_a_changed_hash_changes_it_and_the_order_does_not(tmp_path: Path) -> None:
    document = json.loads((WEIGHTS_FOLDER / MANIFEST_NAME).read_text())
    networks = document["networks"]
    reordered, retrained = tmp_path / "reordered", tmp_path / "retrained"
    write_manifest(reordered, document | {"networks": dict(reversed(networks.items()))})
    assert weights_digest(reordered) == weights_digest()
    networks[next(iter(networks))]["sha256"] = "0" * 64
    write_manifest(retrained, document)
    assert weights_digest(retrained) != weights_digest()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"networks": {"a": {}}}', "\0"])
def test_no_manifest_means_no_digest(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / MANIFEST_NAME).write_text(text)
    assert weights_digest(tmp_path) == ""


def test_the_shipped_profile_was_measured_with_the_shipped_weights() -> None:
    path = shipped_dir() / "traffic" / "latency-cpu-1core.csv"
    assert read_latency_file(path).fingerprint.weights == weights_digest()
