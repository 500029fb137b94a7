"""`moonjelly plan` with clocks and joules."""

from __future__ import annotations

import copy
import json

import pytest

from moonjelly.cli import main

MHZ = (500, 1000)
PROBLEM = {
    "devices": [{"id": "gate", "type": "board"}],
    "idle_w": {"board": 4.5},
    "variants": [
        {
            "name": f"v{side}",
            "input_size": side,
            "accuracy": side / 1000,
            "frame_kbits": side / 2,
            "clocks": {
                "board": [
                    {
                        "clock_mhz": mhz,
                        "latency_ms": [side * 100 / mhz, side * 150 / mhz],
                        "above_idle_mj": [side * mhz / 250, side * mhz / 300],
                    }
                    for mhz in MHZ
                ]
            },
        }
        for side in (128, 256)
    ],
    "clients": [
        {"id": f"c{n}", "fps": 6, "slo_ms": 400, "bandwidth_kbps": 90000.0} for n in range(2)
    ],
}


@pytest.fixture
def plan(tmp_path, capsys):
    def run(*options, change=lambda problem: None):
        problem = copy.deepcopy(PROBLEM)
        change(problem)
        path = tmp_path / "board.json"
        path.write_text(json.dumps(problem))
        status = main(["plan", str(path), *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_accuracy_alone_runs_at_the_devices_own_clock(plan):
    _, text, _ = plan("--json")
    printed = json.loads(text)
    assert printed["devices"] == [{"id": "gate", "variant": "v256", "batch_size": 2}]
    assert printed["power_w"] == pytest.approx(4.5 + 12 * 256 * 1000 / 300 / 1000)


def test_a_price_lowers_the_clock_first_and_then_the_variant(plan):
    cheap = json.loads(plan("--json", "--objective", "joules", "--price-per-joule", "0.01")[1])
    assert cheap["devices"] == [
        {"id": "gate", "variant": "v256", "batch_size": 2, "clock_mhz": 500}
    ]
    dear = json.loads(plan("--json", "--objective", "joules", "--price-per-joule", "0.9")[1])
    assert dear["devices"] == [{"id": "gate", "variant": "v128", "batch_size": 2, "clock_mhz": 500}]
    assert dear["served_ratio"] == cheap["served_ratio"] == 1
    assert dear["power_w"] < cheap["power_w"]


def test_a_budget_finds_the_price(plan):
    roomy = json.loads(plan("--json", "--objective", "joules", "--energy-budget-w", "20")[1])
    tight = json.loads(plan("--json", "--objective", "joules", "--energy-budget-w", "8")[1])
    assert roomy["devices"][0]["variant"] == "v256"
    assert tight["devices"][0]["variant"] == "v128"
    assert roomy["power_w"] <= 20
    assert tight["power_w"] <= 8


def test_a_cap_is_kept_even_where_not_everybody_can_be_served(plan):
    wide = json.loads(plan("--json", "--objective", "capped", "--power-cap-w", "12")[1])
    assert wide["served_ratio"] == 1
    assert wide["power_w"] <= 12
    narrow = json.loads(plan("--json", "--objective", "capped", "--power-cap-w", "gate=6")[1])
    assert narrow["served_ratio"] == 0.5
    assert narrow["power_w"] <= 6


def test_the_table_shows_clock_and_power(plan):
    _, text, _ = plan("--objective", "joules", "--price-per-joule", "0.01")
    assert "500 MHz" in text
    assert "W of it above idle; a joule costs 0.01 of accuracy" in text


def test_what_a_joule_cost_is_explained(plan):
    _, text, _ = plan("--explain", "--objective", "joules", "--price-per-joule", "0.01")
    assert text.splitlines()[-1] == (
        "gate: v256 at 500 MHz, 5.12 W above idle; v128 at 500 MHz -0.128 accuracy for -50 % energy"
    )
    _, text, _ = plan("--explain", "--objective", "joules", "--price-per-joule", "0.9")
    assert text.splitlines()[-1] == (
        "gate: v128 at 500 MHz, 2.56 W above idle; v256 at 500 MHz +0.128 accuracy for +100 % energy"
    )
    assert "% energy" not in plan("--explain")[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--objective", "watts"), "--objective='watts': must be one of accuracy, capped, joules"),
        (("--objective", "capped"), "--objective=capped: takes power_cap_w"),
        (("--power-cap-w", "9"), "--power-cap-w=9: only with objective capped"),
        (
            ("--objective", "capped", "--power-cap-w", "4"),
            "power_cap_w=4: must be above the 4.5 W that the devices draw while nothing runs",
        ),
        (
            ("--objective", "capped", "--power-cap-w", "square=9"),
            "power_cap_w='square=9': there is no device square",
        ),
        (("--objective", "joules"), "--objective=joules: takes either price_per_joule or"),
        (("--price-per-joule", "1"), "--price-per-joule=1.0: only with objective joules or capped"),
        (
            ("--objective", "joules", "--price-per-joule", "-1"),
            "--price-per-joule=-1.0: must be 0 to",
        ),
        (
            ("--objective", "joules", "--price-per-joule", "1", "--planner", "sa-dp"),
            "--objective=joules: planner sa-dp chooses no clocks; brute-force, exact, pricing do",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(plan, options, words):
    status, _, error = plan(*options)
    assert status == 2
    assert words in error
    assert len(error.splitlines()) == 1


def no_clocks(problem):
    for variant in problem["variants"]:
        variant["latency_ms"] = {"board": variant.pop("clocks")["board"][-1]["latency_ms"]}


def clock_of(problem):
    return problem["variants"][0]["clocks"]["board"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (no_clocks, "objective=joules: device gate has no table of energy and idle power"),
        (lambda problem: problem.pop("idle_w"), "idle_w: must list type 'board', which has clocks"),
        (lambda problem: clock_of(problem).pop(), "every variant must list the same ones"),
        (lambda problem: clock_of(problem).reverse(), "the lowest first"),
        (lambda problem: clock_of(problem)[0]["above_idle_mj"].pop(), "must list 2 batches"),
        (lambda problem: clock_of(problem)[0]["above_idle_mj"].reverse(), "must not rise"),
        (
            lambda problem: clock_of(problem)[0].update(above_idle_mj=[0, 0]),
            "above_idle_mj[0]: 0.0: must be 0.001 to",
        ),
    ],
)
def test_a_table_that_tells_no_joules_is_one_clear_line(plan, change, words):
    status, _, error = plan("--objective", "joules", "--price-per-joule", "1", change=change)
    assert status == 2
    assert words in error
    assert "Traceback" not in error
