from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from moonjelly.cli import main
from moonjelly.devices import discovery
from moonjelly.devices.cuda_probe import Gpu
from moonjelly.profiler import command
from moonjelly.zoos import Fingerprint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--batch-sizes", "2..4"], "--batch-sizes"),
        (["--batch-sizes", "1..9999"], "--batch-sizes"),
        (["--batch-sizes", "1-4"], "--batch-sizes"),
        (["--samples", "0"], "--samples"),
        (["--samples", "1e3"], "--samples"),
        (["--device", "cpu:99"], "no core 99"),
        (["--device", "tpu"], "device"),
        (["--device", "cpu:0", "tpu"], "tpu"),
        (["--device", "cpu:0", "--device", "cpu:0"], "core 0 belongs to cpu0"),
        (["--device", "auto", "cpu:0"], "auto alone"),
        (["--device", "cpu:0", "replayed:gpu"], "cannot be measured"),
        (
            ["--device", "cpu:0", "--zoo", "nothing"],
            "must be a folder with zoo.yaml, or one of loudva, replayed-gpu, traffic",
        ),
        (["--device", "replayed:gpu", "--zoo", "replayed-gpu"], "cannot be measured"),
    ],
)
def test_a_wrong_request_ends_with_status_2_and_one_line(
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        status = main(["profile", *options])
    except SystemExit as error:
        status = int(str(error.code))
    shown = capsys.readouterr().err
    assert status == 2
    assert complaint in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_fitting_profile_makes_quick_end_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--quick", "--device", "replayed:gpu", "--zoo", "replayed-gpu"]
    assert main(["profile", *options]) == 0
    assert "latency-gpu.csv" in capsys.readouterr().err


class Machine:
    """Three graphics cards, two of them alike; whoever is asked to measure is noted."""

    names = ("NVIDIA L4", "NVIDIA L4", "NVIDIA T4")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[list[str]] = []
        self.statuses: list[int] = []
        monkeypatch.setattr(discovery, "cuda_gpus", lambda: list(map(Gpu, self.names)))
        monkeypatch.setattr(
            command,
            "fingerprint_of",
            lambda device, zoo: Fingerprint(device.device_type, 0, "torch"),
        )
        monkeypatch.setattr(subprocess, "run", self.run)

    def run(self, call: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        self.calls.append(call)
        status = self.statuses.pop(0) if self.statuses else 0
        return subprocess.CompletedProcess(call, status)

    def devices(self) -> list[str]:
        return [call[call.index("--device") + 1] for call in self.calls]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Machine(monkeypatch)


@pytest.mark.parametrize("asked", [[], ["--device", "cuda:0", "cuda:1", "cuda:2"]])
def test_every_kind_of_device_is_measured_in_turn_and_those_that_are_alike_once(
    machine: Machine, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--zoo", "traffic", "--samples", "30", "--refresh"]
    assert main(["profile", *options, *asked]) == 0
    assert machine.devices() == ["cuda:0", "cuda:2"]
    for call in machine.calls:
        assert call[:4] == [sys.executable, "-m", "moonjelly", "profile"]
        assert call[call.index("--batch-sizes") + 1] == "1,2,3,4,5,6,7,8,9,10,11,12"
        assert call[call.index("--samples") + 1] == "30"
        assert "--refresh" in call
        assert "--quick" not in call
    shown = capsys.readouterr().err
    assert "cuda:1 is like cuda:0: one profile for both" in shown
    assert "device 2 of 2: cuda:2" in shown


def test_a_device_that_fails_ends_it_with_its_status(machine: Machine) -> None:
    machine.statuses = [130]
    assert main(["profile", "--zoo", "traffic"]) == 130
    assert machine.devices() == ["cuda:0"]


def test_a_device_that_is_named_twice_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", "--device", "cuda:2", "--device", "cuda:2"]) == 2
    assert capsys.readouterr().err == "moonjelly: error: device: cuda:2 is named twice\n"


def test_tables_of_several_kinds_need_a_folder(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", "--zoo", "traffic", "--out", str(tmp_path / "one.csv")]) == 2
    assert "must be a folder, for the tables of nvidia-l4, nvidia-t4" in capsys.readouterr().err
    assert machine.calls == []
    assert main(["profile", "--zoo", "traffic", "--out", str(tmp_path)]) == 0
    assert {call[call.index("--out") + 1] for call in machine.calls} == {str(tmp_path)}
