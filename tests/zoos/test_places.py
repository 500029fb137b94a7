from __future__ import annotations

import os
import pwd
import runpy
import tempfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_zoos import make_zoo

from moonjelly.core.errors import RunError, UsageError
from moonjelly.zoos import (
    Fingerprint,
    LatencyFile,
    LatencyRow,
    Method,
    OpenedZoo,
    cpu_fingerprint,
    cuda_fingerprint,
    find_profile,
    load_latency_profile,
    machine_profile_path,
    mode_table,
    open_zoo,
    write_latency_file,
)
from moonjelly.zoos.fingerprint import _cpu_model

HERE = Fingerprint("This CPU", 1, "torch 2 float32", "0123456789ab")
FILE = LatencyFile(
    zoo="toy",
    device_type="cpu",
    method=Method.MEASURED,
    fingerprint=HERE,
    measured_on="2025-11-21",
    source="a test",
    rows=(LatencyRow("a-128", 1, 5, 6, 10),),
)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenedZoo:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_zoo(tmp_path / "zoos" / "toy", {"a": [128]})


def test_a_shipped_profile_is_used_where_its_fingerprint_fits(toy: OpenedZoo) -> None:
    shipped = toy.latency_path("cpu")
    write_latency_file(shipped, FILE)
    assert find_profile(toy, "cpu", HERE) == shipped
    assert find_profile(toy, "tpu", HERE) is None
    for other in (
        replace(HERE, processor="Other CPU"),
        replace(HERE, num_cores=2),
        replace(HERE, runtime="torch 1 float32"),
        replace(HERE, runtime="torch 2 float16"),
        replace(HERE, weights="ba9876543210"),
        replace(HERE, weights=""),
    ):
        assert find_profile(toy, "cpu", other) is None


def test_this_machine_s_own_profile_is_used_where_no_shipped_one_fits(toy: OpenedZoo) -> None:
    other = replace(FILE, fingerprint=replace(HERE, processor="Other CPU"))
    write_latency_file(toy.latency_path("cpu"), other)
    own = machine_profile_path("toy", "cpu", HERE)
    write_latency_file(own, FILE)
    assert find_profile(toy, "cpu", HERE) == own
    assert toy.folder not in own.parents


def test_a_shipped_profile_never_overrules_what_was_measured_here(toy: OpenedZoo) -> None:
    shipped = toy.latency_path("cpu")
    write_latency_file(shipped, replace(FILE, measured_on="2099-01-01"))
    assert find_profile(toy, "cpu", HERE) == shipped
    own = machine_profile_path("toy", "cpu", HERE)
    for method in (Method.QUICK, Method.MEASURED):
        write_latency_file(own, replace(FILE, method=method))
        assert find_profile(toy, "cpu", HERE) == own


def test_an_own_profile_that_broke_or_lacks_a_variant_is_made_again(toy: OpenedZoo) -> None:
    own = machine_profile_path("toy", "cpu", HERE)
    write_latency_file(own, replace(FILE, rows=(LatencyRow("b", 1, 5, 6, 10),)))
    assert find_profile(toy, "cpu", HERE) is None
    own.write_text("rubbish\n")
    assert find_profile(toy, "cpu", HERE) is None


def _without_a_home(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """As a container runs under a user that nobody knows."""

    def unknown(uid: int) -> None:
        raise KeyError(f"uid not found: {uid}")

    temporary.mkdir(exist_ok=True)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))


