from __future__ import annotations

import json
from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.files.shipped import shipped_folder
from moonjelly.zoos.kernels import read_kernel_profile

KERNELS = shipped_folder("profiles") / "kernels" / "jetson-tx2"
PROFILE = {
    "model_name": "net",
    "gpu_power": {"1300500000": 4000, "726750000": 2000},
    "kernel_profile": {
        "b": {"exec_time": {"1300500000": 300, "726750000": 500}},
        "a": {"exec_time": {"1300500000": 700, "726750000": 1100}},
    },
}


def write(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps(PROFILE | changes))
    return path


def test_a_profile_is_a_network_at_each_clock_with_its_kernels_in_their_order(
    tmp_path: Path,
) -> None:
    models = read_kernel_profile(write(tmp_path / "net.json"))
    assert list(models) == [726.75, 1300.5]
    assert (models[1300.5].power_mw, models[1300.5].kernels_us) == (4000, (300, 700))
    assert models[1300.5].energy_uj(333) == 1332


@pytest.mark.parametrize(
    ("name", "num_kernels", "time_us", "energy_uj"),
    [("resnet18", 24, 21406, 79_960), ("resnet50", 57, 57005, 242_872)],
)
def test_the_shipped_profiles_are_the_published_ones(
    name: str, num_kernels: int, time_us: int, energy_uj: int
) -> None:
    models = read_kernel_profile(KERNELS / f"{name}.json")
    fast = models[1300.5]
    assert (len(models), len(fast.kernels_us), sum(fast.kernels_us)) == (13, num_kernels, time_us)
    assert sum(map(fast.energy_uj, fast.kernels_us)) == energy_uj


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"gpu_power": {}}, "gpu_power: must have a clock"),
        ({"kernel_profile": {}}, "kernel_profile: must have a kernel"),
        ({"gpu_power": {"fast": 1}}, "gpu_power.fast: must be a clock in Hz"),
        ({"gpu_power": {"114750000": 1}}, "exec_time: must tell of 114750000, as gpu_power does"),
        ({"gpu_power": {"726750000": 0}}, "power_mw=0: must be a whole number of at least 1"),
        ({"gpu_power": {"726750000": 1.5}}, "must be a whole number"),
        (
            {"kernel_profile": {"a": {"exec_time": {"726750000": 0, "1300500000": 1}}}},
            "kernels_us=0",
        ),
        ({"kernel_profile": {"a": {"times": {}}}}, "no such option"),
    ],
)
def test_a_broken_profile_is_refused_with_its_place(
    changes: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "net.json", **changes)
    with pytest.raises(UsageError, match=str(path)) as error:
        read_kernel_profile(path)
    assert complaint in str(error.value)
