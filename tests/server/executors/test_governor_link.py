"""An executor and its governor, which may come late, be killed and come again."""

from __future__ import annotations

import selectors
from collections.abc import Iterator

import pytest

from moonjelly.energy.port import ClockAsker
from moonjelly.protos.internal_pb2 import ClockReached, EnergyRead, Envelope
from moonjelly.server.executors.governor_link import GovernorLink
from moonjelly.server.wire.channel import Channel, socket_pair


class Bench:
    """The link of an executor, and whichever governor it has."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.link = GovernorLink(self.selector)
        self.heard: list[float | None] = []
        self.link.on_energy = lambda read: self.heard.append(read and read.total_mj)

    def start_governor(self) -> Channel:
        ours, theirs = socket_pair()
        self.link.attach(Channel(ours))
        return Channel(theirs)

    def step(self) -> None:
        for key, _ in self.selector.select(1.0):
            key.data()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.link.drop()
    made.selector.close()


def asked(governor: Channel) -> list[float]:
    return [envelope.clock_asked.mhz for envelope, _ in governor.drain()]


def reached(mhz: float, problem: str = "") -> Envelope:
    return Envelope(clock_reached=ClockReached(mhz=mhz, problem=problem))


def test_what_is_asked_before_there_is_a_governor_is_asked_when_it_comes_and_once(
    bench: Bench,
) -> None:
    assert isinstance(bench.link, ClockAsker)
    for mhz in (500.0, 700.0, 700.0):
        bench.link.ask_clock(mhz)
    governor = bench.start_governor()
    bench.link.ask_clock(700.0)
    assert asked(governor) == [700.0]
    bench.link.ask_clock(500.0)
    assert asked(governor) == [500.0]
    governor.close()


def test_a_clock_is_known_once_it_is_reached_with_why_it_is_another(bench: Bench) -> None:
    governor = bench.start_governor()
    assert bench.link.clock_mhz is None
    for told, known in [
        (reached(500.0), (500.0, "")),
        (reached(400.0, "asked for 500"), (400.0, "asked for 500")),
        (reached(0.0, "only root may set it"), (None, "only root may set it")),
        (reached(500.0), (500.0, "")),
    ]:
        governor.send(told)
        bench.step()
        assert (bench.link.clock_mhz, bench.link.clock_problem) == known
    governor.close()


def test_a_governor_that_is_killed_leaves_the_clock_unknown_and_the_next_is_asked_again(
    bench: Bench,
) -> None:
    first = bench.start_governor()
    bench.link.ask_clock(500.0)
    first.send(reached(500.0))
    first.send(Envelope(energy_read=EnergyRead(total_mj=7.0)))
    bench.step()
    first.close()
    bench.step()
    assert bench.link.clock_mhz is None
    assert bench.heard == [7.0, None]
    bench.link.ask_clock(700.0)  # nobody hears it yet
    second = bench.start_governor()
    assert asked(second) == [700.0]
    second.send(reached(700.0))
    bench.step()
    assert bench.link.clock_mhz == 700.0
    second.close()


def test_a_governor_that_comes_before_the_other_has_gone_takes_its_place(bench: Bench) -> None:
    first = bench.start_governor()
    bench.link.ask_clock(500.0)
    second = bench.start_governor()
    assert asked(second) == [500.0]
    bench.link.ask_clock(700.0)
    assert asked(second) == [700.0]
    first.close()
    second.close()
