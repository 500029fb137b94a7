"""The traffic of a crossing takes turns."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.vision.scenes import Scene, Traffic
from moonjelly.vision.scenes.crossing import draw_crossing
from moonjelly.vision.scenes.roads import LENGTHS_M, Passage, Road, draw_roads

WIDTH_M = 2.6


def corners(passage: Passage) -> np.ndarray:
    """The outline of a vehicle on the ground [4, 2]."""
    half = LENGTHS_M[passage.class_id] / 2
    pose = passage.pose
    ahead = np.array([math.cos(pose.heading_rad), math.sin(pose.heading_rad)])
    left = np.array([-ahead[1], ahead[0]]) * WIDTH_M / 2
    middle = np.array([pose.x_m, pose.y_m])
    return np.array(
        [middle + k * half * ahead + s * left for k, s in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    )


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two convex outlines have a point in common: no edge of either keeps them apart."""
    for shape in (a, b):
        for first, second in zip(shape, np.roll(shape, -1, axis=0), strict=True):
            normal = np.array([first[1] - second[1], second[0] - first[0]])
            of_a, of_b = a @ normal, b @ normal
            if of_a.max() < of_b.min() or of_b.max() < of_a.min():
                return False
    return True


@given(st.integers(0, 1000), st.sampled_from([2, 4]), st.floats(0, 180))
def test_no_vehicle_of_a_crossing_runs_into_another(
    seed: int, num_lanes: int, time_s: float
) -> None:
    roads = draw_crossing(np.random.default_rng(seed), "test", num_lanes, 1.0)
    there = [corners(one) for road in roads for one in road.passages(time_s, 8)]
    assert len(there) > 4 * num_lanes
    for a, b in itertools.combinations(there, 2):
        if np.abs(a.mean(axis=0) - b.mean(axis=0)).max() < 14:
            assert not overlap(a, b)


def test_both_roads_of_a_crossing_are_used() -> None:
    roads = draw_crossing(np.random.default_rng(3), "test", 4, 1.0)
    place = np.array([roads[0].x_m, roads[0].y_m])

    def is_used(road: Road) -> bool:
        return any(
            np.hypot(one.pose.x_m - place[0], one.pose.y_m - place[1]) < 6
            for time_s in range(40)
            for one in road.passages(time_s, 8)
        )

    assert all(map(is_used, roads))


def test_traffic_is_as_asked_for_and_left_to_chance_otherwise() -> None:
    few, many = (
        draw_roads(np.random.default_rng(5), "test", Traffic(layout="along", num_lanes=2, load_ratio=ratio))
        for ratio in (0.2, 1.0)
    )  # fmt: skip
    assert few[0] == many[0] == "along"
    count = [sum(len(lane.starts_m) for lane in road.lanes) for _, (road,) in (few, many)]
    assert 0 < count[0] < count[1] / 2
    night = Scene(3, "test", 320, 180, traffic=Traffic("night", "dual")).frame(0).image
    day = Scene(3, "test", 320, 180, traffic=Traffic("day", "dual")).frame(0).image
    assert night.mean() < 0.6 * day.mean()
