"""A laboratory leaves nothing behind, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from moonjelly.core.errors import RunError
from moonjelly.links.shapers import LinkConfig, namespaces, open_shaper
from moonjelly.links.shapers.claims import CLAIMS_DIR, claim

HOLDER = """
import sys, time
from pathlib import Path
from moonjelly.links.shapers.claims import claim
with claim(8, lambda run_id: None, Path(sys.argv[1])) as claimed:
    print(claimed.run_id, claimed.block, flush=True)
    time.sleep(600)
"""

BUILDER = """
import sys, time
from moonjelly.links.shapers.kernel import kernel_shaper
with kernel_shaper(["a", "b"]) as shaper:
    print(shaper.server_command[1].rsplit("-", 2)[1], flush=True)
    time.sleep(600)
"""

PARENT = """
import sys, time
from pathlib import Path
from moonjelly.links.shapers import open_shaper
with open_shaper("kernel", ["a", "b"], Path(sys.argv[1])) as shaper:
    print(shaper.server_command[1].rsplit("-", 2)[1], flush=True)
    time.sleep(600)
"""


def started(program: str, *arguments: object) -> tuple[subprocess.Popen[str], list[str]]:
    """A program that has printed its first line; and the words of it."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().split()


def leftovers(run_id: str) -> list[str]:
    """What is there of a laboratory."""
    paths = [
        *namespaces.NAMESPACES_DIR.glob(f"{namespaces.namespace_prefix(run_id)}*"),
        *namespaces.INTERFACES_DIR.glob(f"{namespaces.device_prefix(run_id)}*"),
        *CLAIMS_DIR.glob(f"{run_id}.json"),
    ]
    return [path.name for path in paths]


def test_claims_differ_and_are_given_back(tmp_path: Path) -> None:
    removed: list[str] = []
    with (
        claim(4, removed.append, tmp_path) as first,
        claim(4, removed.append, tmp_path) as second,
    ):
        assert (first.block, second.block) == (0, 1)
        assert first.run_id != second.run_id
        assert removed == []
        with claim(4, removed.append, tmp_path) as third:
            assert removed == [], "all live"
    assert removed == [third.run_id, second.run_id, first.run_id]
    assert not list(tmp_path.glob("*.json"))


def test_what_the_dead_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    removed: list[str] = []
    dying, (dead_id, dead_block) = started(HOLDER, tmp_path)
    living, (living_id, living_block) = started(HOLDER, tmp_path)
    (tmp_path / "notes.json").write_text("somebody else's")
    try:
        dying.kill()
        dying.communicate()
        with claim(8, removed.append, tmp_path) as claimed:
            assert removed == [dead_id]
            assert claimed.block == int(dead_block) != int(living_block)
        assert removed == [dead_id, claimed.run_id]
        left = sorted(path.name for path in tmp_path.glob("*.json"))
        assert left == sorted([f"{living_id}.json", "notes.json"])
    finally:
        living.kill()
        living.communicate()


def test_a_dead_laboratory_that_had_no_time_to_write_is_swept_too(tmp_path: Path) -> None:
    (tmp_path / "0a1b2c.json").touch()
    removed: list[str] = []
    with claim(4, removed.append, tmp_path):
        assert removed == ["0a1b2c"]


def test_too_many_laboratories_are_refused(tmp_path: Path) -> None:
    with (
        claim(1, lambda _: None, tmp_path),
        pytest.raises(RunError, match="all 1 blocks"),
        claim(1, lambda _: None, tmp_path),
    ):
        pass


def test_a_claim_says_whose_it_is(tmp_path: Path) -> None:
    with claim(1, lambda _: None, tmp_path) as claimed:
        written = json.loads((tmp_path / f"{claimed.run_id}.json").read_text())
    assert written["pid"] == os.getpid()


@pytest.mark.network
def test_a_laboratory_that_ends_leaves_nothing(tmp_path: Path) -> None:
    with open_shaper("kernel", ["a", "b"], tmp_path) as shaper:
        run_id = shaper.server_command[1].rsplit("-", 2)[1]
        assert len(leftovers(run_id)) == 6  # three namespaces, two interfaces, a claim
        shaper.start([LinkConfig(name, "127.0.0.1:1") for name in "ab"])
    assert leftovers(run_id) == []


@pytest.mark.network
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_killed_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Its shaper sees the end of its input, whatever ended the program."""
    process, (run_id,) = started(PARENT, tmp_path)
    assert len(leftovers(run_id)) == 6
    claim_path = CLAIMS_DIR / f"{run_id}.json"
    with claim_path.open() as held:
        process.send_signal(number)
        process.communicate()
        fcntl.flock(held, fcntl.LOCK_SH)  # taken once the shaper has ended
    assert leftovers(run_id) == []


@pytest.mark.network
def test_a_laboratory_killed_with_its_shaper_is_removed_by_the_next_one(tmp_path: Path) -> None:
    living, (living_id,) = started(BUILDER)
    dying, (dead_id,) = started(BUILDER)
    try:
        dying.kill()
        dying.communicate()
        assert len(leftovers(dead_id)) == 6, "nobody was left to clean up"
        with open_shaper("kernel", ["c"], tmp_path):
            assert leftovers(dead_id) == []
            assert len(leftovers(living_id)) == 6
    finally:
        living.kill()
        living.communicate()
        with claim(namespaces.NUM_BLOCKS, namespaces.remove):  # removes what the dead left
            pass
    assert leftovers(living_id) == []
