"""How large a demo's load is, as a function of what frames cost a machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.budget_rules import DEFAULT_BUDGET_RULE, budget_rule
from moonjelly.demo.cameras import KINDS, STEP_FPS, DemoCamera
from moonjelly.demo.sizing import (
    LEAST_BOUND_RATIO,
    LEAST_RATIO,
    LINK_RATIOS,
    MOST_DEVICE_RATIO,
    MOST_DRAWING_RATIO,
    MOST_RATIO,
    USUAL_CAMERAS,
    FrameCosts,
    link_effects,
    sized_cameras,
    usual_fps,
)
from moonjelly.zoos import open_zoo

VARIANTS = open_zoo("traffic").variants
RULE = budget_rule(DEFAULT_BUDGET_RULE, VARIANTS)
MS = st.floats(0.05, 2000.0)


def machine(drawing_ms: float, median_ms: float, num_devices: int = 1) -> FrameCosts:
    """Where a variant takes in proportion to its pixels."""
    px = [one.input_side_px**2 for one in VARIANTS]
    batches_ms = tuple(median_ms * one / px[len(px) // 2] for one in px)
    return FrameCosts(drawing_ms, VARIANTS, batches_ms, num_devices)


COSTS = st.builds(machine, MS, MS, st.integers(1, 3))
NUMBERS = st.integers(1, 9)


def total_fps(cameras: tuple[DemoCamera, ...]) -> float:
    return sum(camera.kind.fps for camera in cameras)


def link_ratio(camera: DemoCamera) -> float:
    """What its link carries for each frame, over what is usual."""
    usual = next(kind for kind in KINDS if kind.name == camera.kind.name)
    return (camera.kind.scale_ratio / camera.kind.fps) / (usual.scale_ratio / usual.fps)


@settings(max_examples=30)
@given(COSTS)
def test_devices_and_the_drawing_core_stay_below_their_bounds(costs: FrameCosts) -> None:
    cameras = sized_cameras(costs, RULE, None, 0)
    fps = total_fps(cameras)
    is_least = len(cameras) == 1 and cameras[0].kind.fps == LEAST_RATIO * KINDS[0].fps
    assert is_least or fps * costs.drawing_ms / 1000 <= MOST_DRAWING_RATIO + 1e-9
    median_ms = costs.batches_ms[costs.median]
    assert is_least or fps * median_ms / 1000 / costs.num_devices <= MOST_DEVICE_RATIO + 1e-9
    used_ratio, _ = link_effects(costs, RULE, cameras)
    is_slowest = link_ratio(cameras[0]) < LINK_RATIOS[0] + 1e-9
    assert is_least or is_slowest or used_ratio <= MOST_DEVICE_RATIO


@settings(max_examples=30)
@given(COSTS)
def test_the_load_is_as_large_as_the_bounds_allow_but_for_rounding_and_a_cap(
    costs: FrameCosts,
) -> None:
    cameras = sized_cameras(costs, RULE, None, 0)
    most_fps = min(costs.carried_fps, MOST_RATIO * usual_fps(USUAL_CAMERAS))
    assert total_fps(cameras) >= most_fps - STEP_FPS * len(cameras) - 1e-9


@settings(max_examples=30)
@given(MS, MS, st.floats(1.0, 10.0), st.one_of(st.none(), NUMBERS))
def test_a_slower_machine_never_gets_more_frames_or_cameras(
    drawing_ms: float, median_ms: float, ratio: float, num_cameras: int | None
) -> None:
    fast = sized_cameras(machine(drawing_ms, median_ms), RULE, num_cameras, 0)
    for slower in (
        machine(ratio * drawing_ms, median_ms),
        machine(drawing_ms, ratio * median_ms),
    ):
        slow = sized_cameras(slower, RULE, num_cameras, 0)
        assert len(slow) <= len(fast)
        assert total_fps(slow) <= total_fps(fast)


@settings(max_examples=30)
@given(COSTS, NUMBERS)
def test_as_many_cameras_come_as_were_asked_for(costs: FrameCosts, num_cameras: int) -> None:
    cameras = sized_cameras(costs, RULE, num_cameras, 0)
    assert len(cameras) == num_cameras
    for number, camera in enumerate(cameras):
        usual_of_kind = KINDS[number % len(KINDS)].fps
        assert LEAST_RATIO * usual_of_kind - STEP_FPS <= camera.kind.fps
        assert camera.kind.fps <= MOST_RATIO * usual_of_kind
        assert camera.kind.fps % STEP_FPS == 0


@settings(max_examples=30)
@given(COSTS)
def test_links_bind_whatever_the_load(costs: FrameCosts) -> None:
    _, bound_ratio = link_effects(costs, RULE, sized_cameras(costs, RULE, None, 0))
    assert bound_ratio >= LEAST_BOUND_RATIO


@pytest.mark.parametrize("median_ms", [10.0, 14.0, 19.0])
def test_what_links_let_through_uses_most_of_what_a_device_may_unless_drawing_binds(
    median_ms: float,
) -> None:
    costs = machine(7.5, median_ms)
    used_ratio, _ = link_effects(costs, RULE, sized_cameras(costs, RULE, None, 0))
    assert used_ratio >= 0.8 * MOST_DEVICE_RATIO


def test_a_load_of_one_is_what_the_documentation_tables() -> None:
    assert [(kind.at(1.0), total) for kind, total in zip(KINDS, (10, 15, 23, 27), strict=True)] == [
        (kind, usual_fps(number)) for number, kind in enumerate(KINDS, 1)
    ]


def test_what_was_measured_reads_as_a_sentence() -> None:
    assert str(machine(9.2, 14.4)) == "draws a frame in 9 ms and runs traffic-n-416 in 14 ms"
