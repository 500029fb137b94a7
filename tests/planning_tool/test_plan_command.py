from __future__ import annotations

import json

import pytest

from moonjelly.cli import main

PROBLEM = {
    "devices": [{"id": "gpu0", "type": "gpu"}, {"id": "gpu1", "type": "gpu"}],
    "variants": [
        {
            "name": f"v{side}",
            "input_size": side,
            "accuracy": side / 1000,
            "frame_kbits": side / 2,
            "latency_ms": {"gpu": [side / 10, side / 8]},
        }
        for side in (128, 256, 384)
    ],
    "clients": [
        {"id": f"c{n}", "fps": 10 + n, "slo_ms": 120, "bandwidth_kbps": 9000.0, "wire_ms": 1}
        for n in range(6)
    ],
}


@pytest.fixture
def problem_file(tmp_path):
    path = tmp_path / "six.json"
    path.write_text(json.dumps(PROBLEM))
    return path


def test_a_table_is_printed(problem_file, capsys):
    assert main(["plan", str(problem_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["device", "type", "variant", "batch", "load", "clients"]
    assert lines[1].startswith("gpu0")
    assert "served 6 of 6 servable" in lines[-1]
    assert "planned by pricing" in lines[-1]


@pytest.mark.parametrize("name", ["pricing", "exact", "sa-dp", "greedy", "fixed", "random"])
def test_the_plan_is_printed_as_json(problem_file, capsys, name):
    assert main(["plan", str(problem_file), "--json", "--planner", name, "--seed", "3"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [device["id"] for device in plan["devices"]] == ["gpu0", "gpu1"]
    assert {device["variant"] for device in plan["devices"]} <= {"v128", "v256", "v384"}
    assert [client["id"] for client in plan["clients"]] == [f"c{n}" for n in range(6)]
    assert plan["planner"] == name
    assert 0 < plan["served_ratio"] <= 1
    assert plan["plan_ms"] > 0


def test_clients_are_explained(problem_file, capsys):
    assert main(["plan", str(problem_file), "--explain"]) == 0
    text = capsys.readouterr().out
    assert "c0: gpu" in text
    assert "bound by" in text
    assert "its profile" not in text


def test_a_slow_device_is_planned_and_explained_as_one(tmp_path, capsys):
    devices = [{"id": "gpu0", "type": "gpu", "slowdown": 1.5}, {"id": "gpu1", "type": "gpu"}]
    path = tmp_path / "slow.json"
    variants = [{**PROBLEM["variants"][0], "latency_ms": {"gpu": [12.8]}}]
    path.write_text(json.dumps({**PROBLEM, "devices": devices, "variants": variants}))
    assert main(["plan", str(path), "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["gpu0", "gpu-x1.5"]
    loads = [float(line.split(" of ")[1].split()[0]) for line in lines[1:3]]
    assert loads[0] == pytest.approx(loads[1] / 1.5, rel=0.01)
    served = [line for line in lines if ": gpu0" in line]
    assert all("gpu0 (1.5 times its profile)" in line for line in served)


def test_a_slowdown_beyond_all_bounds_is_refused(tmp_path, capsys):
    path = tmp_path / "slow.json"
    devices = [{"id": "gpu0", "type": "gpu", "slowdown": 1e9}]
    path.write_text(json.dumps({**PROBLEM, "devices": devices}))
    assert main(["plan", str(path)]) == 2
    assert "devices[0].slowdown" in capsys.readouterr().err


def test_a_folder_is_checked_against_yardsticks(problem_file, tmp_path, capsys):
    yardsticks = tmp_path / "yardsticks.csv"
    yardsticks.write_text("name,served_bound,accuracy_bound\nsix,6,0.5\n")
    (tmp_path / "other.json").write_text(json.dumps({**PROBLEM, "clients": []}))
    arguments = ["plan", str(tmp_path), "--check", "--yardsticks", str(yardsticks)]
    assert main(arguments) == 0
    other, six = capsys.readouterr().out.splitlines()
    assert other.startswith("other: served 0.0000, accuracy 0.000000, gap unknown")
    assert six.startswith("six: served 1.0000, accuracy 0.")
    assert "% of accuracy, 0 clients" in six


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--planner", "magic"], "planner='magic': must be one of"),
        (["--budget-ms", "0"], "--budget-ms=0: must be above 0"),
        (["--budget-ms", "5", "--planner", "greedy"], "planner greedy takes none"),
        (["--yardsticks", "x.csv"], "--yardsticks: only with --check"),
        (["--check", "--yardsticks", "none.csv"], "none.csv"),
        (["--json", "--explain"], "--explain: prints text"),
        (["--check", "--json"], "for one problem"),
    ],
)
def test_wrong_options_are_refused_in_one_line(problem_file, capsys, options, message):
    assert main(["plan", str(problem_file), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_bad_file_exits_with_two(tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text('{"devices": []}')
    assert main(["plan", str(path)]) == 2
    assert "bad.json: variants: is missing" in capsys.readouterr().err


def test_a_planner_for_small_problems_says_so(tmp_path, capsys):
    clients = [{**PROBLEM["clients"][0], "id": f"c{n}"} for n in range(20)]
    path = tmp_path / "large.json"
    path.write_text(json.dumps({**PROBLEM, "clients": clients}))
    assert main(["plan", str(path), "--planner", "brute-force"]) == 2
    assert "brute force is for at most" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pricing", "exact"])
def test_a_time_budget_is_taken(problem_file, capsys, name):
    assert main(["plan", str(problem_file), "--planner", name, "--budget-ms", "50"]) == 0
    assert "served 6 of 6" in capsys.readouterr().out


def test_columns_missing_in_yardsticks_are_named(problem_file, tmp_path, capsys):
    yardsticks = tmp_path / "yardsticks.csv"
    yardsticks.write_text("name,served_bound\nsix,6\n")
    assert main(["plan", str(problem_file), "--check", "--yardsticks", str(yardsticks)]) == 2
    assert "yardsticks.csv:1: lacks the columns accuracy_bound" in capsys.readouterr().err


@pytest.mark.parametrize(("row", "rule"), [("six,x,0.5", "number"), ("six,1.5,0.5", "whole")])
def test_values_of_yardsticks_are_checked(problem_file, tmp_path, capsys, row, rule):
    yardsticks = tmp_path / "yardsticks.csv"
    yardsticks.write_text(f"# a note\nname,served_bound,accuracy_bound\n{row}\n")
    assert main(["plan", str(problem_file), "--check", "--yardsticks", str(yardsticks)]) == 2
    error = capsys.readouterr().err
    assert "yardsticks.csv:3:served_bound" in error
    assert rule in error


def test_an_explanation_says_which_floor_or_weight_bound_a_stream(problem_file, capsys):
    problem = json.loads(problem_file.read_text())
    tenants = {"modest": {"min_fps": 45}, "paying": {"priority": -5}}
    client = {"slo_ms": 120, "bandwidth_kbps": 9000.0, "fps": 45}
    clients = [
        {"id": f"{tenant}/{n}", **client}
        for tenant in ("greedy", "modest", "paying")
        for n in "012"
    ]
    problem_file.write_text(json.dumps(problem | {"clients": clients, "tenants": tenants}))
    assert main(["plan", str(problem_file), "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    stage_of = {line.split(":")[0]: lines[n + 1] for n, line in enumerate(lines) if "/" in line}
    assert stage_of["modest/0"] == "  floor of modest"
    assert stage_of["paying/0"] == "  weight 3121 of paying"
    assert stage_of["greedy/0"] == (
        "  weight 1024 of greedy; bound by floor of modest: 1 served; "
        "weight 3121 of paying: 3 served"
    )


@pytest.mark.parametrize(
    ("entitled", "complaint"),
    [
        ({"a": {"weight": 0}}, "tenants.a.weight: 0: must be a whole number of at least 1"),
        ({"a": {"min_share_ratio": 0.7}, "b": {"min_share_ratio": 0.7}}, "1.4 in all: must be at"),
    ],
)
def test_what_tenants_cannot_be_entitled_to_is_named(problem_file, capsys, entitled, complaint):
    problem = json.loads(problem_file.read_text())
    problem_file.write_text(json.dumps(problem | {"tenants": entitled}))
    assert main(["plan", str(problem_file)]) == 2
    assert complaint in capsys.readouterr().err
