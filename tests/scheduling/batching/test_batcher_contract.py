"""What every batcher owes, tried on odd queues."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.port import DeviceState, QueuedFrame
from moonjelly.scheduling.batching.registry import batcher
from moonjelly.scheduling.slowness import Slowness

NAMES = (
    *("deadline", "patient", "fair", "loudva"),
    *("fixed:1", "fixed:4", "interval:5", "interval:50"),
)
NOW_MS = 1000.0


@st.composite
def devices(draw):
    rows = draw(st.lists(st.tuples(st.floats(0.5, 60), st.floats(0, 20)), min_size=1, max_size=6))
    latency = BatchLatency.monotone(
        tuple(p50 for p50, _ in rows), tuple(p50 + tail for p50, tail in rows)
    )
    return DeviceState(
        Slowness(draw(st.floats(0.5, 4))).of(latency),
        draw(st.integers(1, latency.max_batch_size)),
        draw(st.sampled_from([0.0, 1e-3, 20.0, 500.0, 1e6])),
        draw(st.sampled_from([0.0, 2.0, 30.0])),
    )


@st.composite
def queues(draw):
    """In order of arrival; some hopeless, some not decoded, some of one deadline."""
    waits = sorted(draw(st.lists(st.floats(0, 200), max_size=20)), reverse=True)
    slack = st.one_of(st.sampled_from([0.0, 20.0, 100.0]), st.floats(-100, 400))
    return [
        QueuedFrame(
            100 + number,
            NOW_MS - wait,
            NOW_MS + draw(slack),
            draw(st.booleans()),
            draw(st.sampled_from(["local", "local", "north", "south"])),
        )
        for number, wait in enumerate(waits)
    ]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100, deadline=None)
@given(queue=queues(), device=devices())
def test_every_decision_can_be_carried_out(name, queue, device):
    decision = batcher(name).decide(queue, device, NOW_MS)
    dropped = [key for key, _ in decision.drop]
    ready = {frame.key for frame in queue if frame.is_ready}
    assert len({*decision.run, *dropped}) == len(decision.run) + len(dropped)
    assert {*decision.run, *dropped} <= {frame.key for frame in queue}
    assert set(decision.run) <= ready
    assert len(decision.run) <= device.batch_size
    if decision.wait_until_ms is not None:
        assert not decision.run
        assert decision.wait_until_ms > NOW_MS


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(queue=queues(), device=devices())
def test_a_queue_that_nothing_joins_comes_to_an_end(name, queue, device):
    policy = batcher(name)
    queue = [replace(frame, is_ready=True) for frame in queue]
    now_ms = NOW_MS
    for _ in range(60):
        decision = policy.decide(queue, device, now_ms)
        gone = {*decision.run, *(key for key, _ in decision.drop)}
        queue = [frame for frame in queue if frame.key not in gone]
        if decision.run:
            now_ms += device.latency.p50_ms[len(decision.run) - 1]
        elif queue:
            assert decision.wait_until_ms is not None
            now_ms = decision.wait_until_ms
    assert queue == []


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="must be one of deadline, patient, fair, loudva, fixed:FRAMES"
    ):
        batcher("magic")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        *(
            (f"fixed{rest}", "takes a whole number from 1 to 256")
            for rest in ("", ":", ":0", ":2.5")
        ),
        *(
            (f"fixed:{number}", "a whole number from 1 to 256")
            for number in ("x", "\u0663", "9" * 30)
        ),
        *((f"interval:{number}", "takes a number above 0") for number in ("", "-1", "x", "nan")),
        ("interval:1e9", "a number above 0 and at most 60000"),
    ],
)
def test_a_bad_number_is_named_with_its_rule(name, rule):
    with pytest.raises(ValueError, match=rule) as refused:
        batcher(name)
    assert str(refused.value).startswith(f"batcher={name!a}: ")


def test_deadline_takes_no_number():
    with pytest.raises(ValueError, match="must be one of"):
        batcher("deadline:3")
