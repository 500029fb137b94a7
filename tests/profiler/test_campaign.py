from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from toy_zoos import make_zoo
from virtual_clock import VirtualClock

from moonjelly.core.answers import Detections
from moonjelly.core.errors import UsageError
from moonjelly.core.variant import Variant
from moonjelly.core.zoo import Fit
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.profiler import quick
from moonjelly.profiler.batch_runner import BatchRunner
from moonjelly.profiler.campaign import Campaign, carry_out
from moonjelly.profiler.measuring import Amount
from moonjelly.profiler.samples import Cell
from moonjelly.server.config import ServerConfig
from moonjelly.server.zoo import fingerprint_of
from moonjelly.vision.fits import Fitted
from moonjelly.vision.preprocessing import encode_frame
from moonjelly.zoos import (
    Fingerprint,
    Method,
    OpenedZoo,
    find_profile,
    open_zoo,
    read_latency_file,
    write_zoo_file,
)

CPU = DeviceConfig("cpu0", "cpu-1core", DeviceKind.CPU, cores=(0,))
REPLAYED = DeviceConfig("gpu0", "gpu", DeviceKind.REPLAYED)
FINGERPRINT = Fingerprint("a chip", 1, "torch 2 float32")
VARIANTS = (Variant("a-32", 32, 0.2, 10), Variant("b-64", 64, 0.3, 20))
SIDES = {"a-32": 32, "b-64": 64}


class TimedExecutor:
    """Takes 1 ms a frame for each 32 px of side."""

    needs_pictures = True
    depth = 1
    fit = Fit.STRETCH

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.loaded: list[str] = []

    def load(self, variant: str, max_batch_size: int) -> None:
        self.loaded.append(variant)

    def unload(self, variant: str) -> None:
        self.loaded.remove(variant)

    def prepare(self, fitted: Fitted) -> Fitted:
        return fitted

    def start(self, variant: str, inputs: Sequence[Fitted]) -> int:
        side = SIDES[variant]
        assert [one.picture.shape for one in inputs] == [(side, side, 3)] * len(inputs)
        self.clock.advance_to(self.clock.now_ms() + len(inputs) * side / 32)
        return len(inputs)

    def finish(self, running: int) -> list[Detections]:
        return [Detections.empty()] * running

    def close(self) -> None:
        self.loaded.clear()


def make_runner(clock: VirtualClock) -> BatchRunner:
    image = np.zeros((48, 64, 3), np.uint8)
    frames = {side: [encode_frame(image, side)] * 3 for side in SIDES.values()}
    return BatchRunner(TimedExecutor(clock), SIDES, frames, 4, clock)


def make_campaign(zoo: OpenedZoo, amount: Amount) -> Campaign:
    return Campaign(zoo, "cpu-1core", FINGERPRINT, (1, 3), 4, amount, 0, Method.MEASURED)


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenedZoo:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_zoo(tmp_path / "zoos" / "toy", {"a": [32], "b": [64]})


def test_a_campaign_writes_a_table_that_says_how_it_came_about(
    zoo: OpenedZoo, tmp_path: Path
) -> None:
    clock, out = VirtualClock(), tmp_path / "deep" / "latency-cpu-1core.csv"
    screen = io.StringIO()
    carry_out(
        make_campaign(zoo, Amount(10)),
        make_runner(clock),
        tmp_path / "samples.csv",
        out,
        Console(file=screen, force_terminal=True, width=100),
        clock,
    )
    table = read_latency_file(out, VARIANTS)
    assert table.fingerprint == FINGERPRINT
    assert "batch sizes 1, 3" in table.source
    latency = table.profile().by_variant["b-64"]
    assert latency.p50_ms == pytest.approx((2, 4, 6, 8))
    assert [row.num_samples for row in table.rows if row.variant == "a-32"] == [10, 0, 10, 0]
    assert "100%" in screen.getvalue()


def test_the_time_is_told_when_each_variant_has_run_and_those_samples_count(
    zoo: OpenedZoo, tmp_path: Path
) -> None:
    clock, screen = VirtualClock(), io.StringIO()
    runner = make_runner(clock)
    told_at: list[tuple[int, bool]] = []
    run = runner.run

    def look(cell: Cell, num_batches: int, within_ms: float) -> list[float]:
        told_at.append((num_batches, "this takes" in screen.getvalue()))
        return run(cell, num_batches, within_ms)

    runner.run = look  # type: ignore[method-assign]
    console = Console(file=screen)
    arguments = tmp_path / "samples.csv", tmp_path / "latency-cpu-1core.csv", console, clock
    table = carry_out(make_campaign(zoo, Amount(4)), runner, *arguments)
    assert told_at == [(2, False)] * 4 + [(4, True)] * 4
    assert {row.num_samples for row in table.rows} == {0, 4}
    carry_out(make_campaign(zoo, Amount(4)), runner, *arguments)
    assert "this takes about 1 min" in screen.getvalue()
    assert len(told_at) == 8  # a second call finds everything


def test_a_quick_profile_is_made_once_and_found_from_then_on(
    zoo: OpenedZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, num_opened = VirtualClock(), 0

    def open_runner(
        device: DeviceConfig, zoo: OpenedZoo, variants: Sequence[Variant], max_batch_size: int
    ) -> BatchRunner:
        nonlocal num_opened
        num_opened += 1
        return make_runner(clock)

    monkeypatch.setattr(quick, "open_runner", open_runner)
    screen = io.StringIO()
    console = Console(file=screen, soft_wrap=True)
    path = quick.ensure_profile(zoo, CPU, console)
    assert "measuring a quick one" in screen.getvalue()
    assert zoo.folder not in path.parents
    table = read_latency_file(path, VARIANTS)
    assert table.method is Method.QUICK
    assert {row.variant for row in table.rows} == {one.name for one in VARIANTS}
    for name in {row.variant for row in table.rows}:  # it reaches no further than it measured
        assert max(row.batch_size for row in table.rows if row.variant == name) == 4
        assert [row for row in table.rows if row.variant == name][-1].num_samples
    assert find_profile(zoo, "cpu-1core", fingerprint_of(CPU, zoo)) == path
    assert quick.ensure_profile(zoo, CPU, console) == path
    assert num_opened == 1


def test_a_replayed_device_without_a_table_is_refused_by_name(zoo: OpenedZoo) -> None:
    with pytest.raises(UsageError, match="zoo toy has no profile gpu"):
        quick.ensure_profile(zoo, REPLAYED, Console(file=io.StringIO()))


def test_a_network_that_takes_one_picture_at_a_time_is_measured_so(
    zoo: OpenedZoo, tmp_path: Path
) -> None:
    networks = tuple(replace(one, max_batch_size=1) for one in zoo.zoo.networks[:1])
    write_zoo_file(zoo.folder, replace(zoo.zoo, networks=networks + zoo.zoo.networks[1:]))
    limited = open_zoo(f"{zoo.folder}/")
    clock, out = VirtualClock(), tmp_path / "latency-cpu-1core.csv"
    samples, console = tmp_path / "samples.csv", Console(file=io.StringIO())
    campaign = make_campaign(limited, Amount(10))
    table = carry_out(campaign, make_runner(clock), samples, out, console, clock)
    assert [row.batch_size for row in table.rows if row.variant == "a-32"] == [1]
    assert [row.batch_size for row in table.rows if row.variant == "b-64"] == [1, 2, 3, 4]


def test_a_quick_profile_of_a_gpu_reaches_as_far_as_is_planned() -> None:
    assert max(quick.BATCH_SIZES[DeviceKind.CUDA]) == ServerConfig().max_batch_size
