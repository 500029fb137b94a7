"""What came of each tenant of a run, and how evenly; docs/metrics.md defines each field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..core.records import FrameRecord
from ..core.verdict import Verdict

WINDOW_MS = 10_000.0


@dataclass(slots=True)
class Share:
    """What somebody had in a window of time.

    Attributes:
        captured: frames.
        in_time: answered within the SLO.
        worth: of those, accuracy added up.
        device_ms: parts of the batches that ran answered frames.
        energy_mj: above idle, of answered frames whose energy is known.
        num_metered: how many those are.
    """

    captured: int = 0
    in_time: int = 0
    worth: float = 0.0
    device_ms: float = 0.0
    energy_mj: float = 0.0
    num_metered: int = 0

    def add(self, frame: FrameRecord, worth: float) -> None:
        """Counts a frame; `worth` is the accuracy of its answer, 0 if it was not in time."""
        self.captured += 1
        self.in_time += frame.verdict == Verdict.IN_TIME
        self.worth += worth
        if frame.inference_ms is not None and frame.batch_size:
            self.device_ms += frame.inference_ms / frame.batch_size
        if frame.energy_mj is not None:
            self.energy_mj += frame.energy_mj
            self.num_metered += 1

    def __iadd__(self, other: Share) -> Share:
        """Adds what somebody else had."""
        for name in Share.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


Windows = Mapping[int, Share]
"""By number, from the zero of `captured_ms`."""


@dataclass(frozen=True, slots=True)
class TenantOutcome:
    """What came of one tenant's streams.

    Attributes:
        streams: how many it had.
        captured: frames of all of them; likewise in_time.
        in_time_ratio: in_time over captured; None if nothing was captured.
        least_window_ratio: the same in the 10 s in which it was least.
        weighted_goodput_fps: answers in time per second, each by its accuracy; None where no zoo tells it.
        device_s: its frames' parts of batches.
        energy_j: above idle; None where no frame's energy is known.
    """

    streams: int
    captured: int
    in_time: int
    in_time_ratio: float | None
    least_window_ratio: float | None
    weighted_goodput_fps: float | None
    device_s: float
    energy_j: float | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """How evenly tenants fared.

    Attributes:
        least_in_time_ratio: of the tenant that fared worst; likewise least_window_ratio, in its worst 10 s.
        jain_in_time: Jain's index of the shares of frames in time: 1 if all are alike, 1/n if one of n has all.
        jain_device: likewise of device time.
    """

    least_in_time_ratio: float | None
    least_window_ratio: float | None
    jain_in_time: float | None
    jain_device: float | None


class TenantWindow(NamedTuple):
    """A row of `tenants.csv`: what a tenant had in 10 s."""

    tenant: str
    begin_ms: float  # on the zero of frames.csv
    captured: int
    in_time: int
    weighted_in_time: float | None  # each of those by its accuracy
    device_s: float
    energy_j: float | None


def outcomes(
    windows: Mapping[str, Sequence[Windows]], seconds: float, *, has_worth: bool
) -> Mapping[str, TenantOutcome]:
    """What came of each tenant, whose streams' windows are given; empty if there is only one.

    Args:
        windows: by tenant, one of each stream.
        seconds: of the run.
        has_worth: whether accuracy is known.
    """
    if len(windows) < 2:  # noqa: PLR2004 nobody to be compared with
        return {}
    return {
        tenant: _outcome(len(streams), together(streams), seconds, has_worth=has_worth)
        for tenant, streams in windows.items()
    }


def rows(windows: Mapping[str, Sequence[Windows]], *, has_worth: bool) -> list[TenantWindow]:
    """The windows of each tenant, in order of time."""
    found = []
    for tenant, streams in windows.items():
        for number, had in sorted(together(streams).items()):
            energy_j = had.energy_mj / 1000 if had.num_metered else None
            facts = had.worth if has_worth else None, had.device_ms / 1000, energy_j
            found.append(
                TenantWindow(tenant, number * WINDOW_MS, had.captured, had.in_time, *facts)
            )
    return found


def fairness_of(tenants: Mapping[str, TenantOutcome]) -> Fairness | None:
    """How evenly they fared; None without tenants."""
    if not tenants:
        return None
    ratios = [one.in_time_ratio for one in tenants.values() if one.in_time_ratio is not None]
    lows = [
        one.least_window_ratio for one in tenants.values() if one.least_window_ratio is not None
    ]
    return Fairness(
        least_in_time_ratio=min(ratios, default=None),
        least_window_ratio=min(lows, default=None),
        jain_in_time=jain_index(ratios),
        jain_device=jain_index([one.device_s for one in tenants.values()]),
    )


def jain_index(values: Sequence[float]) -> float | None:
    """Square of the sum over n times the sum of squares; None where there is nothing to divide.

    Source: Jain, Chiu, Hawe: A Quantitative Measure of Fairness (DEC-TR-301, 1984).
    """
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else None


def in_words(tenant: str, outcome: TenantOutcome) -> str:
    """A line of a tenant."""
    ratio = "-" if outcome.in_time_ratio is None else f"{outcome.in_time_ratio:.1%}"
    low = "-" if outcome.least_window_ratio is None else f"{outcome.least_window_ratio:.1%}"
    text = f"{tenant}: {ratio} of {outcome.captured} frames in time, {low} in its worst 10 s"
    if outcome.weighted_goodput_fps is not None:
        text += f", {outcome.weighted_goodput_fps:.4g} frames/s by accuracy"
    text += f", {outcome.device_s:.4g} s of devices"
    return text if outcome.energy_j is None else f"{text}, {outcome.energy_j:.4g} J"


def fairness_in_words(fairness: Fairness) -> str:
    """A line of how even it was."""
    least, in_time, device = (
        "-" if value is None else f"{value:.3f}"
        for value in (fairness.least_in_time_ratio, fairness.jain_in_time, fairness.jain_device)
    )
    return f"between tenants: {least} in time at least; Jain's index of that {in_time}, of device time {device}"


def together(streams: Iterable[Windows]) -> Windows:
    """Adds up the windows of several streams."""
    every: defaultdict[int, Share] = defaultdict(Share)
    for windows in streams:
        for number, share in windows.items():
            every[number] += share
    return every


def _outcome(
    num_streams: int, windows: Windows, seconds: float, *, has_worth: bool
) -> TenantOutcome:
    whole = Share()
    for share in windows.values():
        whole += share
    ratios = [one.in_time / one.captured for one in windows.values()]
    return TenantOutcome(
        streams=num_streams,
        captured=whole.captured,
        in_time=whole.in_time,
        in_time_ratio=whole.in_time / whole.captured if whole.captured else None,
        least_window_ratio=min(ratios, default=None),
        weighted_goodput_fps=whole.worth / seconds if has_worth and seconds > 0 else None,
        device_s=whole.device_ms / 1000,
        energy_j=whole.energy_mj / 1000 if whole.num_metered else None,
    )
