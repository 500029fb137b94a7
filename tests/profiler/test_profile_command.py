from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.cli import main


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
        (
            ["--device", "cpu:0", "--zoo", "nothing"],
            "must be a folder with zoo.yaml, or one of replayed-gpu, traffic",
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
