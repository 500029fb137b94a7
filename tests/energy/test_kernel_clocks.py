"""Clocks of Jetson boards and processors, on trees that refuse what a kernel refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import RunError
from moonjelly.energy import ranged_clocks
from moonjelly.energy.cpufreq import cpufreq_clocks
from moonjelly.energy.devfreq import devfreq_clocks
from moonjelly.energy.sysfs import write_setting

NODE = "class/devfreq/17000000.gv11b"
NX_HZ = (114_750_000, 204_000_000, 803_250_000, 1_109_250_000)
BOARD = {
    f"{NODE}/available_frequencies": " ".join(map(str, NX_HZ)),
    f"{NODE}/min_freq": 114_750_000,
    f"{NODE}/max_freq": 1_109_250_000,
    f"{NODE}/cur_freq": 114_750_000,
}
CORES = {
    "devices/system/cpu/cpu0/cpufreq/scaling_available_frequencies": "2000000 1500000 600000",
    "devices/system/cpu/cpu0/cpufreq/scaling_min_freq": 600_000,
    "devices/system/cpu/cpu0/cpufreq/scaling_max_freq": 2_000_000,
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1_500_000,
    "devices/system/cpu/cpu1/cpufreq/cpuinfo_min_freq": 600_000,
    "devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": 1_750_000,
    "devices/system/cpu/cpu1/cpufreq/scaling_min_freq": 600_000,
    "devices/system/cpu/cpu1/cpufreq/scaling_max_freq": 1_750_000,
    "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 700_000,
}


def held(root: Path, folder: str = NODE, names: tuple[str, str] = ("min_freq", "max_freq")):
    return tuple(int((root / folder / name).read_text()) for name in names)


@pytest.fixture
def kernel(monkeypatch):
    """Takes no least above a most, as kernels do; remembers what was written."""
    written = []

    def write(path: Path, text: str) -> None:
        is_least = "min" in path.name
        other = path.with_name(path.name.replace(*(("min", "max") if is_least else ("max", "min"))))
        least, most = (text, other.read_text()) if is_least else (other.read_text(), text)
        assert int(least) <= int(most)
        written.append((path.name, int(text)))
        write_setting(path, text)

    monkeypatch.setattr(ranged_clocks, "write_setting", write)
    return written


def test_clocks_are_those_of_the_list_in_mhz(make_tree):
    assert devfreq_clocks(make_tree(BOARD)).available_mhz() == (115, 204, 803, 1109)


def test_raising_sets_the_most_before_the_least_and_lowering_the_least_before_the_most(
    make_tree, kernel
):
    root = make_tree(BOARD | {f"{NODE}/max_freq": 204_000_000})
    clocks = devfreq_clocks(root)
    clocks.set_mhz(1109)
    assert kernel == [("max_freq", 1_109_250_000), ("min_freq", 1_109_250_000)]
    kernel.clear()
    clocks.set_mhz(115)
    assert kernel == [("min_freq", 114_750_000), ("max_freq", 114_750_000)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.tuples(st.sampled_from(NX_HZ), st.sampled_from(NX_HZ)).map(sorted),
    st.lists(st.sampled_from([115, 204, 803, 1109]), max_size=5),
)
def test_whatever_was_set_all_is_put_back_exactly_as_it_was(make_tree, kernel, before, asked):
    root = make_tree(BOARD | {f"{NODE}/min_freq": before[0], f"{NODE}/max_freq": before[1]})
    clocks = devfreq_clocks(root)
    claimed = clocks.settings()
    kernel.clear()
    for mhz in asked:
        clocks.set_mhz(mhz)
        assert len(set(held(root))) == 1
    devfreq_clocks(root).restore(claimed)  # by another process, after the first was killed
    assert held(root) == tuple(before)
    assert {hz for _, hz in kernel} <= {*NX_HZ}


def test_what_is_as_before_is_not_written_so_that_no_right_is_needed_for_it(make_tree, kernel):
    clocks = devfreq_clocks(make_tree(BOARD))
    clocks.restore(clocks.settings())
    assert kernel == []


def test_a_clock_outside_the_list_is_refused_and_nothing_changed(make_tree, kernel):
    clocks = devfreq_clocks(make_tree(BOARD))
    with pytest.raises(ValueError, match="clock_mhz=900: must be one that can be set: 115, 204"):
        clocks.set_mhz(900)
    assert kernel == []


def test_without_rights_the_line_says_who_may(make_tree, monkeypatch):
    clocks = devfreq_clocks(make_tree(BOARD))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RunError, match=r"'114750000': Permission denied; only root may set it$"):
        clocks.set_mhz(115)


@pytest.mark.parametrize("name", ["min_freq", "max_freq"])
def test_a_file_that_disappears_is_told_and_not_made_anew(make_tree, name):
    root = make_tree(BOARD)
    clocks = devfreq_clocks(root)
    claimed = clocks.settings()
    (root / NODE / name).unlink()
    for call in (lambda: clocks.set_mhz(204), lambda: clocks.restore(claimed), clocks.settings):
        with pytest.raises(RunError, match=f"{name}: cannot be read: No such file"):
            call()
    assert not (root / NODE / name).exists()


@pytest.mark.parametrize(
    "settings_",
    [{}, {"elsewhere": "1"}, {"min_freq": "114750000", "max_freq": "much"}],
)
def test_settings_that_are_not_its_own_are_refused(make_tree, kernel, settings_):
    root = make_tree(BOARD)
    named = {str(root / NODE / name): text for name, text in settings_.items()}
    with pytest.raises(RunError):
        devfreq_clocks(root).restore(named)
    assert kernel == []


def test_the_clock_is_read_back(make_tree):
    assert devfreq_clocks(make_tree(BOARD)).reached().mhz == pytest.approx(114.75)


def test_a_list_that_is_none_is_told(make_tree):
    root = make_tree(BOARD | {f"{NODE}/available_frequencies": "fast slow"})
    with pytest.raises(RunError, match="holds 'fast slow', not whole numbers"):
        devfreq_clocks(root)


def test_a_machine_without_such_clocks_has_no_governor(make_tree):
    root = make_tree({"class/devfreq/fb000000.gpu/min_freq": 1})
    assert devfreq_clocks(root) is None
    assert cpufreq_clocks([0], root) is None
    assert cpufreq_clocks([], root) is None


def test_cores_that_list_their_clocks_have_those(make_tree):
    clocks = cpufreq_clocks([0], make_tree(CORES))
    assert clocks.available_mhz() == (600, 1500, 2000)
    assert clocks.reached().mhz == 1500


def test_cores_that_list_none_have_every_hundred(make_tree):
    assert cpufreq_clocks([1], make_tree(CORES)).available_mhz() == tuple(range(600, 1701, 100))


def test_several_cores_have_the_clocks_that_all_have(make_tree, kernel):
    root = make_tree(CORES)
    clocks = cpufreq_clocks([0, 1], root)
    assert clocks.available_mhz() == (600, 1500)
    assert clocks.reached().mhz == 700
    claimed = clocks.settings()
    clocks.set_mhz(1500)
    names = ("scaling_min_freq", "scaling_max_freq")
    folders = [f"devices/system/cpu/cpu{core}/cpufreq" for core in (0, 1)]
    assert [held(root, folder, names) for folder in folders] == [(1_500_000, 1_500_000)] * 2
    clocks.restore(claimed)
    assert [held(root, folder, names) for folder in folders] == [
        (600_000, 2_000_000),
        (600_000, 1_750_000),
    ]


def test_what_can_be_put_back_is_whatever_else_is_gone(make_tree):
    root = make_tree(CORES)
    clocks = cpufreq_clocks([0, 1], root)
    claimed = clocks.settings()
    clocks.set_mhz(600)
    (root / "devices/system/cpu/cpu0/cpufreq/scaling_max_freq").unlink()
    with pytest.raises(RunError, match=r"cpu0/cpufreq/scaling_max_freq: cannot be read"):
        clocks.restore(claimed)
    folder, names = "devices/system/cpu/cpu1/cpufreq", ("scaling_min_freq", "scaling_max_freq")
    assert held(root, folder, names) == (600_000, 1_750_000)


def test_cores_that_change_together_are_one_range(make_tree):
    root = make_tree(CORES)
    (root / "devices/system/cpu/cpu2").mkdir()
    (root / "devices/system/cpu/cpu2/cpufreq").symlink_to("../cpu0/cpufreq")
    assert len(cpufreq_clocks([0, 2], root).settings()) == 2
