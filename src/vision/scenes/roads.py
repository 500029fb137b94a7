"""Roads, their lanes, and where each vehicle is at any time."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from .painting import Pose
from .splits import Split, draw_between

LANE_WIDTH_M: Final = 3.4
LENGTHS_M: Final = (5.0, 13.0, 11.0, 3.0)
"""No vehicle of a class is longer."""
_CLASS_SHARES: Final = (0.46, 0.15, 0.20, 0.19)


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane and the vehicles that go round it for ever.

    Attributes:
        offset_m: Distance of its middle from the road's middle line, to the left.
        direction: 1 along the road, -1 against it.
        speed_mps: Mean speed; 0 for parked vehicles.
        surge_ratio: How much the speed rises and falls, 0 to 1.
        surge_period_s: Time from one rise to the next.
        surge_phase_rad: Where in this time the scene begins.
        starts_m: Where along the loop each vehicle starts.
        classes: Class id of each vehicle.
        looks: Which of the scene's models each vehicle starts with.
    """

    offset_m: float
    direction: int
    speed_mps: float
    surge_ratio: float
    surge_period_s: float
    surge_phase_rad: float
    starts_m: tuple[float, ...]
    classes: tuple[int, ...]
    looks: tuple[int, ...]

    def travelled_m(self, time_s: float) -> float:
        """Returns how far its vehicles have come since the scene began."""
        turn = 2 * math.pi / self.surge_period_s
        wave = math.sin(turn * time_s + self.surge_phase_rad) - math.sin(self.surge_phase_rad)
        return self.speed_mps * (time_s + self.surge_ratio * wave / turn)

    def speed_at(self, time_s: float) -> float:
        """Returns the speed (m/s) at a time."""
        turn = 2 * math.pi / self.surge_period_s
        return self.speed_mps * (
            1 + self.surge_ratio * math.cos(turn * time_s + self.surge_phase_rad)
        )


@dataclass(frozen=True, slots=True)
class Passage:
    """A vehicle at one moment: lane's number, slot and round, class, look, pose, fade, velocity.

    Attributes:
        class_id: Class.
        look: Which model of that class.
        pose: Where it stands.
        opacity_ratio: Below 1 while it appears or vanishes at a far end of the road.
        velocity_mps: Its velocity on the ground.
    """

    class_id: int
    look: int
    pose: Pose
    opacity_ratio: float
    velocity_mps: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Road:
    """A straight road.

    Attributes:
        x_m: A point on its middle line.
        y_m: The same.
        heading_rad: Its direction from the x axis.
        begin_m: Where it begins along its direction, from that point.
        end_m: Where it ends.
        half_width_m: From the middle line to the kerb.
        lanes: Its lanes.
    """

    x_m: float
    y_m: float
    heading_rad: float
    begin_m: float
    end_m: float
    half_width_m: float
    lanes: tuple[Lane, ...]

    def at(self, along_m: float, left_m: float) -> tuple[float, float]:
        """Returns the ground point so far along and to the left of the middle line."""
        cosine, sine = math.cos(self.heading_rad), math.sin(self.heading_rad)
        return (
            self.x_m + cosine * along_m - sine * left_m,
            self.y_m + sine * along_m + cosine * left_m,
        )

    def crosses(self, other: Road) -> bool:
        """Says whether another road is no parallel."""
        return abs(math.sin(self.heading_rad - other.heading_rad)) > 0.5  # noqa: PLR2004

    def passages(self, time_s: float, num_looks: int, fade_m: float = 9.0) -> list[Passage]:
        """Returns the vehicles on the road at a time."""
        found: list[Passage] = []
        loop = self.end_m - self.begin_m
        for lane in self.lanes:
            way, speed = lane.travelled_m(time_s), lane.speed_at(time_s) * lane.direction
            heading = self.heading_rad + (0.0 if lane.direction > 0 else math.pi)
            velocity = (speed * math.cos(self.heading_rad), speed * math.sin(self.heading_rad))
            for start, class_id, look in zip(lane.starts_m, lane.classes, lane.looks, strict=True):
                rounds, along = divmod(start + way, loop)
                place = along if lane.direction > 0 else loop - along
                x, y = self.at(self.begin_m + place, lane.offset_m)
                opacity = 1.0
                if lane.speed_mps > 0:
                    opacity = min(1.0, along / fade_m, (loop - along) / fade_m)
                chosen = (look + 7 * int(rounds)) % num_looks
                found.append(Passage(class_id, chosen, Pose(x, y, heading), opacity, velocity))
        return found


@dataclass(frozen=True, slots=True)
class Traffic:
    """What of a scene is not left to chance; empty or None is.

    Attributes:
        light: day, overcast, dusk or night.
        layout: along, oblique, across, dual, or crossing, which no chance draws.
        num_lanes: of each road, but those of a dual.
        load_ratio: how many of the places of a lane are taken, 0 to 1.
        has_parked: whether vehicles may be parked beside a road.
    """

    light: str = ""
    layout: str = ""
    num_lanes: int | None = None
    load_ratio: float | None = None
    has_parked: bool | None = None


