import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN_ALL = Path(__file__).resolve().parent.parent / "run_all.py"


@pytest.mark.parametrize("failing", ["core", "server", None])
def test_the_suite_passes_if_both_halves_do(tmp_path: Path, failing: str | None) -> None:
    for folder in ("core", "server"):
        (tmp_path / folder).mkdir()
        assertion = f"def test_it():\n    assert {folder != failing}\n"
        (tmp_path / folder / f"test_{folder}.py").write_text(assertion)
    program = (
        f"import runpy, pathlib, sys; names = runpy.run_path({str(RUN_ALL)!r});"
        f"sys.exit(names['main'](['--rootdir={tmp_path}', '-c', '/dev/null'], pathlib.Path({str(tmp_path)!r})))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
    )
    assert run.returncode == int(failing is not None)
    assert run.stdout.count("1 passed") == 2 - run.returncode
    assert "beside it: core\n" in run.stdout
