"""The machine and the releases that made a run's numbers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..reporting.run_folder import describe_host
from ..zoos import cpu_fingerprint

_REPOSITORY = Path(__file__).resolve().parents[2]


def describe_machine() -> dict[str, str]:
    """What `describe_host` says, the processor, and the commit if this is a checkout."""
    facts = describe_host()
    facts["processor"] = cpu_fingerprint(len(os.sched_getaffinity(0))).processor
    facts["commit"] = _commit()
    return facts


def _commit() -> str:
    """The commit, ending in -dirty where files differ from it."""
    if not (_REPOSITORY / ".git").exists():
        return "unknown"
    command = ["git", "-C", str(_REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
