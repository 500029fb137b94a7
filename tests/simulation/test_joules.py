"""Simulated servers whose plans count joules."""

from __future__ import annotations

from collections import Counter

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.core.ledger import Outcome
from moonjelly.core.verdict import Verdict
from moonjelly.simulation.scenario_file import read_scenario
from moonjelly.simulation.simulation import Observers, Simulation

SCENARIO = """
seconds: 12
zoo: {zoo}
devices: {{{device}: 1}}
server: {{clock_ms: 20, {objective}}}
streams:
  - {{name: cam, count: {count}, fps: 6, slo_ms: 500, link: {{mbps: 20}}}}
"""
JOULES = "objective: joules, price_per_joule: 0.1"


@pytest.fixture
def simulated(tmp_path):
    def run(objective, zoo="loudva", device="jetson-agx-xavier", count=8):
        path = tmp_path / "scenario.yaml"
        path.write_text(SCENARIO.format(objective=objective, zoo=zoo, device=device, count=count))
        plans, energy = [], []
        simulation = Simulation(
            read_scenario(path), Observers(on_plan=plans.extend, on_energy=energy.append)
        )
        simulation.run_until(float("inf"))
        ledgers = [one.ledger for one in simulation.results()]
        return ledgers, plans, energy

    return run


def in_time_ratio(ledgers):
    counts = sum((one.counts for one in ledgers), Counter())
    return counts[Outcome(Verdict.IN_TIME)] / counts.total()


def test_joules_are_saved_and_no_frame_is_late(simulated):
    spent_mj, ratios = {}, {}
    for objective in ("objective: accuracy", JOULES):
        ledgers, plans, _ = simulated(objective)
        spent_mj[objective] = max(one.total_mj for one in plans)
        ratios[objective] = in_time_ratio(ledgers)
    assert ratios[JOULES] >= ratios["objective: accuracy"] - 0.002
    assert spent_mj[JOULES] < 0.8 * spent_mj["objective: accuracy"]


def test_devices_run_at_the_planned_clock(simulated):
    _, plans, _ = simulated(JOULES)
    assert {one.clock_mhz for one in plans if one.num_streams == 8} <= {
        624.75,
        675.75,
        828.75,
        905.25,
    }
    _, plans, _ = simulated("objective: accuracy")
    assert {one.clock_mhz for one in plans} == {None}


def test_devices_without_energy_are_one_clear_line(simulated):
    with pytest.raises(UsageError, match=r"device gpu-0 has no table of energy and idle power"):
        simulated(JOULES, zoo="replayed-gpu", device="gpu")


def test_plans_choose_among_the_clocks_that_are_named_and_an_idle_device_still_parks(simulated):
    spent_mj = []
    for more in ("", ", no_parking: true"):
        _, plans, _ = simulated(f"{JOULES}, clocks_mhz: '1377'{more}", count=1)
        assert {one.clock_mhz for one in plans} == {1377.0}
        spent_mj.append(max(one.total_mj for one in plans))
    assert spent_mj[0] < 0.9 * spent_mj[1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("objective: accuracy, clocks_mhz: '1377'", "clocks_mhz: '1377': only with objective joules or"),
        (f"{JOULES}, clocks_mhz: fast", "clocks_mhz: 'fast': must be numbers from 1 to 100000 with"),
        (f"{JOULES}, clocks_mhz: '-3'", "clocks_mhz: '-3': must be numbers from 1 to 100000 with"),
        (f"{JOULES}, clocks_mhz: '999'", "clocks_mhz='999': must name a clock of each device; one has 114"),
    ],
)  # fmt: skip
def test_clocks_that_plans_cannot_choose_from_are_one_clear_line(simulated, options, line):
    with pytest.raises(UsageError, match=line):
        simulated(options)
