"""Tells one set of trained weights from another, without loading any."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

MANIFEST = Path(__file__).parent / "weights" / "manifest.json"
DIGEST_CHARS = 12


@lru_cache
def weights_digest(manifest: Path = MANIFEST) -> str:
    """A short hash of all weights that a manifest names; empty if there is none that can be read.

    Whoever loads the weights checks each file against the manifest, and says what is wrong with it.
    """
    try:
        networks = json.loads(manifest.read_text(encoding="utf-8"))["networks"]
        hashes = [f"{name} {entry['sha256']}" for name, entry in sorted(networks.items())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:DIGEST_CHARS]
