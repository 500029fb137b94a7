"""`moonjelly profile --clocks` from the command to the table that is served, with the real governor on a tree like the kernel's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import clocked_board
import psutil
import pytest
from clocked_board import (
    BOARD,
    CLOCKS_HZ,
    FINGERPRINT,
    IDLE_W,
    busy_w,
    clocks,
    make_board,
    stand_in,
    took_ms,
)
from toy_zoos import make_zoo

from moonjelly.cli import main
from moonjelly.core.errors import RunError
from moonjelly.devices.discovery import parse_devices
from moonjelly.energy.port import MeterFacts
from moonjelly.energy.ranged_clocks import RangedClocks
from moonjelly.files.table import read_table
from moonjelly.profiler import governed, windows
from moonjelly.profiler.samples import Cell, SampleFile
from moonjelly.server.config import ServerConfig
from moonjelly.server.governor.claim_file import ClaimFile
from moonjelly.server.zoo import load_served_zoo
from moonjelly.zoos import LatencyFile, OpenedZoo, machine_profile_path, read_latency_file

PROGRAM = Path(clocked_board.__file__)
AS_BEFORE = (str(CLOCKS_HZ[0]), str(CLOCKS_HZ[-1]))
LISTED_MHZ = (115, 204, 803, 1109)
LIMIT_S = 60.0
RESTORED_S = 2.0


class Machine:
    """A board in `TREE`, with a zoo of one network, and the claim and the cache of its user."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tree, self.out = folder / "tree", folder / "latency-board.csv"
        self.claim = folder / "state/moonjelly/clocks.json"
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("TREE", str(self.tree))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        self.zoo: OpenedZoo = make_zoo(folder / "zoos/toy", {"a": [32]})
        self.options = ["--zoo", f"{self.zoo.folder}/", "--out", str(self.out)]
        self.options += ["--batch-sizes", "1,3", "--samples", "6"]

    def profile(self, *more: str, window_ms: float = 600.0) -> int:
        stand_in(self.monkeypatch.setattr, window_ms)
        try:
            return main(["profile", *self.options, *more])
        except SystemExit as error:
            return int(str(error.code))

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), *self.options, *more],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"WINDOW_MS": "400"},
        )

    @property
    def samples(self) -> list[str]:
        return [
            line
            for path in self.tree.parent.glob("cache/**/samples-board.csv")
            for line in path.read_text().splitlines()[1:]
        ]

    def table(self) -> LatencyFile:
        return read_latency_file(self.out, self.zoo.variants)


pytestmark = pytest.mark.slow


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() < began_s + limit_s
        time.sleep(0.02)  # a file of the kernel tells nobody that it has changed


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    make_board(made.tree)
    return made


