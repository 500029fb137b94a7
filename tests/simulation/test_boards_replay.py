"""Boards with clocks: joules add up, every frame ends once, and LoudVA's figures come out as published."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.core.verdict import Reason
from moonjelly.files.tidy_table import read_tidy_table
from moonjelly.scheduling.placement.port import NodeView, Placement, Sending, WaitingFrame
from moonjelly.simulation.boards.board import CHANGE_MS, Board
from moonjelly.simulation.boards.command import ALL, EARLY, LATE, ONE
from moonjelly.simulation.boards.load import Burst, drawn_load, read_load
from moonjelly.simulation.boards.policies import NAMES, Setting, profiles, read_published
from moonjelly.simulation.boards.replay import Outcome, Replay

TRUE = profiles()
AGX = TRUE["jetson-agx-xavier"]
SETTING = Setting(ONE, TRUE, TRUE, TRUE, EARLY)
CLUSTER = Setting(ALL, TRUE, TRUE, TRUE, LATE)
EVERY = [name.replace("MILLISECONDS", "200").replace("FRAMES", "8") for name in NAMES]


class Scripted:
    """Sends all that waits to one board, at one clock after another."""

    def __init__(self, *clocks_mhz: float | None) -> None:
        self.clocks_mhz = list(clocks_mhz)

    def place(
        self, frames: Sequence[WaitingFrame], nodes: Mapping[str, NodeView], now_ms: float
    ) -> Placement:
        if not frames:
            return Placement()
        keys = tuple(frame.key for frame in frames)
        return Placement((Sending("agx", keys, self.clocks_mhz.pop(0)),))


def play(placer: Scripted, *bursts: Burst) -> Outcome:
    board = Board("jetson-agx-xavier", AGX, 1236.75)
    return Replay(bursts, {"agx": board}, placer, lambda frames: 10.0 * frames).run()


def cost(clock_mhz: float, size: int) -> tuple[float, float]:
    """Time (ms) and energy (mJ) of a batch."""
    found = AGX.at(clock_mhz).costs(0)[size - 1]
    assert found.energy_mj is not None
    return found.p50_ms, found.energy_mj


def idle_w(clock_mhz: float) -> float:
    return 3.55 + 3.91 * (clock_mhz - 114.75) / (1377 - 114.75)


def test_a_batch_takes_the_way_and_its_time_and_draws_idle_power_before() -> None:
    takes_ms, batch_mj = cost(1236.75, 4)
    found = play(Scripted(None), Burst(1.0, 4, 0, 1.0))
    assert found.p95_ms == pytest.approx(40 + takes_ms)
    assert found.seconds == pytest.approx(1.04 + takes_ms / 1000)
    assert found.energy_j == pytest.approx(idle_w(1236.75) * 1.04 + batch_mj / 1000)
    assert found.above_idle_j == pytest.approx(found.energy_j - 3.55 * found.seconds)
    assert (found.frames, found.in_time, found.mean_batch) == (4, 1.0, 4.0)


def test_a_change_of_clock_comes_before_the_way_and_changes_idle_power() -> None:
    takes_ms, batch_mj = cost(420.75, 2)
    found = play(Scripted(420.75), Burst(1.0, 2, 0, 0.1))
    assert found.p95_ms == pytest.approx(CHANGE_MS + 20 + takes_ms)
    idle_j = idle_w(1236.75) * (1 + CHANGE_MS / 1000) + idle_w(420.75) * 0.02
    assert found.energy_j == pytest.approx(idle_j + batch_mj / 1000)
    assert found.in_time == 0.0


def test_batches_share_the_link_and_run_one_after_the_other() -> None:
    one_ms, _ = cost(1236.75, 1)
    bursts = [Burst(1.0, 1, 0, 9), Burst(1.001, 1, 0, 9), Burst(1.002, 1, 0, 9)]
    found = play(Scripted(None, None, None), *bursts)
    assert one_ms > 10
    assert found.seconds == pytest.approx(1.01 + 3 * one_ms / 1000)


def test_what_is_dropped_is_not_in_time() -> None:
    class Dropping(Scripted):
        def place(
            self, frames: Sequence[WaitingFrame], nodes: Mapping[str, NodeView], now_ms: float
        ) -> Placement:
            placed = super().place(frames[1:], nodes, now_ms)
            placed.drop = tuple((frame.key, Reason.TOO_LATE) for frame in frames[:1])
            return placed

    found = play(Dropping(None), Burst(1.0, 4, 0, 5.0))
    assert (found.frames, found.in_time) == (4, 0.75)


@pytest.mark.parametrize("name", EVERY)
def test_every_policy_answers_every_frame_on_one_board_and_on_five(name: str) -> None:
    load = drawn_load(2, EARLY.transfer_ms)[:120]
    for setting in (SETTING, CLUSTER):
        found = setting.play(name, load, 1)
        assert found == setting.play(name, load, 1)
        assert found.frames == sum(burst.frames for burst in load)
        assert found.mean_batch >= 1
        lowest_j = found.energy_j - found.above_idle_j
        assert 0 < lowest_j < found.energy_j


def test_a_capped_clock_is_kept() -> None:
    load = drawn_load(2, EARLY.transfer_ms)[:60]
    assert SETTING.play("none@500", load, 0).mean_mhz == pytest.approx(522.75)
    for name in ("loudva@500", "random@500"):
        assert SETTING.play(name, load, 0).mean_mhz <= 523


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("magic", "must be one of loudva"),
        ("fixed:0", "'0' must be a number above 0"),
        ("none@x", "'x' must be a number above 0"),
        ("interval:", "'' must be a number above 0"),
    ],
)
def test_an_unknown_policy_is_named(name: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        SETTING.play(name, [Burst(1, 1, 0, 1)], 0)


def test_the_command_writes_table_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["simulate", "boards", "--num-loads", "1", "--policies", "none,loudva,none@905"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    table = read_tidy_table(tmp_path / "boards.csv", {"policy": str, "frames": int})
    assert table["policy"].to_list() == ["none", "loudva", "none@905"]
    assert (tmp_path / "boards.png").stat().st_size > 10_000
    assert "frames/J" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--num-loads", "0"], "--num-loads 0: must be within 1..1000"),
        (["--seed", "-1"], "--seed -1: must not be negative"),
        (["--load", "nothing.csv"], "nothing.csv: cannot be read"),
        (["--table", "nothing.csv"], "nothing.csv: cannot be read"),
    ],
)
def test_bad_options_are_named(
    options: list[str], rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "boards", *options]) == 2
    assert rule in capsys.readouterr().err


@pytest.mark.reference
def test_frames_per_joule_are_as_published_within_8_points() -> None:
    folder = Path(os.environ["MOONJELLY_REFERENCE"]) / "data" / "loudva"
    setting = Setting(ONE, TRUE, *read_published(folder / "profile.csv"), EARLY)
    loads = [read_load(folder / "scenarios" / f"{number}.csv") for number in (1, 2, 3, 6)]

    def play_all(name: str) -> tuple[float, float]:
        found = [setting.play(name, load, 0) for load in loads]
        frames = sum(one.frames for one in found)
        in_time = sum(one.in_time * one.frames for one in found) / frames
        return frames / sum(one.energy_j for one in found), 100 * in_time

    rate, in_time = play_all("none")
    for name, gain, fewer in (("loudva-published", 23.8, 5.2), ("loudva-predicted", 23.1, None)):
        own_rate, own_in_time = play_all(name)
        assert 100 * (own_rate / rate - 1) == pytest.approx(gain, abs=8)
        if fewer is not None:
            assert in_time - own_in_time == pytest.approx(fewer, abs=8)
