from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from virtual_clock import VirtualClock

from moonjelly.core.errors import UsageError
from moonjelly.core.variant import Variant
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.devices.executors.port import Picture
from moonjelly.profiler import quick
from moonjelly.profiler.batch_runner import BatchRunner
from moonjelly.profiler.campaign import Campaign, carry_out
from moonjelly.profiler.measuring import Amount
from moonjelly.server.zoo import fingerprint_of
from moonjelly.vision.detections import Detections
from moonjelly.vision.preprocessing import encode_frame
from moonjelly.zoos import Fingerprint, Method, find_profile, read_latency_file

CPU = DeviceConfig("cpu0", "cpu-1core", DeviceKind.CPU, cores=(0,))
REPLAYED = DeviceConfig("gpu0", "gpu", DeviceKind.REPLAYED)
FINGERPRINT = Fingerprint("a chip", 1, "torch 2 float32")
VARIANTS = (Variant("a-32", 32, 0.2, 10), Variant("b-64", 64, 0.3, 20))
SIDES = {"a-32": 32, "b-64": 64}


class TimedExecutor:
    """Takes 1 ms a frame for each 32 px of side."""

    needs_pictures = True
    depth = 1

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.loaded: list[str] = []

    def load(self, variant: str, max_batch_size: int) -> None:
        self.loaded.append(variant)

    def unload(self, variant: str) -> None:
        self.loaded.remove(variant)

    def prepare(self, picture: Picture) -> Picture:
        return picture

    def start(self, variant: str, inputs: Sequence[Picture]) -> int:
        side = SIDES[variant]
        assert [picture.shape for picture in inputs] == [(side, side, 3)] * len(inputs)
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


def make_campaign(amount: Amount) -> Campaign:
    return Campaign(
        "toy", "cpu-1core", FINGERPRINT, VARIANTS, (1, 3), 4, amount, 0, Method.MEASURED
    )


def make_variants_file(profiles_dir: Path) -> None:
    folder = profiles_dir / "toy"
    folder.mkdir(parents=True)
    (folder / "variants.csv").write_text(
        "variant,network,input_side_px,map,map50,map_small,map_medium,map_large,frame_kbits,num_frames\n"
        "a-32,a,32,0.2,0.4,,,,10,9\nb-64,b,64,0.3,0.5,,,,20,9\n"
    )


def test_a_campaign_writes_a_table_that_says_how_it_came_about(tmp_path: Path) -> None:
    clock, out = VirtualClock(), tmp_path / "deep" / "latency-cpu-1core.csv"
    screen = io.StringIO()
    carry_out(
        make_campaign(Amount(10)),
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


def test_a_quick_profile_is_made_once_and_found_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    profiles_dir = tmp_path / "profiles"
    make_variants_file(profiles_dir)
    clock, num_opened = VirtualClock(), 0

    def open_runner(
        device: DeviceConfig, variants: Sequence[Variant], max_batch_size: int
    ) -> BatchRunner:
        nonlocal num_opened
        num_opened += 1
        return make_runner(clock)

    monkeypatch.setattr(quick, "open_runner", open_runner)
    screen = io.StringIO()
    console = Console(file=screen, soft_wrap=True)
    path = quick.ensure_profile("toy", CPU, profiles_dir, console)
    assert "measuring a quick one" in screen.getvalue()
    assert profiles_dir not in path.parents
    assert read_latency_file(path, VARIANTS).method is Method.QUICK
    assert find_profile("toy", "cpu-1core", fingerprint_of(CPU), profiles_dir) == path
    assert quick.ensure_profile("toy", CPU, profiles_dir, console) == path
    assert num_opened == 1


def test_a_replayed_device_without_a_table_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_variants_file(tmp_path / "profiles")
    with pytest.raises(UsageError, match="zoo toy has no profile gpu"):
        quick.ensure_profile("toy", REPLAYED, tmp_path / "profiles", Console(file=io.StringIO()))
