from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from moonjelly.files.process import open_standard_streams
open_standard_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
    sys.stdout.write("said\\n"); sys.stdout.flush()
    sys.stderr.write("complained\\n"); sys.stderr.flush()
    os.write(1, b"said too\\n")
    os.write(2, b"complained too\\n")
    file.write(f"{sys.stdin.read()}{os.get_inheritable(1)}{os.get_inheritable(2)}")
"""
CLOSED = [some for n in range(4) for some in itertools.combinations(range(3), n)]


@pytest.mark.parametrize("closed", CLOSED)
def test_streams_that_were_closed_lead_nowhere_and_nothing_else_gets_their_numbers(
    tmp_path, closed
):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "file")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: [os.close(number) for number in closed],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("" if 1 in closed else "said\nsaid too\n")
    assert done.stderr == ("" if 2 in closed else "complained\ncomplained too\n")
    assert (tmp_path / "file").read_text() == "TrueTrue"


def test_a_command_works_without_streams(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "moonjelly", "client", "--server", "127.0.0.1:1", "--wait", "0.1",
         "--out", str(tmp_path / "out"), "--source", "scene:1"],
        preexec_fn=lambda: [os.close(number) for number in range(3)],
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert (tmp_path / "out" / "run.json").exists()
