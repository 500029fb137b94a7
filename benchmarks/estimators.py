"""How well bandwidth estimators follow a link: every estimator over the same recordings, side by side.

Recordings come from `record_link.py`; those under `benchmarks/results/links/` are replayed by default, with
the same result each time. The error is taken at the moment when a frame is sent, since that is when the
estimate decides what is sent, against the rate that the link was set to at that moment.

    python benchmarks/estimators.py [--links FOLDER] [--out FOLDER]

Writes `estimators.csv`, a row for each recording and estimator, and `estimator_errors.csv`, the distribution
of the errors, which `moonjelly figures` draws.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from link_recording import Recording, read_recording, recording_names

from moonjelly.adapting.estimators import ESTIMATORS, BandwidthEstimator, SentFrame, make_estimator
from moonjelly.core.errors import MoonjellyError, UsageError

FIRST_KBPS = 5000.0
FAR_OFF = 0.2
"""An estimate is far off if it differs from the rate by more than this share of it."""
GRID_MS = 5.0
SHARES = tuple(round(0.02 * k, 2) for k in range(1, 50))
SUMMARY_COLUMNS = (
    "recording", "estimator", "num_frames", "median_error_ratio", "median_error_kbps", "p90_error_ratio",
    "bias_ratio", "overestimated_ratio", "num_falls", "fall_lag_p50_ms", "fall_lag_p90_ms",
    "num_rises", "rise_lag_p50_ms", "rise_lag_p90_ms",
)  # fmt: skip
ERROR_COLUMNS = ("recording", "estimator", "share_ratio", "error_ratio")


@dataclass(frozen=True, slots=True)
class Sample:
    """An estimate when a frame was sent."""

    estimate_kbps: float
    true_kbps: float

    @property
    def error_ratio(self) -> float:
        """Of the estimate, over the rate; negative where it is too low."""
        return self.estimate_kbps / self.true_kbps - 1


class Replay:
    """Tells an estimator what its client knew, as time goes on."""

    def __init__(self, recording: Recording, estimator: BandwidthEstimator) -> None:
        self._estimator = estimator
        self._to_send = deque(recording.frames)
        acked = [one for one in recording.frames if one.net_ms is not None]
        self._to_ack = deque(sorted(acked, key=lambda one: (one.acked_ms, one.frame.sequence)))
        self._under_way: dict[int, SentFrame] = {}
        self.has_heard = False

    def advance(self, now_ms: float) -> None:
        """Lets everything before a time happen; times never fall."""
        while self._to_send and self._to_send[0].frame.sent_ms < now_ms:
            one = self._to_send.popleft()
            self._under_way[one.frame.sequence] = one.frame
        while self._to_ack and self._to_ack[0].acked_ms <= now_ms:
            one = self._to_ack.popleft()
            self._estimator.wire_ms = one.wire_ms
            self._estimator.observe(one.frame, one.net_ms or 0.0, one.acked_ms)
            self._under_way = {
                number: frame
                for number, frame in self._under_way.items()
                if number > one.frame.sequence
            }
            self.has_heard = True

    def estimate_kbps(self, now_ms: float) -> float:
        """What the estimator says at a time; advance to it first."""
        return self._estimator.bandwidth_kbps(now_ms, self._oldest())

    def _oldest(self) -> SentFrame | None:
        return next(iter(self._under_way.values()), None)


def samples(recording: Recording, name: str) -> list[Sample]:
    """What an estimator said whenever a frame was sent, once a first ack was there."""
    replay = Replay(recording, make_estimator(FIRST_KBPS, recording.frames[0].wire_ms, name))
    found = []
    for one in recording.frames:
        now_ms = one.frame.sent_ms
        replay.advance(now_ms)
        true_kbps = recording.rate_kbps(now_ms)
        if replay.has_heard and true_kbps > 0:
            found.append(Sample(replay.estimate_kbps(now_ms), true_kbps))
    return found


def lags_ms(recording: Recording, name: str) -> tuple[list[float], list[float]]:
    """How long an estimator was far off after the link's rate fell, and after it rose.

    A step counts if the estimate is far off when it happens. Where the next step comes first, the lag
    is the time until then.
    """
    replay = Replay(recording, make_estimator(FIRST_KBPS, recording.frames[0].wire_ms, name))
    falls: list[float] = []
    rises: list[float] = []
    end_ms = recording.frames[-1].frame.sent_ms
    for at_ms, until_ms, before_kbps, rate_kbps in _steps(recording, end_ms):
        replay.advance(at_ms)
        if not replay.has_heard or rate_kbps in (before_kbps, 0.0):
            continue
        now_ms = at_ms
        while now_ms < until_ms:
            replay.advance(now_ms)
            if abs(replay.estimate_kbps(now_ms) / rate_kbps - 1) <= FAR_OFF:
                break
            now_ms += GRID_MS
        if now_ms > at_ms:
            (falls if rate_kbps < before_kbps else rises).append(min(now_ms, until_ms) - at_ms)
    return falls, rises


def _steps(recording: Recording, end_ms: float) -> Iterator[tuple[float, float, float, float]]:
    """When the rate was set, until when it held, the rate before and the rate since."""
    rates = [*recording.rates, (end_ms, 0.0)]
    for (_, before), (at_ms, rate), (until_ms, _) in zip(rates, rates[1:], rates[2:], strict=False):
        if until_ms <= end_ms:
            yield at_ms, until_ms, before, rate


def summarise(recording: Recording, name: str) -> tuple[list[object], list[list[object]]]:
    """The row of an estimator over a recording, and the rows of its errors' distribution."""
    found = samples(recording, name)
    errors = np.array([one.error_ratio for one in found])
    off_kbps = np.array([abs(one.estimate_kbps - one.true_kbps) for one in found])
    falls, rises = lags_ms(recording, name)
    row: list[object] = [
        recording.name, name, len(found),
        f"{np.median(abs(errors)):.4f}", f"{np.median(off_kbps):.0f}",
        f"{np.quantile(abs(errors), 0.9):.4f}", f"{np.median(errors):.4f}",
        f"{np.mean(errors > FAR_OFF):.4f}",
        *_lag_cells(falls), *_lag_cells(rises),
    ]  # fmt: skip
    quantiles = np.quantile(abs(errors), SHARES)
    rows: list[list[object]] = [
        [recording.name, name, share, f"{error:.5f}"]
        for share, error in zip(SHARES, quantiles, strict=True)
    ]
    return row, rows