@pytest.mark.parametrize("home", [None, "", "relative", "/nonexistent", "/dev/null", "/proc"])
@pytest.mark.parametrize("cache", [None, "", "relative", "/dev/null/cache", "/proc/nowhere"])
def test_a_profile_has_a_place_whatever_the_environment_says(
    toy: OpenedZoo, tmp_path: Path, monkeypatch, home, cache
) -> None:
    _without_a_home(monkeypatch, tmp_path / "tmp")
    monkeypatch.chdir(tmp_path)
    for name, value in (("HOME", home), ("XDG_CACHE_HOME", cache)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert find_profile(toy, "cpu", HERE) is None
    own = machine_profile_path("toy", "cpu", HERE)
    assert own.is_relative_to(tmp_path / "tmp" / f"moonjelly-{os.geteuid()}")
    write_latency_file(own, FILE)
    assert find_profile(toy, "cpu", HERE) == own


def test_a_place_that_others_made_in_the_temporary_folder_is_not_trusted(
    toy: OpenedZoo, tmp_path: Path, monkeypatch
) -> None:
    _without_a_home(monkeypatch, tmp_path / "tmp")
    own = machine_profile_path("toy", "cpu", HERE)
    write_latency_file(own, FILE)
    (tmp_path / "tmp" / f"moonjelly-{os.geteuid()}").chmod(0o777)
    assert find_profile(toy, "cpu", HERE) is None
    with pytest.raises(RunError, match="XDG_CACHE_HOME"):
        machine_profile_path("toy", "cpu", HERE)


def test_a_home_that_is_not_named_is_looked_up(tmp_path: Path, monkeypatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(home)))
    assert machine_profile_path("toy", "cpu", HERE).is_relative_to(home / ".cache")


def test_a_broken_shipped_profile_is_refused(toy: OpenedZoo) -> None:
    toy.latency_path("cpu").write_text("rubbish\n")
    with pytest.raises(UsageError, match=r"latency-cpu\.csv:1:'rubbish'"):
        find_profile(toy, "cpu", HERE)


def test_a_synthetic_profile_fits_no_machine_and_every_replay(toy: OpenedZoo) -> None:
    shipped = toy.latency_path("cpu")
    write_latency_file(shipped, replace(FILE, method=Method.SYNTHETIC))
    assert find_profile(toy, "cpu", HERE) is None
    assert find_profile(toy, "cpu", None) == shipped
    assert find_profile(toy, "gpu", None) is None


@pytest.mark.parametrize("name", ["replayed-gpu", "yolov4"])
def test_a_shipped_replay_zoo_is_whole_and_what_its_script_computes(
    name: str, tmp_path: Path
) -> None:
    zoo = open_zoo(name)
    runpy.run_path(str(zoo.folder / "make.py"))["make"](tmp_path)
    tables = {path.name: path.read_bytes() for path in zoo.folder.glob("*.csv")}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == tables
    variants = zoo.variants
    assert [variant.input_side_px for variant in variants] == list(range(128, 609, 32))
    for path in zoo.folder.glob("latency-*.csv"):
        table = mode_table(load_latency_profile(path, variants), variants, 12)
        assert all(len(table.modes(number)) == 12 for number in range(len(variants)))


def test_the_fingerprint_names_processor_cores_and_runtime() -> None:
    here = cpu_fingerprint(2)
    assert here.num_cores == 2
    assert here.runtime.startswith("torch ")
    assert here.label != cpu_fingerprint(1).label
    assert cpu_fingerprint(2, "abc").label != cpu_fingerprint(2, "abd").label != here.label
    assert here.label.replace("-", "").replace(".", "").isalnum()
    assert cuda_fingerprint(0).num_cores == 0


def test_a_virtual_cpu_without_a_name_of_its_own_is_told_by_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(
        "processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Some Xeon\nstepping\t: 8\n"
        "\nprocessor\t: 1\nmodel\t\t: 9\n"
    )
    assert _cpu_model(path) == "Some Xeon family 6 model 143 stepping 8"
    assert _cpu_model(tmp_path / "nothing") != ""


def test_either_package_of_a_library_tells_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package != "onnxruntime-gpu":
            raise PackageNotFoundError(package)
        return "1.32.0"

    monkeypatch.setattr("moonjelly.zoos.fingerprint.version", version)
    assert cpu_fingerprint(1, "", ["onnxruntime"]).runtime == "onnxruntime 1.32"
    assert cpu_fingerprint(1, "", ["torch"]).runtime == "unknown"
