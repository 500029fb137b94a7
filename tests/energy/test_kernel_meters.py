"""RAPL and INA3221 on trees as kernels have them."""

from __future__ import annotations

import pytest

from moonjelly.core.errors import RunError
from moonjelly.energy.ina3221 import ina3221_meter
from moonjelly.energy.port import Quality
from moonjelly.energy.rapl import rapl_meter

RAPL = "class/powercap/intel-rapl:"
PACKAGES = {
    f"{RAPL}0/name": "package-0",
    f"{RAPL}0/energy_uj": 262_143_000_000,
    f"{RAPL}0/max_energy_range_uj": 262_143_328_850,
    f"{RAPL}0:0/name": "core",
    f"{RAPL}0:0/energy_uj": 10_000_000,
    f"{RAPL}0:0/max_energy_range_uj": 262_143_328_850,
    f"{RAPL}1/name": "psys",
    f"{RAPL}1/energy_uj": 99_000_000,
    f"{RAPL}1/max_energy_range_uj": 262_143_328_850,
    f"{RAPL}2/name": "package-1",
    f"{RAPL}2/energy_uj": 7_000_000,
    f"{RAPL}2/max_energy_range_uj": 262_143_328_850,
}
NX = "bus/i2c/drivers/ina3221/7-0040/hwmon/hwmon6"
NX_RAILS = {
    f"{NX}/in1_label": "VDD_IN",
    f"{NX}/in1_input": 5000,
    f"{NX}/curr1_input": 2000,
    f"{NX}/in2_label": "VDD_CPU_GPU_CV",
    f"{NX}/in2_input": 5000,
    f"{NX}/curr2_input": 1000,
    f"{NX}/in3_label": "VDD_SOC",
    f"{NX}/in3_input": 5000,
    f"{NX}/curr3_input": 500,
    f"{NX}/in7_label": "sum of shunt voltages",
    f"{NX}/in7_input": 11,
}
AGX = "bus/i2c/drivers/ina3221x"
AGX_RAILS = {  # no rail feeds them all
    f"{AGX}/1-0040/iio:device0/rail_name_0": "GPU",
    f"{AGX}/1-0040/iio:device0/in_power0_input": 3000,
    f"{AGX}/1-0040/iio:device0/rail_name_1": "CPU",
    f"{AGX}/1-0040/iio:device0/in_power1_input": 1500,
    f"{AGX}/1-0041/iio:device1/rail_name_0": "CV",
    f"{AGX}/1-0041/iio:device1/in_power0_input": 250,
    f"{AGX}/1-0041/iio:device1/rail_name_1": "NC",
    f"{AGX}/1-0041/iio:device1/in_power1_input": 9999,
}


@pytest.mark.parametrize(
    ("package", "uj", "mj"), [(0, 100_000, 428.85), (1, 7_500_000, 500)]
)  # the first wraps
def test_rapl_reads_the_package_and_neither_its_parts_nor_what_is_around_it(
    make_tree, package, uj, mj
):
    root = make_tree(PACKAGES)
    meter = rapl_meter(package, root)
    assert meter.read(0).total_mj == 0
    (root / f"{RAPL}{2 * package}/energy_uj").write_text(f"{uj}\n")
    energy = meter.read(100)
    assert energy.total_mj == pytest.approx(mj)
    assert (energy.quality, meter.facts.scope) == (Quality.MEASURED, "package")


def test_without_a_package_there_is_no_rapl(make_tree):
    assert rapl_meter(3, make_tree(PACKAGES)) is None
    assert rapl_meter(0, make_tree({}) / "nothing") is None


def test_a_counter_that_disappears_is_told_and_no_zero(make_tree):
    root = make_tree(PACKAGES)
    meter = rapl_meter(1, root)
    meter.read(0)
    (root / f"{RAPL}2/energy_uj").unlink()
    energy = meter.read(100)
    assert energy.quality is Quality.UNAVAILABLE
    assert energy.problem.endswith("energy_uj: cannot be read: No such file or directory")


@pytest.mark.parametrize("text", ["", "nan", "-5", "0x10"])
def test_a_counter_that_holds_no_number_is_told(make_tree, text):
    root = make_tree(PACKAGES)
    meter = rapl_meter(1, root)
    (root / f"{RAPL}2/energy_uj").write_text(text)
    assert f"holds {text!r}, not whole numbers" in meter.read(0).problem


def test_where_a_rail_feeds_the_module_it_alone_counts(make_tree):
    meter = ina3221_meter(make_tree(NX_RAILS))
    meter.read(0)
    assert meter.read(100).total_mj == pytest.approx(1000)  # 5 V, 2 A
    assert meter.facts.scope == "module"


def test_where_none_does_the_rails_are_added_up(make_tree):
    meter = ina3221_meter(make_tree(AGX_RAILS))
    meter.read(0)
    assert meter.read(100).total_mj == pytest.approx(475)
    assert meter.facts.scope == "rails"


def test_a_nano_has_a_name_of_its_own_for_it(make_tree):
    rail = "bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    names = ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")
    files = {f"{rail}/rail_name_{number}": name for number, name in enumerate(names)}
    files |= {f"{rail}/in_power{number}_input": 4000 for number in range(3)}
    meter = ina3221_meter(make_tree(files))
    meter.read(0)
    assert meter.read(500).total_mj == pytest.approx(2000)


def test_a_rail_that_disappears_is_told(make_tree):
    root = make_tree(NX_RAILS)
    meter = ina3221_meter(root)
    meter.read(0)
    (root / NX / "curr1_input").unlink()
    assert meter.read(100).problem.endswith(
        "curr1_input: cannot be read: No such file or directory"
    )


def test_a_machine_without_sensors_has_no_such_meter(make_tree):
    assert ina3221_meter(make_tree({})) is None


def test_a_label_that_cannot_be_read_is_told_at_once(make_tree):
    root = make_tree(NX_RAILS)
    (root / NX / "in1_label").unlink()
    (root / NX / "in1_label").mkdir()
    with pytest.raises(RunError, match="in1_label: cannot be read"):
        ina3221_meter(root)
