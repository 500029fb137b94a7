from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.reporting.tally import SeenSequences, StreamTally, quantiles_ms, together


@given(st.lists(st.integers(0, 40)))
def test_sequences_are_counted_once_whatever_their_order(sequences):
    seen = SeenSequences()
    for number, sequence in enumerate(sequences, 1):
        seen.add(sequence)
        assert len(seen) == len(set(sequences[:number]))


def test_sequences_that_come_in_order_take_no_room():
    seen = SeenSequences()
    for sequence in (1, 0, 3, 2, 5, 4):
        seen.add(sequence)
    assert (len(seen), seen._beyond) == (6, set())


@given(st.lists(st.lists(st.floats(0, 16_000), max_size=30), max_size=4))
def test_quantiles_are_those_of_all_latencies_together(groups):
    tallies = []
    for latencies in groups:
        tallies.append(StreamTally())
        for sequence, ms in enumerate(latencies):
            tallies[-1].add(FrameRecord("cam", sequence, 0.0, Verdict.IN_TIME, latency_ms=ms))
    every = [ms for latencies in groups for ms in latencies]
    found = quantiles_ms(tallies, 0.5, 0.99)
    if every:
        assert found == pytest.approx(np.quantile(every, [0.5, 0.99]), abs=1e-3)
    else:
        assert found == [None, None]


def test_counts_of_several_streams_add_up():
    tallies = []
    for stream_id in ("a", "b"):
        tallies.append(StreamTally())
        tallies[-1].add(FrameRecord(stream_id, 0, 0.0, "in_time", side_px=100, variant="n"))
        tallies[-1].add(FrameRecord(stream_id, 1, 0.0, "dropped", "client", "superseded"))
    every = together(tallies)
    assert (every.total(Verdict.IN_TIME), every.total(Verdict.DROPPED)) == (2, 2)
    assert every.dropped_by() == {"client": {"superseded": 2}}
    assert (every.variants, every.mean_side_px()) == ({"n": 2}, 100)
