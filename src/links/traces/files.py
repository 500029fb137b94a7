"""Trace files: one value per line, mahimahi's packet deliveries, or CSV with times and rates."""

from __future__ import annotations

import contextlib
import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ...core.checks import echo, require_not_negative, require_positive
from ...core.errors import UsageError
from ...files.text_file import read_text
from .trace import MAX_MBPS, LinkTrace

_MAHIMAHI_SUFFIXES = (".up", ".down", ".mahimahi")

WINDOW_S = 0.1
"""Files without a regular period are averaged over windows of about this length."""
MAX_SECONDS = 86_400.0
MAX_FILE_BYTES = 64 << 20

MAHIMAHI_PACKET_MBIT = 1500 * 8 / 1e6
_PERIOD_PATTERN = re.compile(r"#\s*period_s:\s*(\S+)\s*")
_TIME_PATTERN = re.compile(r"(?:at|t|time|timestamp|elapsed)_(s|ms|us)", re.IGNORECASE)
_RATE_PATTERN = re.compile(r"(?:.*_)?([kmg]?bps)", re.IGNORECASE)
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}
_PER_MBPS = {"bps": 1e6, "kbps": 1e3, "mbps": 1.0, "gbps": 1e-3}
_REGULAR_RATIO = 1e-3

Line = tuple[int, str]


def read_trace(path: Path, offset: int = 0, scale_ratio: float = 1.0) -> LinkTrace:
    """Reads a trace file.

    Formats, chosen by the file's suffix:

    * `values` (any other suffix): one value in Mbit/s per line; a comment `# period_s: 20` says how
      long each value holds, 1 s without it.
    * `mahimahi` (`.up`, `.down`, `.mahimahi`): one time in ms per line, at which the link could carry a
      packet of 1,500 bytes (mahimahi, ATC 2015); averaged over windows of about 0.1 s.
    * `csv` (`.csv`): a header names a column of times (`at_ms`, `time_s`, `timestamp_ms`, ...) and one
      of rates, whose unit ends its name (`bps`, `kbps`, `mbps` or `gbps`). A rate holds until the next row, the
      last one as long as the one before it. Irregular times are averaged over windows of about 0.1 s.

    Blank lines, and lines that begin with `#`, are skipped.

    Raises:
        UsageError: naming file and line, if the file cannot be read or is no trace.
    """
    lines = read_text(path, MAX_FILE_BYTES).splitlines()
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            values, period_s = _parse_csv(lines)
        elif suffix in _MAHIMAHI_SUFFIXES:
            values, period_s = _parse_mahimahi(lines)
        else:
            values, period_s = _parse_values(lines)
        return LinkTrace(values, period_s, offset, scale_ratio)
    except _BadLineError as error:
        raise UsageError(f"{path}:{error.number}: {error}") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


class _BadLineError(ValueError):
    """A line that breaks the format."""

    def __init__(self, number: int, message: object) -> None:
        super().__init__(str(message))
        self.number = number


@contextlib.contextmanager
def _at_line(number: int) -> Iterator[None]:
    """Blames a line for what is wrong with it."""
    try:
        yield
    except ValueError as error:
        raise _BadLineError(number, error) from None


