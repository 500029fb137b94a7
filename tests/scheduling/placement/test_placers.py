"""Policies that choose nodes: no frame is lost, held ones are asked for again, and each keeps its own rule."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.verdict import Reason
from moonjelly.scheduling.placement.cheapest import Costs
from moonjelly.scheduling.placement.loudva import LoudVAPlacer, LoudVARules
from moonjelly.scheduling.placement.planned import PlannedPlacer
from moonjelly.scheduling.placement.port import NodeView, Placement, Placer, WaitingFrame
from moonjelly.scheduling.placement.round_robin import MOST_WAIT_MS, RoundRobinPlacer, Turn

MOST = {"agx": 64, "nx": 8, "nano": 4}
CLOCKS_MHZ = dict.fromkeys(MOST, (100.0, 500.0, 900.0))
COSTS = {  # (2 clocks, sizes): faster and dearer above; larger batches are cheaper
    name: Costs(
        np.array([100.0, 900.0]),
        np.array([[900.0], [100.0]]) + np.array([[90.0], [10.0]]) * np.arange(most),
        np.array([[300.0], [500.0]]) + 400 / np.arange(1.0, most + 1),
    )
    for name, most in MOST.items()
}
SWITCH_MS = dict.fromkeys(MOST, 500.0)


def loudva(**rules: object) -> LoudVAPlacer:
    return LoudVAPlacer(COSTS, LoudVARules(switch_ms=SWITCH_MS, **rules))  # type: ignore[arg-type]


PLACERS: dict[str, Callable[[], Placer]] = {
    "planned": PlannedPlacer,
    "all at once": lambda: RoundRobinPlacer(MOST),
    "free": lambda: RoundRobinPlacer(MOST, turn=Turn.FREE),
    "fixed": lambda: RoundRobinPlacer(MOST, batch_size=8),
    "interval": lambda: RoundRobinPlacer(MOST, interval_ms=200),
    "random": lambda: RoundRobinPlacer(MOST, turn=Turn.RANDOM, clocks_mhz=CLOCKS_MHZ),
    "loudva as published": lambda: loudva(is_mended=False),
    "loudva mended": loudva,
    "loudva without a buffer": lambda: loudva(num_buffered=0, transfer_ms=lambda n: 92.0 * n),
}


def frames_of(count: int, *, at_ms: float = 0.0, slo_ms: float = 1000.0) -> list[WaitingFrame]:
    return [WaitingFrame(key, at_ms, at_ms + slo_ms) for key in range(count)]


def nodes_of(*names: str, **facts: object) -> dict[str, NodeView]:
    return {name: NodeView(name, **facts) for name in names}  # type: ignore[arg-type]


def check(placed: Placement, frames: list[WaitingFrame], now_ms: float) -> set[int]:
    """The keys that are sent or dropped, each once and each known; what is held is asked for in the future."""
    gone = [key for one in placed.send for key in one.keys] + [key for key, _ in placed.drop]
    assert len(gone) == len(set(gone))
    assert set(gone) <= {one.key for one in frames}
    assert all(one.keys for one in placed.send)
    assert placed.hold_until_ms is None or placed.hold_until_ms > now_ms
    return set(gone)


@pytest.mark.parametrize("name", PLACERS)
@given(data=st.data())
def test_every_frame_is_sent_dropped_or_held(name: str, data: st.DataObject) -> None:
    placer, now_ms, key = PLACERS[name](), 0.0, 0
    waiting: list[WaitingFrame] = []
    for _ in range(data.draw(st.integers(1, 12))):
        now_ms += data.draw(st.floats(0, 5000))
        for _ in range(data.draw(st.integers(0, 20))):
            slo_ms = data.draw(st.floats(-50, 20_000))
            planned = data.draw(st.sampled_from(["", "agx", "nano", "gone"]))
            waiting.append(WaitingFrame(key, now_ms, now_ms + slo_ms, planned))
            key += 1
        nodes = {
            one: NodeView(
                one,
                queued=data.draw(st.integers(0, 9)),
                service_ms=data.draw(st.sampled_from([30.0, 400.0, float("inf")])),
                alive=data.draw(st.booleans()),
                is_shunned=data.draw(st.booleans()),
                num_batches=data.draw(st.integers(0, 3)),
                free_at_ms=now_ms + data.draw(st.floats(-100, 3000)),
                clock_mhz=data.draw(st.sampled_from([None, 100.0, 900.0])),
            )
            for one in data.draw(st.sets(st.sampled_from(sorted(MOST))))
        }
        placed = placer.place(waiting, nodes, now_ms)
        gone = check(placed, waiting, now_ms)
        assert all(one.node_id in nodes for one in placed.send)
        assert {name for name, _ in placed.clocks} <= nodes.keys()
        waiting = [one for one in waiting if one.key not in gone]


def test_a_frame_goes_to_its_planned_node() -> None:
    nodes = nodes_of("agx", "nx", service_ms=30.0)
    placed = PlannedPlacer().place([WaitingFrame(7, 0, 1000, "nx")], nodes, 0)
    assert [(one.node_id, one.keys) for one in placed.send] == [("nx", (7,))]


def test_where_the_planned_node_is_silent_the_idlest_that_can_make_it_is_taken() -> None:
    nodes = {
        "agx": NodeView("agx", 0, 30.0, alive=False),
        "nx": NodeView("nx", 5, 40.0),
        "nano": NodeView("nano", 1, 200.0),
    }
    soon, later = WaitingFrame(1, 0, 100, "agx"), WaitingFrame(2, 0, 300, "agx")
    placed = PlannedPlacer().place([soon, later], nodes, 0)
    assert [one.node_id for one in placed.send] == ["nx", "nano"]
    assert PlannedPlacer().place([WaitingFrame(3, 0, 10, "agx")], nodes, 0).send[0].node_id == "agx"
    lost = PlannedPlacer().place([WaitingFrame(4, 0, 10, "gone")], nodes, 0)
    assert lost.drop == ((4, Reason.EXECUTOR_LOST),)


def test_a_shunned_node_is_the_last_choice() -> None:
    nodes = {
        "agx": NodeView("agx", 0, 30.0, is_shunned=True),
        "nx": NodeView("nx", 9, 40.0),
    }
    frame = WaitingFrame(1, 0, 1000, "agx")
    assert PlannedPlacer().place([frame], nodes, 0).send[0].node_id == "nx"


def test_all_that_waits_goes_to_the_next_node_whatever_it_has_to_do() -> None:
    placer = RoundRobinPlacer(MOST)
    nodes = nodes_of(*MOST, num_batches=9)
    placed = placer.place(frames_of(70), nodes, 0)
    assert [(one.node_id, len(one.keys)) for one in placed.send] == [("agx", 64), ("nx", 6)]
    assert placer.place(frames_of(3), nodes, 0).send[0].node_id == "nano"


def test_free_nodes_take_turns_and_frames_wait_where_none_is() -> None:
    placer = RoundRobinPlacer(MOST, turn=Turn.FREE)
    nodes = nodes_of(*MOST)
    nodes["agx"].num_batches = 1
    placed = placer.place(frames_of(20), nodes, 0)
    assert [(one.node_id, len(one.keys)) for one in placed.send] == [("nx", 8), ("nano", 4)]
    assert placer.place(frames_of(3), nodes_of("agx", num_batches=1), 0) == Placement()


def test_a_fixed_batch_fills_up_or_its_oldest_frame_has_waited_enough() -> None:
    placer = RoundRobinPlacer({"agx": 64, "nano": 4}, batch_size=8)
    nodes = nodes_of("agx", "nano")
    held = placer.place(frames_of(7), nodes, 10.0)
    assert not held.send
    assert held.hold_until_ms == MOST_WAIT_MS
    assert len(placer.place(frames_of(7), nodes, MOST_WAIT_MS).send[0].keys) == 7
    placed = placer.place(frames_of(19), nodes_of("agx"), 0.0)
    assert [len(one.keys) for one in placed.send] == [8, 8]
    nano = nodes_of("nano")
    assert len(placer.place(frames_of(4), nano, 20.0).send[0].keys) == 4  # the Nano takes no more


def test_an_interval_has_one_batch_a_tick() -> None:
    placer = RoundRobinPlacer({"agx": 4}, interval_ms=200)
    nodes = nodes_of("agx")
    assert placer.place(frames_of(9), nodes, 130.0).hold_until_ms == 200.0
    assert len(placer.place(frames_of(9), nodes, 200.0).send[0].keys) == 4
    assert placer.place(frames_of(5), nodes, 200.0).hold_until_ms == 400.0
    assert len(placer.place(frames_of(5), nodes, 400.0).send[0].keys) == 4


def test_random_draws_free_nodes_sizes_and_clocks_by_its_seed() -> None:
    def draws(seed: int) -> list[object]:
        placer = RoundRobinPlacer(
            MOST,
            turn=Turn.RANDOM,
            clocks_mhz=CLOCKS_MHZ,
            random=Random(seed),
        )
        return [placer.place(frames_of(30), nodes_of(*MOST), 0).send for _ in range(20)]

    assert draws(1) == draws(1) != draws(2)
    sent = [one for send in draws(3) for one in send]  # type: ignore[attr-defined]
    assert {one.node_id for one in sent} == set(MOST)
    assert {one.clock_mhz for one in sent} == {100.0, 500.0, 900.0}
    assert all(len(one.keys) <= MOST[one.node_id] for one in sent)
