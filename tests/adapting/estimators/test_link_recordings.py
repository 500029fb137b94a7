"""The estimators over what real clients sent over shaped links: the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moonjelly.core.errors import UsageError

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
LINKS = BENCHMARKS / "results" / "links"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import estimators

    return estimators


def median_error(samples):
    return np.median([abs(one.error_ratio) for one in samples])


@pytest.mark.parametrize("name", ["lte_like-relay", "wifi_like-relay", "synthetic-relay"])
def test_ours_is_off_by_at_most_70_percent_of_what_the_published_filter_is_off_by(benchmark, name):
    recording = benchmark.read_recording(LINKS, name)
    ours = benchmark.samples(recording, "change_point")
    published = benchmark.samples(recording, "error_based")
    assert len(ours) == len(published) > 1000
    assert median_error(ours) <= 0.7 * median_error(published)


def test_a_replay_knows_no_ack_before_it_came(benchmark):
    recording = benchmark.read_recording(LINKS, "lte_like-relay")
    first = recording.frames[0]

    class Listener:
        wire_ms, heard = 0.0, ()

        def observe(self, frame, net_ms, now_ms):
            self.heard += (frame.sequence,)

        def bandwidth_kbps(self, now_ms, oldest=None):
            return 0.0 if oldest is None else float(oldest.sequence + 1)

    replay = benchmark.Replay(recording, listener := Listener())
    replay.advance(first.acked_ms - 0.01)
    assert listener.heard == ()
    assert replay.estimate_kbps(first.acked_ms - 0.01) == first.frame.sequence + 1, "under way"
    replay.advance(first.acked_ms)
    assert listener.heard == (first.frame.sequence,)
    assert replay.estimate_kbps(first.acked_ms) == 0.0, "nothing is under way"


def test_a_step_counts_from_when_the_rate_was_set_until_the_estimate_is_near(benchmark, tmp_path):
    frame = benchmark.SentFrame
    recorded = benchmark.read_recording.__globals__["RecordedFrame"]
    frames = [  # 200 kbit every 100 ms: 20 ms each, and 40 ms from 1000 ms on
        recorded(frame(k, 320, 200.0, 100.0 * k), 20.0 if k < 10 else 40.0, 0.0) for k in range(20)
    ]
    recording = benchmark.Recording("made-up", frames, [(0.0, 10_000.0), (1000.0, 5_000.0)])
    falls, rises = benchmark.lags_ms(recording, "error_based")
    assert falls == [40.0]
    assert rises == []


def test_what_is_no_recording_is_refused(benchmark, tmp_path):
    with pytest.raises(UsageError, match="holds no recording"):
        benchmark.run(tmp_path, tmp_path / "out")
    (tmp_path / "a.frames.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match=r"a\.frames\.csv\.gz: cannot be read"):
        benchmark.run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
