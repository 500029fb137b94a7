"""Random planning problems of the published simulation's kind.

Source: Jellyfish (RTSS 2022), simulation: variants that run at first, and which instances count. Variants and latencies are those of a profile of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from ...core.device import Device
from ...core.errors import RunError
from ...core.mode import Mode, ModeTable
from ...core.plan import DevicePlan, Plan
from ...core.problem import Problem
from ...core.variant import Variant
from ...scheduling.planning.mapping import Mapper
from ...zoos import (
    find_profile,
    load_latency_profile,
    mode_table,
    open_zoo,
)
from .families import PAPER_CLIENTS

ZOO = "replayed-gpu"
DEVICE_TYPE = "gpu"
MAX_BATCH = 8
MAX_TRIES = 100_000


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """How large an instance is."""

    num_devices: int
    clients_per_device: int


@dataclass(frozen=True, slots=True)
class StudyInstance:
    """A problem, and what the devices run before anything is planned; nobody has a place yet."""

    problem: Problem
    first: Plan


def draw_instance(size: Size, seed: int, number: int, least_served_ratio: float) -> StudyInstance:
    """Draws until an instance counts; the arguments fix it.

    That is when the published mapping serves so many of the servable clients with the variants that run at first.

    Raises:
        RunError: if none is found.
    """
    random = Random(f"{seed}/{size.num_devices}/{size.clients_per_device}/{number}")  # noqa: S311 - a study
    for _ in range(MAX_TRIES):
        problem = draw_problem(size.num_devices, size.num_devices * size.clients_per_device, random)
        running = [random.randrange(len(problem.variants)) for _ in problem.devices]
        num_servable = sum(map(problem.is_servable, problem.streams))
        num_served = Mapper(problem).evaluate(running).num_served
        if num_served >= least_served_ratio * num_servable:
            devices = tuple(
                DevicePlan.of(device.device_id, Mode(variant, 1))
                for device, variant in zip(problem.devices, running, strict=True)
            )
            placement = {stream.stream_id: None for stream in problem.streams}
            return StudyInstance(problem, Plan(devices, placement))
    raise RunError(f"{size}: none of {MAX_TRIES} random instances counts")


def draw_problem(num_devices: int, num_clients: int, random: Random) -> Problem:
    """Draws a problem of the published kind on the shipped replayed profile."""
    variants, table = _zoo()
    return Problem(
        devices=tuple(Device(f"gpu{index}", DEVICE_TYPE) for index in range(num_devices)),
        variants=variants,
        tables={DEVICE_TYPE: table},
        streams=PAPER_CLIENTS.draw(num_clients, random),
    )


@cache
def _zoo() -> tuple[tuple[Variant, ...], ModeTable]:
    """The variants, and what their modes cost on the device type."""
    zoo = open_zoo(ZOO)
    variants, path = zoo.variants, find_profile(zoo, DEVICE_TYPE, None)
    if path is None:
        raise RunError(f"the profile of {ZOO} is not there")
    table = mode_table(load_latency_profile(path, variants), variants, MAX_BATCH)
    return variants, table.published()
