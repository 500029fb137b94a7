from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.demo.cameras import KINDS, demo_cameras
from moonjelly.demo.command import _clear


def test_cameras_differ_in_everything_that_matters() -> None:
    cameras = demo_cameras(4, seed=0)
    assert len({camera.kind.fps for camera in cameras}) == 4
    assert len({camera.kind.slo_ms for camera in cameras}) == 4
    assert len({camera.source for camera in cameras}) == 4
    assert len({camera.trace for camera in cameras}) == 4
    assert [camera.link("127.0.0.1:1").name for camera in cameras] == [
        camera.stream_id for camera in cameras
    ]


def test_more_cameras_than_kinds_get_ids_scenes_and_links_of_their_own() -> None:
    cameras = demo_cameras(2 * len(KINDS) + 1, seed=3)
    for one in ("stream_id", "source", "trace"):
        assert len({getattr(camera, one) for camera in cameras}) == len(cameras)


def test_a_seed_fixes_the_cameras_and_another_seed_changes_every_scene_and_link() -> None:
    assert demo_cameras(5, seed=1) == demo_cameras(5, seed=1)
    for one, other in zip(demo_cameras(5, seed=1), demo_cameras(5, seed=2), strict=True):
        assert one.source != other.source
        assert one.trace != other.trace


def test_every_link_changes_within_the_demo() -> None:
    for camera in demo_cameras(len(KINDS), seed=0):
        rates = {camera.trace.rate_kbps(second) for second in range(40)}
        assert max(rates) >= 1.5 * min(rates)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--cameras", "0"], "--cameras=0: must be 1 to 64"),
        (["--cameras", "many"], "--cameras"),
        (["--seconds", "0"], "--seconds=0"),
        (["--seconds", "nan"], "--seconds=nan"),
        (["--seed", "-1"], "seed"),
        (["--port", "99999"], "port"),
        (
            ["--zoo", "nothing", "--devices", "cpu:0"],
            "must be a folder with zoo.yaml, or one of loudva, replayed-gpu, traffic",
        ),
        (["--zoo", "vehicles", "--devices", "cpu:0"], "--zoo vehicles: names whole pictures"),
        (["--no-logs"], "no_logs: a demo's report is made of the server's logs"),
        (["--load-ratio", "0"], "--load-ratio=0"),
        (["--devices", "cpu:4000"], "there is no core 4000 here"),
        (
            ["--zoo", "replayed-gpu", "--devices", "replayed:gpu", "--budget-rule", "fixed:17"],
            "fixed:17",
        ),
        (["--out", "/proc/nothing"], "--out /proc/nothing"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_a_wrong_request_ends_with_one_line_and_starts_nothing(
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    try:
        status = main(["demo", "--out", str(tmp_path), *options])
    except SystemExit as error:
        status = int(str(error.code))
    shown = capsys.readouterr().err
    assert status in {1, 2}
    assert (status == 1) == ("/proc/" in complaint)
    assert complaint in shown
    assert shown.count("\n") == 1


def test_logs_of_an_earlier_demo_are_removed_and_those_of_another_server_are_not(
    tmp_path: Path,
) -> None:
    stale = [tmp_path / "link-gate.csv", tmp_path / "server" / "server_frames-2.csv"]
    kept = [tmp_path / "notes.txt", tmp_path / "other" / "server_frames.csv"]
    for path in (*stale, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    _clear(tmp_path, tmp_path / "server")
    assert not any(path.exists() for path in stale)
    with pytest.raises(UsageError, match="logs of another server"):
        _clear(tmp_path, tmp_path / "other")
    assert all(path.exists() for path in kept)
