"""A cap of power on simulated boards that draw more or less than their tables: held by what their meters say."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from moonjelly.simulation.meters import DepartingMeter
from moonjelly.simulation.scenario_file import read_scenario
from moonjelly.simulation.scheduler import SimulatedScheduler
from moonjelly.simulation.simulation import Observers, Simulation

SCENARIO = """
seconds: 20
seed: {seed}
zoo: loudva
devices: {{jetson-agx-xavier: 1}}
server: {{clock_ms: 20, objective: capped, power_cap_w: "{cap_w}", power_departure_ratio: {departs}}}
streams:
  - {{name: cam, count: 6, fps: 6, slo_ms: 500, link: {{mbps: 20}}}}
  - {{name: more, count: 4, fps: 8, slo_ms: 500, link: {{mbps: 20}}, join_s: 5, leave_s: 15}}
"""
PERIOD_MS, TICK_MS = 500.0, 100.0


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Runs a scenario; returns what the board drew in each tick (W), and the plans."""
    readings: list[float] = []
    take_meter = SimulatedScheduler.take_meter

    def noted(self, device, total_mj):
        readings.append(total_mj)
        take_meter(self, device, total_mj)

    monkeypatch.setattr(SimulatedScheduler, "take_meter", noted)

    def run(cap_w: float, departs: float, seed: int):
        readings.clear()
        path = tmp_path / "scenario.yaml"
        path.write_text(SCENARIO.format(cap_w=cap_w, departs=departs, seed=seed))
        plans = []
        simulation = Simulation(read_scenario(path), Observers(on_plan=plans.extend))
        simulation.run_until(float("inf"))
        ticks_w = [(b - a) / TICK_MS for a, b in pairwise(readings)]
        return ticks_w, plans

    return run


def longest_ms(ticks_w: list[float], cap_w: float) -> float:
    """How long the mean over a period exceeded the cap in one go."""
    num, longest, run = int(PERIOD_MS / TICK_MS), 0, 0
    for k in range(len(ticks_w) - num + 1):
        run = run + 1 if sum(ticks_w[k : k + num]) / num > cap_w else 0
        longest = max(longest, run)
    return longest * TICK_MS


@pytest.mark.parametrize(("cap_w", "seed"), [(12.0, 0), (10.0, 1)])
def test_a_cap_is_exceeded_for_no_longer_than_a_planning_period(drawn, cap_w, seed):
    ticks_w, plans = drawn(cap_w, 0.15, seed)
    assert longest_ms(ticks_w, cap_w) <= PERIOD_MS
    assert sum(ticks_w) / len(ticks_w) > 0.6 * cap_w, "it is made use of"
    assert plans[-1].total_mj == pytest.approx(sum(ticks_w) * TICK_MS, rel=0.05)


def test_a_meter_departs_from_its_table_by_seed_and_no_more_than_it_may():
    def ticks_mj(seed: int) -> list[float]:
        meter = DepartingMeter(0.15, Random(seed))
        totals_mj = [0.0]
        for number in range(1, 1001):
            meter.tick(100.0 * number)
            totals_mj.append(meter.total_mj)
        return [after - before for before, after in pairwise(totals_mj)]

    took_mj = ticks_mj(1)
    assert took_mj == ticks_mj(1) != ticks_mj(2)
    assert 85 <= min(took_mj) < 90
    assert 110 < max(took_mj) <= 115
    assert sum(took_mj) == pytest.approx(100_000, rel=0.05)
