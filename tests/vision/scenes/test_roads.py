from __future__ import annotations

import itertools
import math

import numpy as np

from moonjelly.vision.scenes.roads import Lane, Road, draw_roads

LENGTHS_M = (4.94, 12.5, 10.5, 2.3)


def test_vehicles_of_a_lane_never_touch() -> None:
    for seed in range(20):
        _, roads = draw_roads(np.random.default_rng(seed), "test")
        for road in roads:
            loop = road.end_m - road.begin_m
            for lane in road.lanes:
                pairs = itertools.combinations(zip(lane.starts_m, lane.classes, strict=True), 2)
                for (a, kind_a), (b, kind_b) in pairs:
                    gap = min((a - b) % loop, (b - a) % loop)
                    assert gap > (LENGTHS_M[kind_a] + LENGTHS_M[kind_b]) / 2


def test_a_lane_keeps_its_mean_speed_and_never_drives_backwards() -> None:
    lane = Lane(0.0, 1, 10.0, 0.8, 12.0, 1.0, (), (), ())
    way = [lane.travelled_m(t / 10) for t in range(1201)]
    assert all(b > a for a, b in itertools.pairwise(way))
    assert math.isclose(way[1200] - way[0], 1200.0)
    assert math.isclose(way[601] - way[600], 0.1 * lane.speed_at(60.05), rel_tol=1e-3)


def test_a_vehicle_that_leaves_comes_back_with_another_look() -> None:
    lane = Lane(0.0, 1, 10.0, 0.0, 12.0, 0.0, (5.0,), (0,), (2,))
    road = Road(0.0, 0.0, 0.0, 0.0, 100.0, 4.0, (lane,))
    first, later = road.passages(1.0, 8)[0], road.passages(11.0, 8)[0]
    assert math.isclose(first.pose.x_m, later.pose.x_m)
    assert first.look != later.look
