from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_scenarios import scenario, stream

from moonjelly.cli import main
from moonjelly.simulation.capacity import (
    can_be_planned,
    fewest_devices,
    largest_that_holds,
    try_out,
    with_devices,
    with_more_streams,
)
from moonjelly.simulation.scenario import StreamKind

KIND = StreamKind(name="cam", count=1, first=stream(fps=25.0))


def silent(done: float) -> None:
    assert 0 <= done <= 1


@given(st.integers(-1, 40), st.integers(0, 30), st.integers(-5, 50))
def test_the_largest_number_is_found_from_any_guess(threshold, most, guess):
    asked = set()

    def holds(number: int) -> bool:
        assert 0 <= number <= most
        asked.add(number)
        return number <= threshold

    found = largest_that_holds(holds, guess, most)
    assert found == min(threshold, most)
    assert {found, found + 1} & set(range(most + 1)) <= asked


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.integers(1, 60),
    st.integers(-4, 4),
)
def test_no_fewer_devices_would_do(most, strengths, load, optimism):
    available = {f"type-{number}": count for number, count in enumerate(most)}
    simulated = []

    def strength(counts: Mapping[str, int]) -> int:
        return sum(count * one for count, one in zip(counts.values(), strengths, strict=False))

    def holds(counts: Mapping[str, int]) -> bool:
        simulated.append(dict(counts))
        return strength(counts) >= load

    found = fewest_devices(available, lambda counts: strength(counts) >= load - optimism, holds)
    if strength(available) < load:
        assert found is None
        return
    assert found is not None
    assert strength(found) >= load
    assert all(found[name] <= available[name] for name in available)
    for name, count in found.items():
        if count and sum(found.values()) > 1:
            fewer = {**found, name: count - 1}
            assert strength(fewer) < load
            assert fewer in simulated
    if optimism >= 0:  # what can be is planned: no mix of fewer devices does
        strongest = sorted(
            (one for one, count in zip(strengths, most, strict=False) for _ in range(count)),
            reverse=True,
        )
        assert sum(strongest[: sum(found.values()) - 1]) < load


def test_one_more_stream_than_fits_misses_the_target():
    base = scenario(stream("cam", fps=25.0), seconds=2.0)

    def is_met(count: int) -> bool:
        return try_out(with_more_streams(base, KIND, count), 0.99, silent).is_met

    fits = largest_that_holds(is_met, 3, 1000)
    assert fits > 5
    assert is_met(fits)
    assert not is_met(fits + 1)
    planned = largest_that_holds(
        lambda count: can_be_planned(with_more_streams(base, KIND, count)), 1, 1000
    )
    assert abs(planned - fits) <= 3


def test_a_trial_ends_when_its_target_is_out_of_reach():
    late = scenario(stream("cam", slo_ms=60.0, first_kbps=200_000.0, encode_ms=70.0), seconds=50.0)
    trial = try_out(late, 0.9, silent)
    assert (trial.is_met, trial.in_time_ratio) == (False, 0.0)
    assert trial.simulated_s < 10
    assert try_out(scenario(seconds=3.0), 0.9, silent).simulated_s == 3.0


def test_devices_are_taken_as_asked():
    base = scenario(stream("cam"), seconds=2.0)
    trial = try_out(with_devices(base, {"gpu": 3}), 0.9, silent)
    assert (trial.devices, trial.is_met) == ({"gpu": 3}, True)


SCENARIO = """\
seconds: 2
devices: {gpu: 1}
server: {max_batch_size: 1}
streams:
  - {name: cam, count: 3, fps: 25, slo_ms: 100, link: {mbps: 20, wire_ms: 2}}
  - {name: car, fps: 10, slo_ms: 200, link: {mbps: 8, wire_ms: 15}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


def test_how_many_more_streams_fit_is_told_with_its_trials(file, capsys):
    command = ["simulate", "capacity", str(file), "--like", "cam", "--json"]
    assert main(command) == 0
    text = capsys.readouterr().out
    answer = json.loads(text)
    fits = answer["num_more_streams"]
    met = {trial["num_streams"]: trial["is_met"] for trial in answer["trials"]}
    assert (met[4 + fits], met[5 + fits]) == (True, False)
    assert main(command) == 0
    assert capsys.readouterr().out == text
    assert main(["simulate", "capacity", str(file), "--like", "cam"]) == 0
    assert f"{fits} more streams fit" in capsys.readouterr().out


def test_streams_of_another_kind_take_other_room(file, capsys):
    command = ["simulate", "capacity", str(file), "--json", "--slo-ms", "150", "--mbps", "10"]
    found = []
    for fps in ("5", "25"):
        assert main([*command, "--fps", fps]) == 0
        found.append(json.loads(capsys.readouterr().out)["num_more_streams"])
    assert found[0] > 2 * found[1] > 0


def test_the_devices_that_streams_need_are_told(file, capsys):
    file.write_text(SCENARIO.replace("count: 3", "count: 20"))
    assert main(["simulate", "capacity", str(file), "--devices", "gpu=5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    needed = answer["devices"]["gpu"]
    met = {trial["devices"]["gpu"]: trial["is_met"] for trial in answer["trials"]}
    assert (met[needed], met[needed - 1]) == (True, False)
    assert main(["simulate", "capacity", str(file), "--devices", "gpu=1"]) == 1
    assert "not even all of them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "--like, or --fps, --slo-ms and --mbps: must be given"),
        (["--like", "bus"], "--like 'bus': "),
        (["--fps", "5"], "--like, or --fps"),
        (["--like", "cam", "--fps", "-1"], "fps=-1.0: must be 0.001 to 240"),
        (["--like", "cam", "--mbps", "nan"], "mbps=nan"),
        (
            ["--like", "cam", "--target", "1.5"],
            "--target=1.5: must be a number above 0 and at most 1",
        ),
        (["--like", "cam", "--most", "-3"], "--most=-3"),
        (["--like", "cam", "--seconds", "0"], "--seconds=0.0"),
        (["--devices", "gpu"], "--devices 'gpu': must be TYPE=MOST"),
        (["--devices", "gpu=1,gpu=2"], "names 'gpu' twice"),
        (["--devices", "tpu=1"], "devices.tpu: zoo replayed-gpu has no latency profile"),
        (["--devices", "gpu=1", "--fps", "5"], "--fps: tells of further streams"),
    ],
)
def test_wrong_questions_end_with_status_2(file, capsys, options, complaint):
    assert main(["simulate", "capacity", str(file), *options]) == 2
    assert complaint in capsys.readouterr().err
