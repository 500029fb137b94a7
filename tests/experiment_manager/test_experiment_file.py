from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from toy_zoos import make_zoo

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.experiment_manager.experiment_file import (
    SHIPPED_DIR,
    find_experiment,
    read_experiment,
)

GOOD = """\
seconds: 2
iterations: 2
server:
  zoo: replayed-gpu
  devices: [replayed:gpu]
matrix:
  clients: [1, 2]
  slo_ms: [75, 100.5]
  fps: [15]
  trace: [lte_like, mine.txt]
  seed: [0, 5]
  planner: [sa-dp, greedy]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.txt").write_text("# period_s: 2\n5\n10\n")
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def test_a_matrix_is_every_combination_once_and_repeats_come_last(folder: Path) -> None:
    experiment = read_experiment(folder / "good.yaml")
    runs = experiment.runs()
    assert len(runs) == 2 * 2 * 1 * 2 * 2 * 2 * 2
    assert len({run.run_id for run in runs}) == len(runs)
    num_cells = 2 * 2 * 2 * 2
    first = [tuple(run.cell().items()) for run in runs[:num_cells]]
    assert len(set(first)) == num_cells
    assert {(run.seed, run.iteration) for run in runs[:num_cells]} == {(0, 0)}
    assert {(run.seed, run.iteration) for run in runs} == {(0, 0), (5, 0), (0, 1), (5, 1)}
    assert runs[0].server == {
        "zoo": "replayed-gpu",
        "devices": ("replayed:gpu",),
        "planner": "sa-dp",
    }
    assert list(runs[0].factors()) == [
        "clients", "slo_ms", "fps", "trace", "planner", "seed", "iteration",
    ]  # fmt: skip


def test_a_zoos_folder_counts_from_the_experiment(folder: Path) -> None:
    zoo = make_zoo(folder / "toys", {"a": [32]})
    text = GOOD.replace("zoo: replayed-gpu", "zoo: ./toys")
    (folder / "toys.yaml").write_text(text)
    assert read_experiment(folder / "toys.yaml").runs()[0].server["zoo"] == str(zoo.folder)
    text = GOOD.replace("  zoo: replayed-gpu\n", "") + "  zoo: [traffic, ./toys]\n"
    (folder / "both.yaml").write_text(text)
    found = {run.server["zoo"] for run in read_experiment(folder / "both.yaml").runs()}
    assert found == {"traffic", str(zoo.folder)}


def test_a_policy_is_the_cameras_and_brings_the_servers_rule(folder: Path) -> None:
    text = GOOD.replace("planner: [sa-dp, greedy]", "policy: [best, slo-split]")
    (folder / "policies.yaml").write_text(text)
    runs = read_experiment(folder / "policies.yaml").runs()
    assert {(run.factors()["policy"], run.server.get("budget_rule", "full")) for run in runs} == {
        ("best", "full"), ("slo-split", "split"),
    }  # fmt: skip
    for run in runs:
        assert {camera.policy for camera in run.cameras()} == {run.policy}


def test_what_only_the_servers_own_machine_knows_is_left_to_it(folder: Path) -> None:
    (folder / "there.yaml").write_text(GOOD.replace("[replayed:gpu]", "[cuda:7]"))
    with pytest.raises(UsageError, match=r":5: server.devices: 'cuda:7': there are "):
        read_experiment(folder / "there.yaml")
    read_experiment(folder / "there.yaml", is_elsewhere=True)


def test_traces_are_read_by_name_or_beside_the_file_and_are_part_of_a_run(folder: Path) -> None:
    before = read_experiment(folder / "good.yaml").runs()
    assert {run.links["mine.txt"].period_s for run in before if run.trace == "mine.txt"} == {2.0}
    (folder / "mine.txt").write_text("5\n11\n")
    after = read_experiment(folder / "good.yaml").runs()
    for one, other in zip(before, after, strict=True):
        assert (one.run_id == other.run_id) == (one.trace == "lte_like")


def test_cameras_share_a_scene_and_differ_in_their_place_in_the_trace(folder: Path) -> None:
    text = GOOD.replace("[1, 2]", "[8]").replace("lte_like, mine.txt", "lte_like")
    (folder / "eight.yaml").write_text(text)
    for run in read_experiment(folder / "eight.yaml").runs():
        cameras = run.cameras()
        assert cameras == run.cameras()
        assert len(cameras) == 8
        assert {camera.source for camera in cameras} == {f"scene:{run.seed}"}
        assert len({camera.source_start_s for camera in cameras}) == 1
        assert len({camera.trace.offset for camera in cameras}) > 4


def make_clip(path: Path, num_pictures: int = 40) -> None:
    """Writes a video of 20 frame/s."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=20)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for k in range(num_pictures):
            shade = np.full((48, 64, 3), 5 * k, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(shade, format="bgr24")))
        container.mux(track.encode(None))


