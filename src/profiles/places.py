"""Where profiles lie, and which one fits a device.

Shipped ones are in the repository's `profiles/`. What a machine measures for itself goes to
`$XDG_CACHE_HOME/moonjelly/profiles` (`~/.cache/...`), a folder per fingerprint, and never overwrites those.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ..core.errors import UsageError
from .fingerprint import Fingerprint
from .latency import Method, read_latency_file
from .variants import load_variants

_log = logging.getLogger(__name__)


def shipped_dir() -> Path:
    """The folder `profiles/` of the repository that this package is installed from."""
    return Path(__file__).resolve().parents[2] / "profiles"


def machine_dir() -> Path:
    """Where this machine keeps the profiles it measured for itself."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if cache else Path.home() / ".cache"
    return base / "moonjelly" / "profiles"


def variants_path(zoo: str, profiles_dir: Path | None = None) -> Path:
    """The zoo's `variants.csv`."""
    return (profiles_dir or shipped_dir()) / zoo / "variants.csv"


def machine_profile_path(zoo: str, device_type: str, fingerprint: Fingerprint) -> Path:
    """Where the profile of this machine's own making is, or will be."""
    return machine_dir() / zoo / fingerprint.label / f"latency-{device_type}.csv"


def find_profile(
    zoo: str,
    device_type: str,
    fingerprint: Fingerprint | None,
    profiles_dir: Path | None = None,
) -> Path | None:
    """Finds the latency profile to use: a shipped one that fits, else this machine's own.

    Args:
        zoo: whose variants.
        device_type: names the table.
        fingerprint: of the device; None for a replayed device, which any table fits.
        profiles_dir: in place of the repository's `profiles/`.

    Returns:
        The table, or None if there is none that fits.

    Raises:
        UsageError: if the zoo does not exist, or a shipped table is broken.
    """
    variants = load_variants(variants_path(zoo, profiles_dir))
    shipped = (profiles_dir or shipped_dir()) / zoo / f"latency-{device_type}.csv"
    if shipped.exists():
        file = read_latency_file(shipped, variants)
        if fingerprint is None:
            return shipped
        if file.method is not Method.SYNTHETIC and file.fingerprint == fingerprint:
            return shipped
    if fingerprint is None:
        return None
    own = machine_profile_path(zoo, device_type, fingerprint)
    if not own.exists():
        return None
    try:
        read_latency_file(own, variants)
    except UsageError as error:  # we wrote it and can write it again
        _log.warning("%s; it will be measured again", error)
        return None
    return own
