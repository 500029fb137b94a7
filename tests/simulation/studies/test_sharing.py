from __future__ import annotations

import csv
from pathlib import Path

import pytest

from moonjelly.cli import main
from moonjelly.core.kernels import KernelModel
from moonjelly.files.shipped import shipped_folder
from moonjelly.simulation.sharing import (
    ClosedLoop,
    entitled_shares,
    measured_shares,
    run_closed_loops,
)
from moonjelly.zoos.kernels import read_kernel_profile

KERNELS = shipped_folder("profiles") / "kernels" / "jetson-tx2"
FAST, ECONOMICAL = 1300.5, 726.75


def network(name: str, clock_mhz: float) -> KernelModel:
    return read_kernel_profile(KERNELS / f"{name}.json")[clock_mhz]


R18, R50 = network("resnet18", FAST), network("resnet50", FAST)
SLOW_R18, SLOW_R50 = network("resnet18", ECONOMICAL), network("resnet50", ECONOMICAL)


def test_the_published_sample_run_comes_out_to_the_microsecond_and_microjoule() -> None:
    clients = (ClosedLoop(R50), ClosedLoop(SLOW_R50))
    usages = run_closed_loops(clients, 40_000, 0.7, until_finished=82)
    assert [(one.finished, one.time_us, one.energy_uj) for one in usages] == [
        (37, 2_109_185, 8_986_264),
        (45, 3_914_055, 6_719_130),
    ]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("phi", [1.0, 0.8, 0.6, 0.3, 0.0])
@pytest.mark.parametrize(
    "clients",
    [
        (ClosedLoop(R50), ClosedLoop(SLOW_R50)),
        (ClosedLoop(R18), ClosedLoop(R50)),
        (ClosedLoop(R50), ClosedLoop(SLOW_R50, 5)),
        (ClosedLoop(R18), ClosedLoop(R50), ClosedLoop(SLOW_R18, 5)),
    ],
    ids=["two clocks", "two networks", "priorities", "three"],
)
def test_shares_are_those_of_the_closed_form_within_a_unit_of_the_greedy_rule(
    clients: tuple[ClosedLoop, ...], phi: float, threads: int
) -> None:
    loops = [ClosedLoop(one.model, one.priority, threads) for one in clients]
    usages = run_closed_loops(loops, 40_000, phi, until_us=60_000_000)
    measured, entitled = measured_shares(usages), entitled_shares(loops, phi)
    assert measured.time == pytest.approx(entitled.time, abs=1000 / 40_000 + 0.003)


def test_shares_follow_who_comes_and_goes_at_once() -> None:
    alone = run_closed_loops([ClosedLoop(R50)], 40_000, 1.0, until_us=30_000_000)
    second = ClosedLoop(R50, start_us=10_000_000, end_us=20_000_000)
    both = run_closed_loops([ClosedLoop(R50), second], 40_000, 1.0, until_us=30_000_000)
    assert sum(one.finished for one in both) == alone[0].finished
    assert both[1].time_us == pytest.approx(5_000_000, rel=0.05)


def test_a_device_without_work_waits_for_it() -> None:
    late = ClosedLoop(R50, threads=1, start_us=5_000_000, end_us=5_000_001)
    usage = run_closed_loops([late], 40_000, 1.0, until_us=60_000_000)
    assert [one.finished for one in usage] == [1]


def test_the_command_writes_a_row_for_each_client_and_phi_and_draws_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "sharing", "resnet18@1300.5", "resnet18@1300.5", "--phi", "1,0"]
    assert main([*words, "--seconds", "2", "--out", str(tmp_path)]) == 0
    with (tmp_path / "sharing.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert [(row["phi"], row["client"]) for row in rows] == [
        ("1", "resnet18@1300.5"),
        ("1", "resnet18@1300.5 #2"),
        ("0", "resnet18@1300.5"),
        ("0", "resnet18@1300.5 #2"),
    ]
    assert all(float(row["time_share"]) == pytest.approx(0.5, abs=0.05) for row in rows)
    assert (tmp_path / "sharing.png").stat().st_size > 0
    assert "50.0 entitled" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["resnet50"], "must be NETWORK@MHZ[:PRIORITY], MHZ a number of at most 1e+06"),
        (["resnet50@3"], "MHZ must be one of 114.75, "),
        (["other@3"], "NETWORK must be one of "),
        (["resnet50@726.75:20"], "PRIORITY must be a whole number of -20..19"),
        (["resnet50@726.75:"], "PRIORITY must be a whole number of -20..19"),
        (["--phi", "1,2"], "--phi '2': must be a number within 0..1"),
        (["--phi", "nan"], "--phi 'nan': must be a number within 0..1"),
        (["--quantum-us", "0"], "--quantum-us 0: must be a whole number"),
        (["--threads", "0"], "--threads 0: must be a whole number"),
        (["--seconds", "inf"], "--seconds inf: must be a number"),
        (["--kernels", "/nowhere"], "--kernels /nowhere: must be a folder with a NETWORK.json"),
    ],
)
def test_wrong_options_are_named_and_nothing_is_written(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["simulate", "sharing", *words, "--out", str(out)]) == 2
    assert complaint in capsys.readouterr().err
    assert not out.exists()