def test_sources_are_drawn_or_files_beside_the_experiment_which_are_part_of_a_run(
    folder: Path,
) -> None:
    make_clip(folder / "street.mp4")
    text = GOOD.replace("seconds: 2", "seconds: source").replace("iterations: 2", "iterations: 1")
    (folder / "videos.yaml").write_text(text + "  source: [drawn:night, scene:7, street.mp4]\n")
    before = read_experiment(folder / "videos.yaml").runs()
    assert {(run.factors()["source"], run.seconds) for run in before} == {
        ("drawn:night", 180.0), ("scene:7", 180.0), ("street.mp4", 2.0),
    }  # fmt: skip
    for run in before:
        is_file = run.source == "street.mp4"
        expected = str(folder / "street.mp4") if is_file else run.source
        assert {camera.source for camera in run.cameras()} == {expected}
        assert str(folder) not in str(run.as_json())
    make_clip(folder / "street.mp4", 39)
    after = read_experiment(folder / "videos.yaml").runs()
    for one, other in zip(before, after, strict=True):
        assert (one.run_id == other.run_id) == (one.source != "street.mp4")


def test_without_a_source_a_run_as_long_as_its_video_has_three_minutes(folder: Path) -> None:
    (folder / "long.yaml").write_text(GOOD.replace("seconds: 2", "seconds: source"))
    assert {run.seconds for run in read_experiment(folder / "long.yaml").runs()} == {180.0}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("seconds: 2", "seconds: video", ":1: seconds: 'video': must be a number, trace or source"),
        (
            "seed: [0, 5]",
            "source: [drawn:fog]",
            ":11: matrix.source[0]: 'drawn:fog': must be drawn:sparse, ",
        ),
        (
            "seed: [0, 5]",
            "source: [gone.mp4]",
            ":11: matrix.source[0]: 'gone.mp4': must be drawn:sparse, drawn:dense, drawn:night, scene:SEED or a video file",
        ),
        ("seed: [0, 5]", "source: [mine.txt]", ":11: matrix.source[0]: /"),
        (
            "seed: [0, 5]",
            "source: [scene:1, scene:1]",
            ":11: matrix.source: 'scene:1': is listed twice",
        ),
        ("seconds: 2", "secnds: 2", ":1: secnds: no such option; did you mean seconds?"),
        ("seconds: 2", "seconds: 0", ":1: seconds: 0.0: must be a number above 0"),
        ("seconds: 2", "seconds: two", ":1: seconds: 'two': must be a number"),
        ("iterations: 2", "iterations: 0", ":2: iterations: 0: must be 1 to 1000"),
        ("zoo: replayed-gpu", "zoo: nothing", ":4: server.zoo: "),
        ("zoo: replayed-gpu", "port: 1", ":4: server.port: is set by the experiment itself"),
        ("[replayed:gpu]", "[tpu:0]", ":5: server.devices: 'tpu:0': must be cpu:CORES"),
        ("clients: [1, 2]", "clients: 3", ":7: matrix.clients: 3: must be a list"),
        ("clients: [1, 2]", "clients: []", ":7: matrix.clients: must be a list"),
        ("clients: [1, 2]", "clients: [0]", ":7: matrix.clients[0]: 0: must be 1 to 64"),
        ("clients: [1, 2]", "clients: [2, 2]", ":7: matrix.clients: 2: is listed twice"),
        (
            "clients: [1, 2]",
            "clients: [1, 2]\n  zoo: [traffic]",
            ":8: matrix.zoo: stands under server too",
        ),
        ("slo_ms: [75, 100.5]", "slo_ms: [-1]", ":8: matrix.slo_ms[0]: -1.0: must be"),
        ("  fps: [15]\n", "", ":6: matrix.fps: is missing"),
        ("[lte_like,", "[lte,", ":10: matrix.trace[0]: 'lte': must be one of lte_like, "),
        ("mine.txt", "none.txt", ":10: matrix.trace[1]: "),
        ("mine.txt", "none.csv", ":10: matrix.trace[1]: "),
        (
            "planner: [sa-dp, greedy]",
            "policy: [lader]",
            ":12: matrix.policy[0]: 'lader': must be one",
        ),
        (
            "planner: [sa-dp, greedy]",
            "estimator: [oracle]",
            ":12: matrix.estimator[0]: 'oracle': must be one of ",
        ),
        (
            "planner: [sa-dp, greedy]",
            "shaper: [magic]",
            ":12: matrix.shaper[0]: 'magic': must be one of relay, k",
        ),
        ("[sa-dp,", "[best,", ":12: matrix.planner[0]: 'best': must be one of "),
        ("matrix:", "hosts: [a]\nmatrix:", ":6: hosts: no such option"),
        ("seed: [0, 5]", f"seed: {list(range(1000))}", ": is 32000 runs: must be at most 10000"),
    ],
)
def test_a_wrong_file_is_refused_with_line_key_and_rule(
    folder: Path, old: str, new: str, complaint: str
) -> None:
    assert old in GOOD
    (folder / "bad.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError) as caught:
        read_experiment(folder / "bad.yaml")
    assert f"bad.yaml{complaint}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["experiment", "run", str(tmp_path / "no.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_of_results_does_not_hide_the_experiment_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small").mkdir()
    assert find_experiment(Path("small")).parent == SHIPPED_DIR


def test_a_name_of_no_experiment_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"^smal: is neither a file .*: cpu, energy, .*, small$"):
        find_experiment(Path("smal"))


