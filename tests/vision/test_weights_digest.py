"""Retrained networks are told from the ones that were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moonjelly.vision.weights_digest import MANIFEST, weights_digest
from moonjelly.zoos import read_latency_file, shipped_dir


def test_a_changed_hash_changes_it_and_the_order_does_not(tmp_path: Path) -> None:
    document = json.loads(MANIFEST.read_text())
    networks = document["networks"]
    other = tmp_path / "reordered.json"
    other.write_text(json.dumps({"networks": dict(reversed(networks.items()))}))
    assert weights_digest(other) == weights_digest()
    name = next(iter(networks))
    networks[name]["sha256"] = "0" * 64
    retrained = tmp_path / "retrained.json"
    retrained.write_text(json.dumps(document))
    assert weights_digest(retrained) != weights_digest()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"networks": {"a": {}}}', "\0"])
def test_no_manifest_means_no_digest(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / f"{hash(text)}.json"
    if text is not None:
        path.write_text(text)
    assert weights_digest(path) == ""


def test_the_shipped_profile_was_measured_with_the_shipped_weights() -> None:
    path = shipped_dir() / "traffic" / "latency-cpu-1core.csv"
    assert read_latency_file(path).fingerprint.weights == weights_digest()
