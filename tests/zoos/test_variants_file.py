from __future__ import annotations

from pathlib import Path

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.zoos import VariantRow, load_variants, read_variant_rows, write_variants

HEADER = (
    "variant,network,input_side_px,map,map50,map_small,map_medium,map_large,frame_kbits,"
    "num_frames,metric"
)
ROWS = ["s-128,s,128,0.2,0.4,0.1,0.2,0.3,80.5,600,map", "m-128,m,128,0.25,0.4,,,,80.5,600,map"]


def write(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "variants.csv"
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def test_variants_come_least_accurate_first_and_ties_smallest_first(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "b-160,b,160,0.5,0.6,,,,90,1,map",
        "c-192,c,192,0.3,0.6,,,,120,1,map",
        "a-128,a,128,0.5,0.6,,,,80,1,map",
    )
    assert [variant.name for variant in load_variants(path)] == ["c-192", "a-128", "b-160"]
    assert load_variants(path)[0].accuracy == 0.3
    assert load_variants(path)[0].frame_kbits == 120


def test_the_table_is_written_smallest_side_first_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "variants.csv"
    rows = [
        VariantRow("s-160", "s", 160, 0.3, 0.5, 0.1, None, 0.25, 100.25, 600),
        VariantRow("m-128", "m", 128, 0.25, 0.5, 0.1, 0.2, 0.25, 80.5, 600),
        VariantRow("s-128", "s", 128, 0.2, 0.5, 0.1, 0.2, 0.25, 80.5, 600),
    ]
    write_variants(path, rows, {"split": "test"})
    assert read_variant_rows(path) == tuple(reversed(rows))


@pytest.mark.parametrize(
    ("row", "place", "rule"),
    [
        pytest.param("s-160,s,0,0.2,0.4,,,,80,1,map", "input_side_px", "1 to 4096", id="38 size 0"),
        pytest.param(
            "s-160,s,160.5,0.2,0.4,,,,80,1,map", "input_side_px", "whole", id="half a pixel"
        ),
        pytest.param("s-160,s,160,1.2,0.4,,,,80,1,map", "map", "0 to 1", id="map over 1"),
        pytest.param("s-160,s,160,,0.4,,,,80,1,map", "map", "0 to 1", id="no map"),
        pytest.param("s-160,s,160,0.2,nan,,,,80,1,map", "map50", "0 to 1", id="map50 NaN"),
        pytest.param("s-160,s,160,0.2,0.4,-1,,,80,1,map", "map_small", "0 to 1", id="map_small -1"),
        pytest.param(
            "s-160,s,160,0.2,0.4,,,,0,1,map", "frame_kbits", "0.001", id="frame of nothing"
        ),
        pytest.param(
            "s 160,s,160,0.2,0.4,,,,80,1,map", "variant", "characters of", id="space in name"
        ),
        pytest.param("s-160,,160,0.2,0.4,,,,80,1,map", "network", "characters of", id="no network"),
        pytest.param("s-128,s,160,0.2,0.4,,,,80,1,map", "variant", "listed twice", id="name twice"),
        pytest.param("s-160,s,160,0.2,0.4,,,,80,1,", "metric", "map, top1", id="no metric"),
        pytest.param("s-160,s,160,0.2,0.4,,,,80,1,top1", "metric", "the same", id="two metrics"),
    ],
)
def test_a_broken_variant_is_refused_with_its_place(
    tmp_path: Path, row: str, place: str, rule: str
) -> None:
    path = write(tmp_path, *ROWS, row)
    with pytest.raises(UsageError) as caught:
        read_variant_rows(path)
    assert str(caught.value).startswith(f"{path}:4:{place}: ")
    assert rule in str(caught.value)
