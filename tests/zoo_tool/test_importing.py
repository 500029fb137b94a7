"""`moonjelly zoo import`: tables as Jellyfish's profiler writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.zoo_tool.importing import import_tables
from moonjelly.zoos import load_latency_profile, load_variants, open_zoo

SIDES, BATCHES, ROWS = (128, 400, 416), (1, 2, 3), 200
ACCURACIES = (0.17, 0.40, 0.41)


def padded(*cells: object) -> str:
    return ",".join(f"{cell!s:<20}" for cell in cells) + "\n"


def latencies_ms(side: int, batch: int) -> np.ndarray:
    spread = np.random.default_rng((side, batch)).exponential(1.0, ROWS)
    return np.round(5 + side / 100 * batch + spread, 4)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Two devices' files, one behind the other."""
    folder = tmp_path / "published"
    folder.mkdir()
    rows = [padded("ModelSize", "Accuracy (mAP)")]
    for side, accuracy in reversed([*zip(SIDES, ACCURACIES, strict=True)]):
        rows.append(padded(side, accuracy))
        lines: list[str] = []
        for half in (slice(0, ROWS // 2), slice(ROWS // 2, None)):
            lines.append(padded("ModelSize", "Batch", "InferenceTime"))
            lines += [
                padded(side, batch, latency_ms)
                for batch in BATCHES
                for latency_ms in latencies_ms(side, batch)[half]
            ]
        (folder / f"profile_latency_{side}.txt").write_text("".join(lines))
    (folder / "accuracy.txt").write_text("".join(rows))
    return folder


def test_published_tables_become_a_zoo_that_can_be_served(tables, homes, capsys) -> None:
    assert main(["zoo", "import", str(tables), "--name", "paper", "--device-type", "rtx"]) == 0
    assert "--zoo paper --devices replayed:rtx" in capsys.readouterr().err
    zoo = open_zoo("paper")
    variants = load_variants(zoo.variants_path)
    assert [(one.input_side_px, one.accuracy) for one in variants] == [
        *zip(SIDES, ACCURACIES, strict=True)
    ]
    shipped = {one.input_side_px: one.frame_kbits for one in open_zoo("replayed-gpu").variants}
    kbits = {one.input_side_px: one.frame_kbits for one in variants}
    assert kbits[128] == pytest.approx(shipped[128])
    assert kbits[416] == pytest.approx(shipped[416])
    assert shipped[384] < kbits[400] < shipped[416]
    profile = load_latency_profile(homes / "paper" / "latency-rtx.csv", variants)
    for side in SIDES:
        found = profile.by_variant[f"yolov4-{side}"]
        assert len(found.p99_ms) == len(BATCHES)
        for batch in BATCHES:
            wanted = np.quantile(latencies_ms(side, batch), (0.5, 0.99))
            assert (found.p50_ms[batch - 1], found.p99_ms[batch - 1]) == pytest.approx(
                wanted, abs=1e-3
            )


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("accuracy.txt", "512, 41.2", "accuracy.txt:5: accuracy 41.2: must be from 0 to 1"),
        ("accuracy.txt", "416, 0.4", "accuracy.txt:5: side 416 is there twice"),
        ("accuracy.txt", "1.5, 0.4", "accuracy.txt:5: side 1.5: must be a whole number"),
        ("accuracy.txt", "nan, 0.4", "accuracy.txt:5: side nan: must be a whole number"),
        ("accuracy.txt", "512, nan", "accuracy.txt:5: accuracy nan: must be from 0 to 1"),
        ("accuracy.txt", "512, 0.4", "profile_latency_512.txt: cannot be read"),
        ("accuracy.txt", "512", "accuracy.txt:5: '512': must be 2 numbers"),
        ("profile_latency_416.txt", "416, 1, -3", "time -3: must be from 0.01"),
        ("profile_latency_416.txt", "416, 1, nan", "time nan: must be from 0.01"),
        ("profile_latency_416.txt", "416, 1000, 3", "batch 1000: must be a whole number"),
        ("profile_latency_416.txt", "400, 1, 3", "side 400: must be 416"),
        ("profile_latency_416.txt", "416, 5, 3", "profile_latency_416.txt: has no batch of 4"),
        ("profile_latency_416.txt", "416; 1; 3", "must be 3 numbers"),
    ],
)
def test_a_broken_table_is_named_with_its_line_and_leaves_no_zoo(
    tables: Path, homes: Path, file: str, line: str, message: str
) -> None:
    with (tables / file).open("a") as table:
        table.write(line + "\n")
    with pytest.raises(UsageError) as caught:
        import_tables(tables, "paper", "gpu")
    assert message in str(caught.value)
    assert not (homes / "paper").exists()


def test_empty_tables_names_that_are_none_and_zoos_that_are_there_are_refused(
    tables: Path, homes: Path
) -> None:
    with pytest.raises(UsageError, match="device_type"):
        import_tables(tables, "paper", "two words")
    import_tables(tables, "paper", "gpu")
    with pytest.raises(UsageError, match="is there"):
        import_tables(tables, "paper", "gpu")
    (tables / "profile_latency_416.txt").write_text("416, 2, 3\n")
    with pytest.raises(UsageError, match="no batch of 1"):
        import_tables(tables, "other", "gpu")
    (tables / "accuracy.txt").write_text("ModelSize,Accuracy (mAP)\n")
    with pytest.raises(UsageError, match="has no rows"):
        import_tables(tables, "other", "gpu")
    assert not (homes / "other").exists()
