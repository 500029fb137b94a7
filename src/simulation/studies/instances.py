"""Random planning problems of the published simulation's kind.

Source: Jellyfish (RTSS 2022), simulation: rates, SLOs and bandwidths, variants that run at first, and
which instances count. Variants and latencies are those of a profile of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from ...core.device import Device
from ...core.errors import RunError
from ...core.plan import DevicePlan, Plan
from ...core.problem import Client, Problem
from ...core.variant import Variant
from ...profiles import (
    find_profile,
    latency_table,
    load_latency_profile,
    load_variants,
    variants_path,
)
from ...scheduling.planning.mapping import Mapper

ZOO = "replayed-gpu"
DEVICE_TYPE = "gpu"
MAX_BATCH = 8
RATES_FPS = (10, 15, 25)
SLOS_MS = (75, 100, 150)
LEAST_KBPS, MOST_KBPS = 7_500, 50_000
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

    Args:
        size: devices, and clients for each.
        seed: of the study.
        number: of the instance among those of its size.
        least_served_ratio: of the clients that a network lets serve at all, those that the published
            mapping must serve with the variants that run at first.

    Raises:
        RunError: if none is found.
    """
    random = Random(f"{seed}/{size.num_devices}/{size.clients_per_device}/{number}")  # noqa: S311 - a study
    for _ in range(MAX_TRIES):
        problem = _draw_problem(size, random)
        running = [random.randrange(len(problem.variants)) for _ in problem.devices]
        num_servable = sum(map(problem.is_servable, problem.clients))
        num_served = Mapper(problem).evaluate(running).num_served
        if num_served >= least_served_ratio * num_servable:
            devices = tuple(
                DevicePlan(device.device_id, variant, 1)
                for device, variant in zip(problem.devices, running, strict=True)
            )
            placement = {client.client_id: None for client in problem.clients}
            return StudyInstance(problem, Plan(devices, placement))
    raise RunError(f"{size}: none of {MAX_TRIES} random instances counts")


def _draw_problem(size: Size, random: Random) -> Problem:
    variants, rows = _zoo()
    return Problem(
        devices=tuple(Device(f"gpu{index}", DEVICE_TYPE) for index in range(size.num_devices)),
        variants=variants,
        latency_ms={DEVICE_TYPE: rows},
        clients=tuple(
            Client(
                f"c{index}",
                random.choice(RATES_FPS),
                random.choice(SLOS_MS),
                random.uniform(LEAST_KBPS, MOST_KBPS),
            )
            for index in range(size.num_devices * size.clients_per_device)
        ),
    )


@cache
def _zoo() -> tuple[tuple[Variant, ...], tuple[tuple[float, ...], ...]]:
    """The variants, and the latencies of their batches on the device type."""
    variants = load_variants(variants_path(ZOO))
    path = find_profile(ZOO, DEVICE_TYPE, None)
    if path is None:
        raise RunError(f"the profile of {ZOO} is not there")
    return variants, latency_table(load_latency_profile(path, variants), variants, MAX_BATCH)
