"""Runs the whole suite, as `make test` does: tests that only compute beside those that start servers.

The latter mostly wait, and the former run at the lowest priority, so neither disturbs the other and two cores are used.
Arguments go to both; the exit status is 0 if both halves passed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
COMPUTING = (
    *("adapting", "core", "energy", "planning_tool", "reporting", "scheduling"),
    *("simulation", "training", "vision", "zoos"),
)


def halves(tests: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files with tests that only compute, and all the others."""
    found = sorted(one for one in tests.iterdir() if one.is_dir() or one.match("test_*.py"))
    return (
        [one for one in found if one.name in COMPUTING],
        [one for one in found if one.name not in COMPUTING],
    )


def main(arguments: Sequence[str], tests: Path = TESTS) -> int:
    """Runs both halves; what the computing one prints comes at the end."""
    computing, others = halves(tests)
    command = [sys.executable, "-m", "pytest", *arguments]
    with tempfile.TemporaryFile() as output:
        beside = subprocess.Popen([*command, *computing], stdout=output, stderr=subprocess.STDOUT)
        os.setpriority(os.PRIO_PROCESS, beside.pid, 19)
        try:
            status = subprocess.run([*command, *others], check=False).returncode
            status = beside.wait() or status
        except KeyboardInterrupt:  # both got it, too
            beside.wait()
            status = 130
        output.seek(0)
        sys.stdout.write(f"beside it: {', '.join(one.name for one in computing)}\n")
        sys.stdout.flush()
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.write("all passed\n" if status == 0 else "the suite failed, see above\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
