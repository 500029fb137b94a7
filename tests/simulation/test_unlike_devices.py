"""The shipped scenario of five unlike devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from simulation_scenarios import Ran

import moonjelly.simulation
from moonjelly.simulation.scenario_file import read_scenario

SCENARIO = Path(moonjelly.simulation.__file__).parent / "scenarios" / "unlike_devices.yaml"
SECONDS = 8.0


@pytest.fixture(scope="module")
def ran() -> Ran:
    return Ran(replace(read_scenario(SCENARIO), seconds=SECONDS)).finish()


def test_every_device_works_and_nearly_all_frames_are_in_time(ran: Ran) -> None:
    assert not any(result.refusal for result in ran.results)
    assert ran.share_in_time() > 0.99
    assert {row.device_id for row in ran.plans if row.num_streams} == {
        f"{one}-0"
        for one in (
            "rtx-2080-ti",
            "jetson-agx-xavier",
            "jetson-xavier-nx",
            "jetson-tx2",
            "jetson-nano",
        )
    }


def test_small_boards_are_given_single_frames_where_batches_gain_nothing(ran: Ran) -> None:
    last = {row.device_id: row for row in ran.plans if row.at_ms < 1000 * SECONDS}
    sizes = {device: row.batch_size for device, row in last.items() if row.num_streams}
    assert sizes["jetson-tx2-0"] == sizes["jetson-nano-0"] == 1
    assert sizes["rtx-2080-ti-0"] > 8
