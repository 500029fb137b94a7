from __future__ import annotations

from itertools import pairwise

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.zoos import load_qualities, open_zoo

HEAD = "variant,jpeg_quality,map,frame_kbits,num_frames\n"


def table(tmp_path, text):
    path = tmp_path / "qualities.csv"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def test_ratios_are_means_over_the_variants(tmp_path):
    path = table(tmp_path, "a,90,0.4,100,9\na,60,0.38,50,9\nb,90,0.8,300,9\nb,60,0.72,120,9\n")
    (only,) = load_qualities(path)
    assert only.quality == 60
    assert only.accuracy_ratio == pytest.approx((0.95 + 0.9) / 2)
    assert only.size_ratio == pytest.approx((0.5 + 0.4) / 2)


def test_what_noise_makes_better_than_full_counts_as_full(tmp_path):
    path = table(tmp_path, "a,90,0.4,100,9\na,75,0.41,101,9\n")
    assert load_qualities(path)[0].accuracy_ratio == 1.0


def test_a_zoo_without_a_table_keeps_to_its_quality(tmp_path):
    assert load_qualities(tmp_path / "qualities.csv") == ()
    assert open_zoo("replayed-gpu").qualities == ()


def test_the_shipped_table_falls_with_the_quality():
    qualities = open_zoo("traffic").qualities
    assert [one.quality for one in qualities] == [75, 60, 45]
    for better, worse in pairwise(qualities):
        assert better.accuracy_ratio > worse.accuracy_ratio
        assert better.size_ratio > worse.size_ratio


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,60,0.4,100,9\n", "qualities.csv:2:variant: .*needs a row of quality 90"),
        ("a,90,0,100,9\n", "qualities.csv:2:map"),
        ("a,0,0.3,100,9\n", "qualities.csv:2:jpeg_quality"),
    ],
)
def test_broken_tables_are_named(tmp_path, text, complaint):
    with pytest.raises(UsageError, match=complaint):
        load_qualities(table(tmp_path, text))