ANY_TRAFFIC: Final = Traffic()


def draw_class(rng: np.random.Generator) -> int:
    """Draws the class of a vehicle."""
    return int(rng.choice(4, p=_CLASS_SHARES))


def _lane(
    rng: np.random.Generator,
    offset_m: float,
    direction: int,
    speed_mps: float,
    length_m: float,
    load_ratio: float,
) -> Lane:
    """Draws a lane's vehicles; the gaps leave room for the longest."""
    starts: list[float] = []
    classes: list[int] = []
    place = float(rng.uniform(0, 6))
    gap = 2.0 + speed_mps * 0.22
    before = 0.0
    while True:
        class_id = draw_class(rng)
        place += (before + LENGTHS_M[class_id]) / 2 + gap + float(rng.exponential(5.0))
        if place + LENGTHS_M[class_id] / 2 + gap > length_m:
            break
        if rng.random() < load_ratio:
            starts.append(place)
            classes.append(class_id)
        before = LENGTHS_M[class_id]
    return Lane(
        offset_m=offset_m,
        direction=direction,
        speed_mps=speed_mps,
        surge_ratio=float(rng.uniform(0, 0.85)),
        surge_period_s=float(rng.uniform(9, 25)),
        surge_phase_rad=float(rng.uniform(0, 2 * math.pi)),
        starts_m=tuple(starts),
        classes=tuple(classes),
        looks=tuple(int(v) for v in rng.integers(0, 64, len(starts))),
    )


def _road(
    rng: np.random.Generator,
    place: tuple[float, float],
    heading_rad: float,
    span_m: tuple[float, float],
    num_lanes: int,
    *,
    has_parked: bool,
    load_ratio: float | None = None,
) -> Road:
    """Draws a road with traffic on the right in both directions."""
    half = num_lanes * LANE_WIDTH_M / 2
    lanes: list[Lane] = []
    length = span_m[1] - span_m[0]
    load = float(rng.uniform(0.6, 0.98))
    load = load if load_ratio is None else load_ratio
    for k in range(num_lanes):
        offset = (k + 0.5) * LANE_WIDTH_M - half
        direction = 1 if offset < 0 else -1
        lanes.append(_lane(rng, offset, direction, float(rng.uniform(5, 14)), length, load))
    if has_parked:
        for side in (1, -1):
            if rng.random() < 0.7:  # noqa: PLR2004
                lane = _lane(rng, side * (half + 1.3), -side, 0.0, length, 0.5)
                lanes.append(lane)
        half += 2.6
    return Road(place[0], place[1], heading_rad, span_m[0], span_m[1], half, tuple(lanes))


def draw_roads(
    rng: np.random.Generator, split: Split, traffic: Traffic = ANY_TRAFFIC
) -> tuple[str, tuple[Road, ...]]:
    """Draws the roads of a scene that lie before the camera, and names the layout."""
    drawn = str(rng.choice(["along", "oblique", "across", "dual"]))
    layout = traffic.layout or drawn
    num_lanes = int(rng.choice([2, 3, 4]))
    num_lanes = traffic.num_lanes or num_lanes
    has_parked = bool(rng.random() < 0.35)  # noqa: PLR2004
    has_parked = has_parked if traffic.has_parked is None else traffic.has_parked
    road = functools.partial(_road, load_ratio=traffic.load_ratio)
    if layout == "along":
        turn = math.radians(90 + draw_between(rng, -14, 14, split))
        reach = draw_between(rng, 52, 90, split)
        place = (draw_between(rng, -4, 6, split), 0.0)
        return layout, (road(rng, place, turn, (-14, reach), num_lanes, has_parked=has_parked),)
    if layout == "oblique":
        side = int(rng.choice([-1, 1]))
        turn = math.radians(90 + side * draw_between(rng, 22, 58, split))
        place = (draw_between(rng, -3, 3, split), draw_between(rng, 22, 40, split))
        return layout, (road(rng, place, turn, (-48, 70), num_lanes, has_parked=has_parked),)
    if layout == "across":
        turn = math.radians(draw_between(rng, -16, 16, split))
        near = draw_between(rng, 17, 34, split)
        roads = [road(rng, (0.0, near), turn, (-52, 52), num_lanes, has_parked=has_parked)]
        if rng.random() < 0.5:  # noqa: PLR2004
            gap = roads[0].half_width_m + draw_between(rng, 9, 15, split)
            far = road(rng, (0.0, near + gap), turn, (-60, 60), 2, has_parked=False)
            roads.append(far)
        return layout, tuple(roads)
    turn = math.radians(90 + draw_between(rng, -12, 12, split))
    reach, half_gap = draw_between(rng, 50, 80, split), draw_between(rng, 6.5, 9.5, split)
    middle = draw_between(rng, -3, 3, split)
    return layout, tuple(
        road(rng, (middle + side * half_gap, 0.0), turn, (-14, reach), 2, has_parked=False)
        for side in (-1, 1)
    )
