from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from moonjelly.core.errors import UsageError
from moonjelly.network.traces import LinkTrace, constant_trace, read_trace

FOLDER = Path(__file__).parents[2] / "network_shaping"
STATISTICS = ("minimum", "p5", "median", "mean", "p95", "maximum", "mean_step")


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_traces", FOLDER / "generate_traces.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_a_trace_cycles_from_its_offset_and_scales():
    trace = LinkTrace((1.0, 2.0, 3.0), period_s=2.0, offset=4, scale_ratio=0.5)
    assert [trace.rate_kbps(at) for at in (0, 1.9, 2, 4, 6)] == [1000, 1000, 1500, 500, 1000]
    assert trace.next_change_s(0) == 2
    assert trace.next_change_s(2) == 4


def test_the_staircase_is_the_published_one():
    trace = read_trace(FOLDER / "synthetic_mbps.txt")
    assert trace == LinkTrace((20, 15, 10, 7.5, 10, 15, 20), period_s=20.0)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("wifi_like_mbps.txt", (12.9, 18.7, 53.1, 51.87, 77.4, 90.8, 9.41)),
        ("lte_like_mbps.txt", (2.855, 7.32, 14.70, 15.20, 25.43, 26.33, 2.99)),
    ],
)
def test_drawn_traces_have_the_published_statistics(generator, name, published):
    values = read_trace(FOLDER / name).values_mbps
    assert values == tuple(generator.draw_trace(generator.KINDS[name])), "the file is not current"
    assert len(values) in {199, 200}
    measured = generator.TraceStatistics.of(np.array(values))
    for field, wanted in zip(STATISTICS, published, strict=True):
        assert getattr(measured, field) == pytest.approx(wanted, rel=0.1), field


def test_the_generator_writes_the_files_that_are_there(generator, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["generate_traces.py", "--to", str(tmp_path)])
    assert generator.main() == 0
    assert capsys.readouterr().out.count("\n") == 2
    for name in generator.KINDS:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10\nfast\n", ":2: rate_mbps='fast': must be a number"),
        ("10\n-1\n", ":2: rate_mbps=-1.0: must be a number of at least 0"),
        ("10\n\nnan\n", ":3: rate_mbps=nan"),
        ("inf\n", ":1: rate_mbps=inf"),
        ("200000\n", ":1: rate_mbps=200000.0"),
        ("# period_s: 0\n10\n", ":1: period_s=0.0: must be a number above 0"),
        ("# nothing\n\n", ": holds no value"),
    ],
)
def test_a_bad_trace_is_refused_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_trace_that_is_no_text_or_not_there_is_refused(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UsageError, match="is no text file"):
        read_trace(path)
    with pytest.raises(UsageError, match="No such file"):
        read_trace(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    "fields",
    [
        {"values_mbps": ()},
        {"values_mbps": (1.0,), "period_s": 0},
        {"values_mbps": (1.0,), "offset": -1},
        {"values_mbps": (1.0,), "offset": 1.5},
        {"values_mbps": (1.0,), "scale_ratio": -1},
        {"values_mbps": (float("nan"),)},
    ],
)
def test_a_bad_trace_value_is_refused(fields):
    with pytest.raises(ValueError, match="="):
        LinkTrace(**fields)


def test_a_constant_trace_never_changes():
    trace = constant_trace(8.0)
    assert {trace.rate_kbps(at) for at in (0, 0.5, 1e6)} == {8000.0}
