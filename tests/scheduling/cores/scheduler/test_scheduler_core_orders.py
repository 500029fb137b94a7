"""What happens at the same moment may be heard of in any order: the plans are the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.stream import Stream
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceLost,
    DeviceReported,
    EndpointCame,
    EndpointLost,
    JoinAsked,
    JoinLeft,
    Reported,
    Stimulus,
)
from moonjelly.scheduling.slowness import Slowness

PERIOD_MS = 500.0
STREAMS = {"e0": "abc", "e1": "xyz"}
DEVICES = ("d0", "d1", "stranger")
rates = st.sampled_from([10.0, 60.0, 240.0])
links = st.sampled_from([0.001, 3000.0, 1e5])


@st.composite
def endpoint_words(draw: st.DrawFn, endpoint: str) -> list[Stimulus]:
    """What one endpoint says, in its order."""
    names = st.sampled_from(STREAMS[endpoint])
    words: list[Stimulus] = []
    for request in range(draw(st.integers(1, 4))):
        match draw(st.integers(0, 5)):
            case 0 | 1:
                wanted = Stream(draw(names), draw(rates), 200.0, 1e5)
                words.append(JoinAsked(endpoint, request, wanted))
            case 2:
                words.append(JoinLeft(endpoint, request - 1, draw(names)))
            case 3 | 4:
                streams = (Stream(draw(names), draw(rates), 200.0, draw(links)),)
                silent = tuple(sorted(draw(st.sets(st.sampled_from(DEVICES)))))
                words.append(Reported(endpoint, streams, silent_devices=silent))
            case 5:
                words += [EndpointLost(endpoint), EndpointCame(endpoint)]
    return words


@st.composite
def device_words(draw: st.DrawFn, announced: Any, device: str) -> list[Stimulus]:
    """What one device says in each of its lives, in its order; anybody may be late."""
    words: list[Stimulus] = []
    for generation in range(1, draw(st.integers(1, 4))):
        words.append(announced(device, generation, is_leaving=draw(st.booleans())))
        ratio = draw(st.sampled_from([0.5, 1.0, 3.0, 12.0]))
        words.append(DeviceReported(device, generation, Slowness(ratio)))
        if draw(st.booleans()):
            words.append(DeviceLost(device, generation))
    return words


def interleaved(draw: st.DrawFn, sources: list[list[Stimulus]]) -> list[Stimulus]:
    """The words of all sources, each source's in its order."""
    turns = [number for number, words in enumerate(sources) for _ in words]
    left = [iter(words) for words in sources]
    return [next(left[number]) for number in draw(st.permutations(turns))]


def test_two_orders_of_what_happens_at_once_end_in_the_same_plan(make_core, announced) -> None:
    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        sources = [data.draw(endpoint_words(endpoint)) for endpoint in STREAMS]
        sources += [data.draw(device_words(announced, device)) for device in DEVICES]
        outcomes = []
        for _ in range(2):
            core = make_core(num_devices=2, num_endpoints=2)
            for endpoint in STREAMS:
                core.feed(EndpointCame(endpoint))
                core.feed(Reported(endpoint, (Stream(STREAMS[endpoint][0], 30.0, 200.0, 1e5),)))
            core.feed(announced("d0", 0))
            core.feed(announced("d1", 0))
            core.wait(PERIOD_MS)
            for word in interleaved(data.draw, sources):
                core.feed(word)
            core.wait(3 * PERIOD_MS)
            plans = {endpoint: told.plan for endpoint, told in core.told.items()}
            outcomes.append((plans, core.orders, core.answers))
        assert outcomes[0] == outcomes[1]

    check()
