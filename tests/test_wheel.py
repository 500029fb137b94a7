"""The program as `pip install` puts it down, far from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USE = """
import sys
from pathlib import Path
import moonjelly
from moonjelly.cli import main
from moonjelly.live_run.cameras import TRACES_DIR
from moonjelly.zoos import find_profile, open_zoo
from moonjelly.server.running_server import RunningServer

site, out = map(Path, sys.argv[1:])
traffic = open_zoo("traffic")
for path in (moonjelly.__file__, traffic.folder, TRACES_DIR):
    assert Path(path).is_relative_to(site), path
assert traffic.variants and traffic.qualities
assert all(traffic.read_weights(one) for one in traffic.zoo.networks)
assert find_profile(open_zoo("replayed-gpu"), "gpu", None)
assert [*TRACES_DIR.glob("*_mbps.txt")]
scenario = Path(moonjelly.__file__).parent / "simulation" / "scenarios" / "changing_links.yaml"
assert main(["simulate", "run", str(scenario), "--out", str(out / "simulated"), "--no-logs"]) == 0
with RunningServer(["--zoo", "replayed-gpu", "--devices", "replayed:gpu"], log_path=out / "log") as server:
    assert server.stop() == 0
"""


@pytest.mark.slow
def test_a_wheel_holds_all_that_the_program_reads(tmp_path):
    sources = tmp_path / "sources"
    for name in ("src", "profiles", "network_shaping"):
        shutil.copytree(
            ROOT / name, sources / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
        )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    wheels, site, out = (tmp_path / name for name in ("wheels", "site", "out"))
    out.mkdir()
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, sources]
    subprocess.run(build, check=True)
    (wheel,) = wheels.iterdir()
    subprocess.run([*pip, "install", *offline, "--target", site, wheel], check=True)
    subprocess.run(
        [sys.executable, "-P", "-c", USE, site, out],
        check=True,
        cwd=out,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
