from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from moonjelly.core.errors import UsageError
from moonjelly.links.traces import LinkTrace, constant_trace, read_trace

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


def test_a_mahimahi_trace_becomes_rates_of_windows(tmp_path):
    """Twelve packets in the first 0.1 s, none in the second, six in the third."""
    times = [8 * n for n in range(1, 13)] + [250] * 3 + [300] * 3
    path = tmp_path / "cellular.up"
    path.write_text("\n".join(str(time) for time in times))
    trace = read_trace(path)
    assert trace.period_s == pytest.approx(0.1)
    assert trace.values_mbps == pytest.approx((1.44, 0.0, 0.72))


def test_a_mahimahi_trace_keeps_its_mean_whatever_its_length(tmp_path):
    times = np.cumsum(np.random.default_rng(4).integers(0, 9, 5000))
    path = tmp_path / "trace.mahimahi"
    path.write_text("\n".join(str(time) for time in times))
    trace = read_trace(path)
    assert np.mean(trace.values_mbps) == pytest.approx(5000 * 0.012 / (times[-1] / 1000))
    assert len(trace.values_mbps) * trace.period_s == pytest.approx(times[-1] / 1000)


@pytest.mark.parametrize(
    ("header", "factor", "unit"),
    [("time_s,rate_mbps", 1.0, 1.0), ("at_ms,rate_kbps", 1e3, 1e3), ("timestamp_us,BPS", 1e6, 1e6)],
)
def test_a_csv_trace_is_read_in_its_units(tmp_path, header, factor, unit):
    path = tmp_path / "link.csv"
    rows = [(100.0, 20), (102.0, 7.5), (104.0, 0), (106.0, 15)]
    lines = [f"{time * factor:.0f},{rate * unit:.0f}" for time, rate in rows if rate != 7.5]
    lines.insert(1, f"{102 * factor:.0f},{7.5 * unit}")
    path.write_text("\n".join(["# recorded", header, *lines]))
    assert read_trace(path) == LinkTrace((20, 7.5, 0, 15), period_s=2.0)


def test_irregular_times_are_averaged_and_keep_the_mean(tmp_path):
    path = tmp_path / "link.csv"
    path.write_text("id,elapsed_s,mbps\na,0,10\na,0.25,2\na,1.25,4\n")
    trace = read_trace(path)
    assert trace.period_s == pytest.approx(2.25 / 22)
    assert np.mean(trace.values_mbps) == pytest.approx((0.25 * 10 + 1 * 2 + 1 * 4) / 2.25)
    assert trace.values_mbps[0] == pytest.approx(10)
    assert trace.values_mbps[-1] == pytest.approx(4)
    assert trace.rate_kbps(1.0) == pytest.approx(2000)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.up", "5\nsix\n", ":2: time_ms='six': must be a whole number"),
        ("a.up", "5\n\n4\n", ":3: time_ms=4: must not be before"),
        ("a.up", "0\n", ": holds no packet after 0 ms"),
        ("a.up", "999999999999999\n", ":1: time_ms=999999999999999"),
        ("a.csv", "time_s,rate_mbps\n", ": holds no row"),
        ("a.csv", "when,rate_mbps\n0,1\n", ":1: columns='when,rate_mbps': must be one of times"),
        (
            "a.csv",
            "t_s,a_mbps,b_mbps\n0,1,2\n",
            ":1: columns='t_s,a_mbps,b_mbps': must be one of r",
        ),
        ("a.csv", "t_s,mbps\n0,1\n0,1\n", ":3: t_s=0: must be after"),
        ("a.csv", "t_s,mbps\n0,1\n1\n", ":3: 1 fields: must be 2"),
        ("a.csv", "t_s,mbps\n0,-1\n", ":2: mbps=-1.0"),
        ("a.csv", "t_s,bps\n0,1e12\n", ":2: bps=1000000000000.0"),
        ("a.csv", "t_s,mbps\n0,1\nnan,1\n", ":3: t_s=nan"),
    ],
)
def test_a_bad_file_of_another_format_is_refused_with_file_and_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize("period_s", [0.1, 0.3, 1 / 3, 0.102272727])
def test_each_change_of_a_trace_brings_the_next_value(period_s):
    trace = LinkTrace(tuple(float(n) for n in range(1000)), period_s)
    at_s = 0.0
    for number in range(1, 5000):
        at_s = trace.next_change_s(at_s)
        assert trace.rate_kbps(at_s) == 1000.0 * (number % 1000)


def test_a_trace_that_is_no_text_or_not_there_is_refused(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UsageError, match="must be text in UTF-8"):
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