def test_some_clocks_are_measured_and_all_that_the_device_has_are_served(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    assert machine.profile("--clocks", "114.75,803,1109.25") == 0, capfd.readouterr().err
    assert clocks(machine.tree) == AS_BEFORE
    assert not machine.claim.exists()
    shown = capfd.readouterr().err
    assert "2 batch sizes and 3 clocks on board" in shown
    assert "this takes about" in shown
    table = machine.table()
    assert table.idle_w == pytest.approx((IDLE_W, IDLE_W), rel=0.01)
    assert "meter: ina3221 (module), windows of 0.6 s" in table.source
    cells = {(row.batch_size, row.clock_mhz): row for row in table.rows}
    assert set(cells) == {(size, mhz) for size in (1, 2, 3) for mhz in LISTED_MHZ}
    for mhz in (115, 803, 1109):
        for size in (1, 3):
            row = cells[size, mhz]
            assert row.num_samples == 6
            assert row.p50_ms >= 0.99 * took_ms(mhz, size)
            assert row.power_w == pytest.approx(busy_w(mhz, size), rel=0.05)
            assert row.batch_mj >= 0.9 * busy_w(mhz, size) * took_ms(mhz, size)
    assert cells[2, 204].num_samples == 0
    assert cells[2, 803].p50_ms < cells[2, 204].p50_ms < cells[2, 115].p50_ms
    config = ServerConfig(zoo=f"{machine.zoo.folder}/", devices=parse_devices(["replayed:board"]))
    shutil.copy(machine.out, machine.zoo.folder)
    served = load_served_zoo(config).modes(config.devices[0].device_id)
    assert served is not None
    assert [one.clock_mhz for one in served.by_clock] == list(LISTED_MHZ)
    assert all(cost.energy_mj for one in served.by_clock for cost in one.every_cost)

    check_sources(machine)


def check_sources(machine: Machine) -> None:
    """Each row says where it comes from, and measured ones how they spread."""
    rows = read_table(
        machine.out.with_name("sources-board.csv"),
        ("variant", "batch_size", "clock_mhz", "source", "latency_spread_ratio", "power_spread_ratio"),
    ).rows  # fmt: skip
    marks = {(row.text("batch_size"), row.text("clock_mhz")): row.text("source") for row in rows}
    assert {marks[size, mhz] for size in "13" for mhz in ("115", "803", "1109")} == {"measured"}
    assert {marks["2", mhz] for mhz in ("115", "803", "1109")} == {"line"}
    assert {marks[size, "204"] for size in "123"} == {"predicted"}
    for row in rows:
        for column in ("latency_spread_ratio", "power_spread_ratio"):
            if row.text("source") == "measured":
                assert row.number_of(column, 0, 10) >= 0
            else:
                assert not row.text(column)


def test_where_only_a_meter_is_missing_latency_is_measured_by_clock_and_energy_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    make_board(machine.tree, has_meter=False)
    assert machine.profile("--clocks", "all", window_ms=100.0) == 0
    assert "latency alone, without energy: there is no meter" in capfd.readouterr().err
    table = machine.table()
    assert table.clocks_mhz == LISTED_MHZ
    assert not table.has_energy
    assert not table.idle_w


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--clocks", "115,900,1109"], "clock_mhz=900: must be one that can be set: 115, 204"),
        (["--clocks", "115,204"], "clocks: must have 1109, the highest"),
        (["--clocks", "115,1109"], "clocks: must be 3 or more"),
        (
            ["--clocks", "115,204,1109", "--batch-sizes", "1"],
            "a-32 would have 3 of 4 cells; the others are predicted from 4 or more",
        ),
        (["--clocks", "fast"], "must be all, or clocks in MHz"),
        (["--clocks", "nan"], "must be all, or clocks in MHz"),
        (["--clocks", "-1"], "--clocks"),
        (["--clocks", "all", "--quick"], "a quick profile has none"),
    ],
)
def test_clocks_that_cannot_be_measured_are_refused_in_one_line_before_anything_is(
    machine: Machine, capfd: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    assert machine.profile(*options) == 2
    shown = capfd.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1
    assert machine.samples == []
    assert not machine.out.exists()


def test_a_device_without_clocks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    assert machine.profile("--clocks", "all") == 2
    expected = "moonjelly: error: clocks: cuda:0: there is nothing to set clocks with\n"
    assert capfd.readouterr().err == expected


def test_clocks_that_only_root_may_set_are_refused(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert machine.profile("--clocks", "all") == 2
    assert "min_freq: only root may set it" in capfd.readouterr().err


def test_a_device_that_lists_no_clocks_is_refused(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.monkeypatch.setattr(RangedClocks, "available_mhz", lambda _: ())
    assert machine.profile("--clocks", "all") == 2
    expected = "moonjelly: error: clocks: cuda:0: lists none that can be set\n"
    assert capfd.readouterr().err == expected


def test_where_a_server_has_the_clocks_it_ends_with_the_reason(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(ClaimFile(machine.claim)) as other:
        assert other.take() == {}
        machine.monkeypatch.setattr(windows, "SETTLE_MS", 200.0)
        assert machine.profile("--clocks", "all", window_ms=200.0) == 1
    shown = capfd.readouterr().err
    assert shown.endswith("cuda0: nothing is heard of 1109 MHz; does a server here set clocks?\n")
    assert clocks(machine.tree) == AS_BEFORE
    assert machine.samples == []


def test_a_clock_that_is_not_held_is_no_sample(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    current = next(machine.tree.glob("class/**/cur_freq"))
    current.unlink()
    current.write_text("204000000\n")
    machine.monkeypatch.setattr(windows, "SETTLE_MS", 800.0)
    assert machine.profile("--clocks", "115,803,1109", window_ms=200.0) == 1
    assert "cuda0: asked for 1109 MHz, runs at 204: unknown\n" in capfd.readouterr().err
    assert clocks(machine.tree) == AS_BEFORE
    assert machine.samples == []


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_however_it_ends_clocks_go_back_and_samples_stay(
    machine: Machine, number: signal.Signals, status: int
) -> None:
    with machine.start("--clocks", "115,803,1109") as first:
        try:
            until(
                lambda: (
                    len(machine.samples) >= 6 and clocks(machine.tree)[0] == clocks(machine.tree)[1]
                )
            )
        finally:
            first.send_signal(number)
        until(lambda: clocks(machine.tree) == AS_BEFORE, RESTORED_S + 3 * (number == signal.SIGINT))
        assert first.wait(LIMIT_S) == status
    until(lambda: not machine.claim.exists())
    assert len(machine.samples) >= 6


def test_the_same_command_goes_on_where_it_was(machine: Machine) -> None:
    path = machine_profile_path("toy", "board", FINGERPRINT).with_name("samples-board.csv")
    cells = [Cell("a-32", size, mhz) for size in (1, 3) for mhz in (115, 803, 1109)]
    with closing(SampleFile(path, cells)) as file:
        for cell in cells[1:]:
            for _ in range(6):
                file.add(cell, 10_000.0 * cell.batch_size / (cell.clock_mhz or 1), 5.0)
    before = machine.samples
    assert machine.profile("--clocks", "115,803,1109") == 0
    assert machine.samples[: len(before)] == before
    added = machine.samples[len(before) :]
    assert len(added) == 6
    assert all(line.startswith("a-32,1,115,") for line in added)
    assert {row.num_samples for row in machine.table().rows} == {0, 6}


def test_a_governor_that_is_killed_ends_it_and_the_next_puts_clocks_back(machine: Machine) -> None:
    with machine.start("--clocks", "115,803,1109") as first:
        until(lambda: len(machine.samples) >= 3)
        (governor,) = psutil.Process(first.pid).children()
        governor.kill()
        shown = first.stderr.read() if first.stderr else ""
        assert first.wait(LIMIT_S) == 1
    assert "cuda0: the governor of its clock has ended" in shown
    assert "Traceback" not in shown
    assert clocks(machine.tree) == AS_BEFORE
    assert not machine.claim.exists()


def test_a_meter_that_fails_is_told_and_what_was_measured_stays(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    sensor = next(machine.tree.glob("bus/**/in1_input"))
    with machine.start("--clocks", "115,803,1109") as first:
        until(lambda: len(machine.samples) >= 3)
        sensor.unlink()
        shown = first.stderr.read() if first.stderr else ""
        assert first.wait(LIMIT_S) == 1
    assert f"{BOARD.device_id}: {sensor}: cannot be read" in shown
    assert shown.count("; once more") == 2
    assert clocks(machine.tree) == AS_BEFORE
    assert len(machine.samples) >= 3


def test_a_meter_that_is_not_believed_leaves_latency_alone_and_says_why(machine: Machine) -> None:
    stand_in(machine.monkeypatch.setattr, 100.0)
    machine.monkeypatch.setattr(governed, "BELIEVED_MS", 300.0)
    sensor = next(machine.tree.glob("bus/**/curr1_input"))
    facts = MeterFacts("ina3221", "module", 100.0)
    with closing(governed.GovernedDevice(BOARD, facts)) as device:
        sensor.write_text("nan\n")
        device.hear(500.0)
        assert device.believe_meter() == f"{sensor}: holds 'nan', not whole numbers"
        assert device.power_w(0.0, 1000.0) == (None, "")


def test_a_governor_that_does_not_start_is_one_line(machine: Machine) -> None:
    stand_in(machine.monkeypatch.setattr, 100.0)
    machine.monkeypatch.setattr(governed, "CHILD_COMMAND", (sys.executable, "-c", "pass"))
    with pytest.raises(
        RunError, match="cuda0: its governor does not start: nothing is heard of it"
    ):
        governed.GovernedDevice(BOARD, None)
