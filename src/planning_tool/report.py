"""Plans and explanations as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..core.mode import Mode
from ..core.plan import Plan
from ..core.problem import Problem
from ..scheduling.planning.explanation import Binding, Explanation, Wish
from ..scheduling.planning.joule_steps import DeviceJoules, Step
from ..scheduling.planning.rules import Score, device_power
from .yardsticks import Yardstick


def table_lines(
    problem: Problem, plan: Plan, score: Score, planner: str, plan_ms: float
) -> list[str]:
    """Returns a table of devices and their clients, and the score."""
    power = device_power(problem, plan)
    rows = [("device", "type", "variant", "batch", "clock", "load", "power", "clients")]
    for device, planned in zip(problem.devices, plan.devices, strict=True):
        streams = [c for c in problem.streams if plan.placement[c.stream_id] == device.device_id]
        mode = planned.mode
        throughput_fps = problem.tables[device.device_type].cost(mode).throughput_fps
        fps = math.fsum(stream.fps for stream in streams)
        cells = (
            device.device_id, device.device_type, problem.variants[mode.variant].name,
            str(mode.batch_size), "" if mode.clock_mhz is None else f"{mode.clock_mhz:g} MHz",
            f"{fps:g} of {throughput_fps:.1f} frame/s",
            "" if power is None else f"{power[device.device_id].total_w:.2f} W",
            " ".join(stream.stream_id for stream in streams) or "-",
        )  # fmt: skip
        rows.append(cells)
    used = [number for number in range(len(rows[0])) if any(row[number] for row in rows[1:])]
    refused = [c.stream_id for c in problem.streams if plan.placement[c.stream_id] is None]
    return [
        *_aligned([[row[number] for number in used] for row in rows]),
        *_power_lines(problem, score),
        f"refused: {' '.join(refused) or '-'}",
        f"served {score.num_served} of {score.num_servable} servable, accuracy per request "
        f"{score.accuracy_per_request:.4f}, planned by {planner} in {plan_ms:.1f} ms",
    ]


def _power_lines(problem: Problem, score: Score) -> list[str]:
    if score.power is None:
        return []
    price = problem.price_per_joule
    at = f"; a joule costs {price:.3g} of accuracy, value per request {score.value_per_request:.4f}"
    return [
        f"power {score.power.total_w:.2f} W, {score.power.above_idle_w:.2f} W of it above idle{at if price else ''}"
    ]


def check_line(name: str, score: Score, yardstick: Yardstick | None, plan_ms: float) -> str:
    """Returns one line: served ratio, accuracy, gaps to the bounds where they are known, time."""
    gaps = "gap unknown"
    if yardstick is not None:
        missing = yardstick.served_bound - score.num_served
        accuracy_gap = 0.0
        if yardstick.accuracy_bound:
            accuracy_gap = 100 * (1 - score.accuracy_per_request / yardstick.accuracy_bound)
        gaps = f"gap {accuracy_gap:.2f} % of accuracy, {missing} clients"
    return (
        f"{name}: served {score.served_ratio:.4f}, accuracy {score.accuracy_per_request:.6f}, "
        f"{gaps}, {plan_ms:.1f} ms"
    )


def explanation_lines(
    problem: Problem, explanations: Sequence[Explanation], stages: Mapping[str, str]
) -> list[str]:
    """Returns a paragraph of one or more lines for each stream; it says which devices are slow.

    `stages` says in which stage each stream was planned, where there is more than one.
    """
    slowdowns = {device.device_id: device.slowdown_ratio for device in problem.devices}
    lines = []
    for one in explanations:
        if one.device is None:
            lines.append(
                f"{one.stream_id}: refused ({one.refusal}); its budget for "
                f"{problem.variants[0].name} is {one.budget_ms:.1f} ms"
            )
        else:
            ratio = slowdowns[one.device.device_id]
            slow = f" ({ratio:g} times its profile)" if ratio != 1 else ""
            is_best = one.binding is Binding.NOTHING
            bound = "nothing: no variant is more accurate" if is_best else str(one.binding)
            lines.append(
                f"{one.stream_id}: {one.device.device_id}{slow}, "
                f"{problem.variants[one.device.mode.variant].name}; budget {one.budget_ms:.1f} ms, "
                f"needs {one.needed_ms:.1f} ms; bound by {bound}"
            )
        if one.stream_id in stages:
            lines.append(f"  {stages[one.stream_id]}")
        lines += [f"  {_wish(problem, wish)}" for wish in one.wishes]
        lines += [
            f"  would be accepted at {offer.fps:g} frame/s within {offer.slo_ms:g} ms"
            for offer in one.offers
        ]
    return lines


def joule_lines(problem: Problem, devices: Sequence[DeviceJoules]) -> list[str]:
    """Returns a line for each device that serves somebody: what more accuracy would have cost, and what less would have saved."""
    lines = []
    for one in devices:
        steps = [_step(problem, step) for step in (one.dearer, one.cheaper) if step is not None]
        now = f"{one.device_id}: {_mode(problem, one.mode)}, {one.above_idle_w:.2f} W above idle"
        lines.append("; ".join([now, *(steps or ["no other mode serves these clients"])]))
    return lines


def _step(problem: Problem, step: Step) -> str:
    return (
        f"{_mode(problem, step.mode)} {step.accuracy_gain:+.3f} accuracy for "
        f"{100 * (step.energy_ratio - 1):+.0f} % energy"
    )


def _mode(problem: Problem, mode: Mode) -> str:
    clock = "" if mode.clock_mhz is None else f" at {mode.clock_mhz:g} MHz"
    return f"{problem.variants[mode.variant].name}{clock}"


def _wish(problem: Problem, wish: Wish) -> str:
    where = f"on {wish.device_id}"
    if wish.device_id is None:
        where = f"with one more device of type {wish.device_type}"
    ways = []
    if wish.bandwidth_kbps is not None:
        ways.append(f"at {wish.bandwidth_kbps / 1000:.3f} Mbit/s")
    if wish.slo_ms is not None:
        ways.append(f"with an SLO of {wish.slo_ms:.1f} ms")
    return f"{problem.variants[wish.variant].name} {where} {' or '.join(ways)}".rstrip()


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
