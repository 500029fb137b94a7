"""Runs every benchmark, one after the other; results go to benchmarks/results/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BENCHMARKS = ("serving_overhead.py", "overload.py", "footprint.py")


def main() -> int:
    """Returns how many failed."""
    num_failed = 0
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        status = subprocess.run(
            [sys.executable, FOLDER / name], cwd=FOLDER.parent, check=False
        ).returncode
        num_failed += status != 0
    return num_failed


if __name__ == "__main__":
    sys.exit(main())