def test_shipped_experiments_are_found_by_name_and_are_what_they_say() -> None:
    found = {path.stem: read_experiment(path) for path in SHIPPED_DIR.iterdir()}
    assert found.keys() == {
        "small",
        "policies",
        "cpu",
        "paper",
        "paper-f1",
        "paper-following",
        "paper-mixed",
        "paper-live",
        "energy",
    }
    assert len(found["energy"].runs()) * (found["energy"].seconds + 10) < 600
    small, paper = (read_experiment(find_experiment(Path(name))) for name in ("small", "paper"))
    assert set(small.matrix["clients"]) & set(paper.matrix["clients"]) == {2, 8}
    assert {"ladder", "best", "slo-split"} < set(found["policies"].matrix["policy"])
    assert len(small.runs()) * (small.seconds + 10) < 600
    assert len(paper.runs()) == 3 * (3 * 3 * 2 * 4 * 3)
    assert paper.matrix["clients"] == (1, 2, 4, 8)
    assert paper.matrix["slo_ms"] == (75, 100, 150)
    assert paper.matrix["fps"] == (15, 25)


OBJECTIVES = """\
seconds: 2
server: {zoo: loudva, devices: [replayed:jetson-nano]}
matrix:
  clients: [1]
  slo_ms: [500]
  fps: [6]
  trace: [lte_like]
  objective: [accuracy, joules]
  price_per_joule: [0.1, 0.5]
  clocks_mhz: ["", "460,921"]
"""


def test_what_an_objective_has_no_use_for_is_left_out_of_its_runs(tmp_path: Path) -> None:
    (tmp_path / "energy.yaml").write_text(OBJECTIVES)
    runs = read_experiment(tmp_path / "energy.yaml").runs()
    names = ("objective", "price_per_joule", "clocks_mhz")
    assert [tuple(run.factors()[name] for name in names) for run in runs] == [
        ("accuracy", None, None),
        ("joules", 0.1, ""), ("joules", 0.1, "460,921"), ("joules", 0.5, ""), ("joules", 0.5, "460,921"),
    ]  # fmt: skip
    assert "price_per_joule" not in runs[0].server


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[accuracy, joules]", "[accuracy]", "price_per_joule: only with objective joules or capped"),
        ("[accuracy, joules]", "[joule]", "objective: 'joule': must be one of"),
        ("[0.1, 0.5]", "[-1]", "price_per_joule: -1.0: must be 0 to 1000"),
        ("  price_per_joule: [0.1, 0.5]\n", "", "objective: joules: takes either price_per_joule or"),
        ("460,921", "slow", "clocks_mhz: 'slow': must be numbers from 1 to 100000 with commas"),
        ('  clocks_mhz: ["", "460,921"]', "  planner: [greedy]", "planner greedy chooses no clocks"),
    ],
)  # fmt: skip
def test_objectives_that_cannot_be_planned_for_are_one_clear_line(
    tmp_path: Path, old: str, new: str, line: str
) -> None:
    (tmp_path / "energy.yaml").write_text(OBJECTIVES.replace(old, new))
    with pytest.raises(UsageError, match=re.escape(line)):
        read_experiment(tmp_path / "energy.yaml")