def _content(lines: Iterable[str]) -> Iterator[Line]:
    """Numbers and texts of the lines that hold data."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def _parse_values(lines: Sequence[str]) -> tuple[tuple[float, ...], float]:
    period_s = 1.0
    for number, line in enumerate(lines, 1):
        if match := _PERIOD_PATTERN.fullmatch(line.strip()):
            with _at_line(number):
                period_s = require_positive("period_s", _number("period_s", match[1]), MAX_SECONDS)
    values = []
    for number, text in _content(lines):
        with _at_line(number):
            values.append(_rate(text, "rate_mbps", 1.0))
    if not values:
        raise ValueError("holds no value; a trace has at least one, in Mbit/s")
    return tuple(values), period_s


def _parse_mahimahi(lines: Sequence[str]) -> tuple[tuple[float, ...], float]:
    times_s: list[float] = []
    for number, text in _content(lines):
        with _at_line(number):
            if not (text.isascii() and text.isdigit()):
                raise ValueError(f"time_ms={echo(text)}: must be a whole number of ms")
            time_s = require_not_negative("time_ms", int(text), MAX_SECONDS * 1000) / 1000
            if times_s and time_s < times_s[-1]:
                raise ValueError(f"time_ms={text}: must not be before the line above it")
        times_s.append(time_s)
    if not times_s or times_s[-1] == 0:
        raise ValueError("holds no packet after 0 ms; the last time is where a trace begins again")
    num_windows = max(1, round(times_s[-1] / WINDOW_S))
    period_s = times_s[-1] / num_windows
    counts = [0] * num_windows
    for time_s in times_s:
        counts[min(num_windows - 1, int(time_s / period_s))] += 1
    return tuple(count * MAHIMAHI_PACKET_MBIT / period_s for count in counts), period_s


def _parse_csv(lines: Sequence[str]) -> tuple[tuple[float, ...], float]:
    rows = [(number, next(csv.reader([text]))) for number, text in _content(lines)]
    if len(rows) < 2:  # noqa: PLR2004
        raise ValueError("holds no row under a header of column names")
    header_number, header = rows[0]
    names = [name.strip() for name in header]
    with _at_line(header_number):
        time_column, time_unit = _column(names, _TIME_PATTERN, "times, such as at_ms")
        rate_column, rate_unit = _column(names, _RATE_PATTERN, "rates, such as rate_kbps")
    name = names[time_column]
    times_s: list[float] = []
    values: list[float] = []
    for number, row in rows[1:]:
        with _at_line(number):
            if len(row) != len(names):
                raise ValueError(f"{len(row)} fields: must be {len(names)} as in the header")
            time = require_not_negative(name, _number(name, row[time_column].strip()))
            time_s = time / _PER_SECOND[time_unit]
            if times_s and not times_s[-1] < time_s <= times_s[0] + MAX_SECONDS:
                raise ValueError(
                    f"{name}={time:g}: must be after the row above it, within a day of the first"
                )
            times_s.append(time_s)
            values.append(_rate(row[rate_column].strip(), names[rate_column], _PER_MBPS[rate_unit]))
    return _resample(times_s, values)


def _resample(times_s: Sequence[float], values: Sequence[float]) -> tuple[tuple[float, ...], float]:
    """Steps at any times as steps of one length, with the same mean."""
    lengths_s = [after - before for before, after in itertools.pairwise(times_s)]
    if not lengths_s:
        return tuple(values), 1.0
    lengths_s.append(lengths_s[-1])
    total_s = sum(lengths_s)
    usual_s = total_s / len(lengths_s)
    if all(abs(length_s - usual_s) <= _REGULAR_RATIO * usual_s for length_s in lengths_s):
        return tuple(values), usual_s
    num_windows = max(1, round(total_s / WINDOW_S))
    ends_s = np.cumsum([0.0, *lengths_s])
    mbits = np.cumsum([0.0, *np.multiply(values, lengths_s)])
    windows = np.diff(np.interp(np.linspace(0.0, ends_s[-1], num_windows + 1), ends_s, mbits))
    period_s = total_s / num_windows
    return tuple(np.maximum(0.0, windows / period_s).tolist()), period_s


def _column(names: Sequence[str], pattern: re.Pattern[str], wanted: str) -> tuple[int, str]:
    """Index and unit of the one column whose name fits."""
    found = [
        (index, match[1].lower())
        for index, name in enumerate(names)
        if (match := pattern.fullmatch(name))
    ]
    if len(found) != 1:
        raise ValueError(
            f"columns={echo(','.join(names))}: must be one of {wanted}; there are {len(found)}"
        )
    return found[0]


def _rate(text: str, name: str, per_mbps: float) -> float:
    return require_not_negative(name, _number(name, text), MAX_MBPS * per_mbps) / per_mbps


def _number(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{field}={echo(text)}: must be a number") from None
