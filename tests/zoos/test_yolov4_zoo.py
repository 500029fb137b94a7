"""The shipped zoo `yolov4`: what others published comes back as published, and what lies between is sensible."""

from __future__ import annotations

import numpy as np
import pytest

from moonjelly.files.table import read_table
from moonjelly.zoos import (
    find_profile,
    load_latency_profile,
    open_zoo,
    read_variant_rows,
)

ZOO = open_zoo("yolov4")
PUBLISHED_PX = (320, 416, 512, 608)
# FP16 frame/s at batch 1 and 4, for each of these sides, as the README of ceccocats/tkDNN has them.
PUBLISHED_FPS = {
    "rtx-2080-ti": "207.81 443.32  169.06 293.78  140.36 215.17  111.39 152.89",
    "jetson-agx-xavier": "57.14 79.05  41.01 49.00  31.12 33.84  21.92 23.36",
    "jetson-xavier-nx": "30.14 41.15  22.43 25.59  15.78 17.13  11.54 12.06",
    "jetson-tx2": "15.32 16.31  9.45 9.90  7.22 7.23  4.67 4.70",
    "jetson-nano": "6.14 6.53  3.90 4.04  3.02 3.04  1.92 1.93",
}
BATCH_PAYS_NOTHING = ("jetson-tx2", "jetson-nano")


def latencies_ms(device_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Median and p99 as the server loads them, (sides, batch sizes)."""
    path = find_profile(ZOO, device_type, None)
    assert path is not None
    profile = load_latency_profile(path, ZOO.variants)
    found = [profile.by_variant[one.name] for one in ZOO.variants]
    return np.array([one.p50_ms for one in found]), np.array([one.p99_ms for one in found])


def published_rows() -> list[int]:
    return [number for number, one in enumerate(ZOO.variants) if one.input_side_px in PUBLISHED_PX]


def test_it_has_the_published_devices() -> None:
    assert {path.name for path in ZOO.folder.glob("latency-*")} == {
        f"latency-{one}.csv" for one in PUBLISHED_FPS
    }


@pytest.mark.parametrize("device_type", PUBLISHED_FPS)
def test_published_frame_rates_come_back(device_type: str) -> None:
    published = np.array(PUBLISHED_FPS[device_type].split(), float).reshape(4, 2)
    p50_ms, _ = latencies_ms(device_type)
    rates = 1000 * np.array([1, 4]) / p50_ms[published_rows()][:, [0, 3]]
    assert rates == pytest.approx(published, rel=2e-4)  # latencies are rounded to 0.001 ms


def test_published_accuracies_come_back() -> None:
    rows = {row.input_side_px: row for row in read_variant_rows(ZOO.variants_path)}
    found = [(rows[side].map, rows[side].map50) for side in PUBLISHED_PX]
    assert found == [(0.38, 0.6), (0.412, 0.628), (0.43, 0.649), (0.435, 0.657)]


@pytest.mark.parametrize("device_type", PUBLISHED_FPS)
def test_more_pixels_and_more_frames_take_longer(device_type: str) -> None:
    for table in latencies_ms(device_type):
        assert (np.diff(table, axis=0) > 0).all()
        assert (np.diff(table, axis=1) > 0).all()
        assert (np.diff(table / np.arange(1, 13), axis=1) < 0).all()  # and a frame never longer


def test_larger_sides_are_more_accurate_and_larger_to_send() -> None:
    rows = read_variant_rows(ZOO.variants_path)
    assert all(
        (np.diff([(row.map, row.map50, row.frame_kbits) for row in rows], axis=0) > 0).ravel()
    )


def test_batches_pay_on_a_large_card_and_not_on_small_boards() -> None:
    gains = {
        device_type: 4 * p50_ms[published_rows(), 0] / p50_ms[published_rows(), 3]
        for device_type in PUBLISHED_FPS
        for p50_ms, _ in [latencies_ms(device_type)]
    }
    assert gains["rtx-2080-ti"].min() > 1.37
    assert max(gains[one].max() for one in BATCH_PAYS_NOTHING) < 1.07


def test_no_cell_is_called_published_that_is_not_and_every_cell_has_a_source() -> None:
    table = read_table(
        ZOO.folder / "sources.csv",
        ("variant", "map", "map50", *(f"batch_{n}" for n in range(1, 13))),
    )
    sides = {one.name: one.input_side_px for one in ZOO.variants}
    assert sorted(row.text("variant") for row in table.rows) == sorted(sides)
    for row in table.rows:
        marks = {column: row.text(column) for column in row.cells if column != "variant"}
        published = {column for column, mark in marks.items() if mark == "published"}
        is_published = sides[row.text("variant")] in PUBLISHED_PX
        assert published == ({"map", "map50", "batch_1", "batch_4"} if is_published else set())
        assert {part for mark in marks.values() for part in mark.split("+")} <= set(table.notes)
