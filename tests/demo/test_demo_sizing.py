"""How large a demo's load is, as a function of what frames cost a machine."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.demo.cameras import KINDS, STEP_FPS, DemoCamera
from moonjelly.demo.sizing import (
    LEAST_RATIO,
    MOST_DEVICE_RATIO,
    MOST_DRAWING_RATIO,
    MOST_RATIO,
    USUAL_CAMERAS,
    FrameCosts,
    sized_cameras,
    usual_fps,
)
from moonjelly.zoos import load_variants, variants_path

MS = st.floats(0.05, 2000.0)
COSTS = st.builds(
    FrameCosts,
    MS,
    st.just("traffic-n-416"),
    st.dictionaries(st.sampled_from(("cpu0", "cpu1")), MS, min_size=1),
)
NUMBERS = st.integers(1, 9)


def total_fps(cameras: tuple[DemoCamera, ...]) -> float:
    return sum(camera.kind.fps for camera in cameras)


def used_ratios(costs: FrameCosts, fps: float) -> tuple[float, float]:
    """Shares of the devices' time and of the drawing core's."""
    devices_fps = sum(1000 / ms for ms in costs.batches_ms.values())
    return fps / devices_fps, fps * costs.drawing_ms / 1000


@given(COSTS)
def test_devices_and_cameras_stay_below_their_bounds(costs: FrameCosts) -> None:
    cameras = sized_cameras(costs, None, 0)
    device_ratio, drawing_ratio = used_ratios(costs, total_fps(cameras))
    is_least = len(cameras) == 1 and cameras[0].kind.fps == LEAST_RATIO * KINDS[0].fps
    assert is_least or device_ratio <= MOST_DEVICE_RATIO + 1e-9
    assert is_least or drawing_ratio <= MOST_DRAWING_RATIO + 1e-9


@given(COSTS)
def test_the_load_is_as_large_as_the_bounds_allow_but_for_rounding_and_a_cap(
    costs: FrameCosts,
) -> None:
    cameras = sized_cameras(costs, None, 0)
    most_fps = min(costs.carried_fps, MOST_RATIO * usual_fps(USUAL_CAMERAS))
    assert total_fps(cameras) >= most_fps - STEP_FPS * len(cameras) - 1e-9


@given(COSTS, st.floats(1.0, 10.0), st.one_of(st.none(), NUMBERS))
def test_a_slower_machine_never_gets_more_frames_or_cameras(
    costs: FrameCosts, ratio: float, num_cameras: int | None
) -> None:
    slower = dataclasses.replace(
        costs,
        drawing_ms=ratio * costs.drawing_ms,
        batches_ms={name: ratio * ms for name, ms in costs.batches_ms.items()},
    )
    few, many = (sized_cameras(one, num_cameras, 0) for one in (slower, costs))
    assert len(few) <= len(many)
    assert total_fps(few) <= total_fps(many)


@given(COSTS, NUMBERS)
def test_as_many_cameras_come_as_were_asked_for(costs: FrameCosts, num_cameras: int) -> None:
    cameras = sized_cameras(costs, num_cameras, 0)
    assert len(cameras) == num_cameras
    for camera, number in zip(cameras, range(num_cameras), strict=True):
        usual = KINDS[number % len(KINDS)].fps
        assert LEAST_RATIO * usual - STEP_FPS <= camera.kind.fps <= MOST_RATIO * usual
        assert camera.kind.fps % STEP_FPS == 0


@pytest.mark.parametrize("drawing_ms", [2.0, 9.0, 15.0, 30.0, 60.0])
def test_links_bind_at_every_load(drawing_ms: float) -> None:
    """A frame of the largest side is too large for the link's rate or for the SLO, in a fifth of the time at least."""
    cameras = sized_cameras(FrameCosts(drawing_ms, "traffic-n-416", {"cpu0": 1.0}), None, 0)
    largest = max(load_variants(variants_path("traffic", None)), key=lambda one: one.input_side_px)
    bound = total = 0
    for camera in cameras:
        for tenth in range(400):
            rate_kbps = camera.trace.rate_kbps(tenth / 10)
            seconds = min(1 / camera.kind.fps, camera.kind.slo_ms / 1000)
            bound += rate_kbps * seconds < largest.frame_kbits
            total += 1
    assert bound >= 0.2 * total


def test_a_link_keeps_its_rate_for_each_frame_but_is_never_slower_than_the_slo_allows() -> None:
    for kind in KINDS:
        fast, slow = kind.at(2.0), kind.at(0.5)
        assert fast.scale_ratio / fast.fps == kind.scale_ratio / kind.fps
        assert slow.scale_ratio == kind.scale_ratio


def test_what_was_measured_reads_as_a_sentence() -> None:
    costs = FrameCosts(9.2, "traffic-n-416", {"cpu0": 14.4})
    assert str(costs) == "draws a frame in 9 ms and runs traffic-n-416 in 14 ms on cpu0"