def _lag_cells(lags: Sequence[float]) -> list[object]:
    if not lags:
        return [0, "", ""]
    return [len(lags), f"{np.median(lags):.0f}", f"{np.quantile(lags, 0.9):.0f}"]


def write_table(
    path: Path, command: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Writes a tidy table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# command: {command}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def run(links: Path, out: Path) -> None:
    """Replays every recording of a folder, prints the table and writes both files.

    Raises:
        UsageError: if there is no recording, or one cannot be read.
    """
    names = recording_names(links)
    if not names:
        raise UsageError(f"{links}: holds no recording; make some with benchmarks/record_link.py")
    rows, error_rows = [], []
    print(
        "recording              estimator      median error        p90    bias  > +20 %  lag after falls, rises"
    )
    for recording_name in names:
        recording = read_recording(links, recording_name)
        for name in ESTIMATORS:
            row, its_errors = summarise(recording, name)
            rows.append(row)
            error_rows += its_errors
            cells = dict(zip(SUMMARY_COLUMNS, row, strict=True))
            print(
                f"{recording_name:22} {name:14} {_percent(cells['median_error_ratio'])}"
                f" ({cells['median_error_kbps']:>5} kbit/s) {_percent(cells['p90_error_ratio'])}"
                f" {_percent(cells['bias_ratio'])} {_percent(cells['overestimated_ratio'])}"
                f"  {cells['fall_lag_p50_ms']:>5} {cells['rise_lag_p50_ms']:>5} ms",
                flush=True,
            )
    out.mkdir(parents=True, exist_ok=True)
    command = f"python benchmarks/estimators.py --links {links}"
    write_table(out / "estimators.csv", command, SUMMARY_COLUMNS, rows)
    write_table(out / "estimator_errors.csv", command, ERROR_COLUMNS, error_rows)


def _percent(cell: object) -> str:
    return f"{100 * float(str(cell)):6.1f} %"


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--links", type=Path, default=Path("benchmarks/results/links"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    try:
        run(arguments.links, arguments.out)
    except MoonjellyError as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
