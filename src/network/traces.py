"""Link traces: the rate of a link over time, one value in Mbit/s per line of a file."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import echo, require_not_negative, require_positive
from ..core.errors import UsageError

MAX_MBPS = 100_000.0
KBIT_PER_MBIT = 1000.0
_PERIOD_PATTERN = re.compile(r"#\s*period_s:\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class LinkTrace:
    """The rate of a link, cycled for ever.

    Attributes:
        values_mbps: rates (Mbit/s, 10^6 bit/s) that follow each other; 0 is an outage.
        period_s: how long each value holds.
        offset: index of the value that holds at time 0; may exceed the number of values.
        scale_ratio: factor on every value.
    """

    values_mbps: tuple[float, ...]
    period_s: float = 1.0
    offset: int = 0
    scale_ratio: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "values_mbps", tuple(self.values_mbps))
        if not self.values_mbps:
            raise ValueError("values_mbps=(): a trace has at least one value")
        for value in self.values_mbps:
            require_not_negative("values_mbps", value, MAX_MBPS)
        require_positive("period_s", self.period_s)
        require_not_negative("scale_ratio", self.scale_ratio, 1000)
        if type(self.offset) is not int or self.offset < 0:
            raise ValueError(f"offset={echo(self.offset)}: must be a whole number of at least 0")

    def rate_kbps(self, at_s: float) -> float:
        """The rate (1000 bit/s) at a time of at least 0, counted from the start of the trace."""
        index = self.offset + math.floor(at_s / self.period_s)
        value = self.values_mbps[index % len(self.values_mbps)]
        return value * KBIT_PER_MBIT * self.scale_ratio

    def next_change_s(self, at_s: float) -> float:
        """When the value after the one at `at_s` begins."""
        return (math.floor(at_s / self.period_s) + 1) * self.period_s


def constant_trace(mbps: float) -> LinkTrace:
    """A link of one rate."""
    return LinkTrace((mbps,))


def read_trace(path: Path, offset: int = 0, scale_ratio: float = 1.0) -> LinkTrace:
    """Reads a trace file: one value in Mbit/s per line; `#` begins a comment line.

    A comment `# period_s: 20` says how long each value holds; 1 s without it.

    Raises:
        UsageError: naming file and line, if the file cannot be read or is no trace.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text file"
        raise UsageError(f"{path}: {reason}") from None
    values: list[float] = []
    period_s = 1.0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        try:
            if match := _PERIOD_PATTERN.fullmatch(text):
                period_s = require_positive("period_s", _number("period_s", match[1]))
            elif text and not text.startswith("#"):
                values.append(
                    require_not_negative("rate_mbps", _number("rate_mbps", text), MAX_MBPS)
                )
        except ValueError as error:
            raise UsageError(f"{path}:{number}: {error}") from None
    if not values:
        raise UsageError(f"{path}: holds no value; a trace has at least one, in Mbit/s")
    try:
        return LinkTrace(tuple(values), period_s, offset, scale_ratio)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _number(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{field}={echo(text)}: must be a number") from None
