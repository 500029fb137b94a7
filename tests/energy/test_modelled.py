"""Joules by table."""

from __future__ import annotations

import math

import pytest

from moonjelly.core.mode import Mode, PowerTable
from moonjelly.energy.modelled import ModelledMeter
from moonjelly.energy.port import Quality

SLOW, FAST = Mode(0, 4, 420), Mode(0, 4, 1377)


def test_a_device_draws_what_its_table_says_while_it_runs_and_while_it_is_idle():
    meter = ModelledMeter(PowerTable({SLOW: 10.0, FAST: 30.0}, {None: 5.0, 420: 3.0}), now_ms=1000)
    assert meter.read(1100).total_mj == 500
    meter.runs(FAST, 1200)
    assert meter.read(1250).total_mj == 1000 + 1500
    meter.runs(SLOW, 1300)
    meter.idles(None, 1400)
    energy = meter.read(1500)
    assert energy.total_mj == 1000 + 3000 + 1000 + 500
    meter.idles(420, 1500)
    assert meter.read(1600).total_mj == energy.total_mj + 300
    assert (energy.quality, meter.facts.quality) == (Quality.MODELLED, Quality.MODELLED)


def test_a_mode_that_the_table_lacks_makes_its_time_unknown():
    meter = ModelledMeter(PowerTable({SLOW: 10.0}, {None: 5.0, 420: 3.0}), now_ms=0)
    meter.runs(FAST, 100)
    meter.idles(None, 150)
    energy = meter.read(200)
    assert energy.quality is Quality.UNAVAILABLE
    assert energy.problem == (
        "modelled: the table has no power of Mode(variant=0, batch_size=4, clock_mhz=1377)"
    )
    assert meter.read(300).quality is Quality.MODELLED


@pytest.mark.parametrize("power", [math.nan, -1.0, math.inf])
def test_powers_are_numbers(power):
    with pytest.raises(ValueError, match="power_w"):
        ModelledMeter(PowerTable({SLOW: power}, {None: 5.0, 420: 3.0}), 0)
    with pytest.raises(ValueError, match="idle_w"):
        ModelledMeter(PowerTable({}, {None: power}), 0)
