from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_scenarios import Ran, scenario, steps, stream

from moonjelly.client.reconcile import compare
from moonjelly.core.mode import Mode, PowerTable
from moonjelly.core.profile import BatchLatency
from moonjelly.core.verdict import Verdict
from moonjelly.links.traces import LinkTrace, constant_trace
from moonjelly.simulation import cameras
from moonjelly.simulation.absences import Absences
from moonjelly.simulation.devices import draw_latency
from moonjelly.simulation.frame import SimulatedFrame
from moonjelly.simulation.scenario import Sampling, ServerModel

streams_of_any_kind = st.builds(
    dict,
    fps=st.sampled_from([0.7, 5.0, 25.0, 60.0]),
    slo_ms=st.sampled_from([20.0, 80.0, 200.0, 1500.0]),
    link=st.sampled_from(
        [constant_trace(0.3), constant_trace(5.0), constant_trace(50.0), constant_trace(0.0)]
    )
    | st.lists(st.sampled_from([0.0, 0.4, 4.0, 30.0]), min_size=2, max_size=4).map(
        lambda values: LinkTrace(tuple(values), 0.4)
    ),
    wire_ms=st.sampled_from([0.0, 1.0, 40.0]),
    join_s=st.sampled_from([0.0, 0.6]),
    leave_s=st.sampled_from([None, 1.1]),
    first_kbps=st.sampled_from([500.0, 10_000.0]),
    frame_size_spread=st.sampled_from([0.0, 0.4]),
    encode_ms=st.sampled_from([0.0, 3.0, 70.0]),
)


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(streams_of_any_kind, min_size=1, max_size=5),
    num_devices=st.integers(1, 2),
    batcher=st.sampled_from(["deadline", "fixed:3", "interval:20"]),
    seed=st.integers(0, 5),
    delays_ms=st.sampled_from([(0.0, 0.0), (40.0, 300.0), (700.0, 0.0)]),
)
def test_every_captured_frame_ends_exactly_once(kinds, num_devices, batcher, seed, delays_ms):
    streams = [stream(f"s{number}", **kind) for number, kind in enumerate(kinds)]
    plan_ms, load_ms = delays_ms
    server = ServerModel(
        planner="greedy", batcher=batcher, plan_ms=plan_ms, load_ms=load_ms, loaded_variants=1
    )
    ran = Ran(
        scenario(*streams, num_devices=num_devices, seconds=1.5, seed=seed, server=server)
    ).finish()
    assert ran.simulation.num_events == 0
    assert compare(ran.frames, ran.server_frames) == []  # as after a live run
    rows = defaultdict(list)
    for row in ran.frames:
        rows[row.stream_id].append(row.sequence)
        is_answered = row.verdict != Verdict.DROPPED
        assert is_answered == (row.latency_ms is not None)
        assert bool(row.reason) != is_answered
    for result in ran.results:
        ledger, asked = result.ledger, result.stream
        ledger.check_invariants()
        assert ledger.lost == ledger.duplicated == 0
        assert sorted(rows[asked.stream_id]) == list(range(ledger.captured))
        if result.refusal is None:
            seconds = min(1.5, asked.leave_s or 1.5) - asked.join_s
            assert ledger.captured == max(1, round(seconds * asked.fps))
        else:
            assert ledger.captured == 0


def test_on_a_steady_link_latency_is_the_sum_of_its_parts():
    what = scenario(
        stream(link=constant_trace(10.0), first_kbps=10_000.0, wire_ms=5.0, encode_ms=2.0),
        server=ServerModel(
            planner="greedy", arrival_ms=0.5, answer_ms=0.5, sampling=Sampling.REPLAYED
        ),
    )
    ran = Ran(what).finish()
    settled = [
        row for row in ran.frames if row.captured_ms > 500
    ]  # an empty server runs the small one
    assert {row.variant for row in settled} == {"large"}
    # encoded, 300 kbit at 10 Mbit/s, wire, to the executor, batch of one, out, wire
    expected_ms = 2.0 + 30.0 + 5.0 + 0.5 + 20.0 + 0.5 + 5.0
    for row in settled:
        assert row.latency_ms == pytest.approx(expected_ms, abs=1e-6)
        assert row.network_ms == pytest.approx(30.0 + 2 * 5.0, abs=1e-6)
        assert row.server_ms == pytest.approx(0.5 + 20.0 + 0.5, abs=1e-6)


def test_a_seed_fixes_everything_even_between_runs_that_take_turns():
    what = scenario(
        stream("a", frame_size_spread=0.2, link=steps(20, 3, 8, period_s=0.5)),
        stream("b", fps=25.0, slo_ms=120.0),
        seconds=3.0,
        server=ServerModel(planner="sa-dp"),
    )
    alone = Ran(what).finish()
    one, other = Ran(what), Ran(dataclasses.replace(what, seed=7))
    for step in range(40):
        one.simulation.run_until(100.0 * step)
        other.simulation.run_until(100.0 * step)
    one.finish()
    other.finish()
    assert (one.frames, one.plans, one.batches) == (alone.frames, alone.plans, alone.batches)
    assert other.frames != one.frames


def test_a_stream_more_leaves_the_chance_of_the_others_alone():
    few = Ran(scenario(stream("a"), seconds=1.0)).finish()
    more = Ran(scenario(stream("a"), stream("b"), seconds=1.0)).finish()
    of_a = [row.captured_ms for row in more.frames if row.stream_id == "a"]
    assert of_a == [row.captured_ms for row in few.frames]


def test_in_overload_some_are_refused_and_the_others_served_in_time():
    # one device carries 4 small frames in 8 ms: 500 frames/s
    streams = [stream(f"s{n}", fps=50.0, slo_ms=120.0, join_s=0.1 * n) for n in range(14)]
    ran = Ran(scenario(*streams, seconds=4.0)).finish()
    refused = [result for result in ran.results if result.refusal is not None]
    assert 4 <= len(refused) <= 8
    assert all(result.refusal.reason == "overload" for result in refused)
    assert all(
        offer.fps < 50 or offer.slo_ms > 120 for r in refused for offer in r.refusal.counter_offers
    )
    assert refused[0].refusal.counter_offers
    assert ran.share_in_time() > 0.97


def test_a_stream_that_no_server_could_serve_is_told_so():
    ran = Ran(scenario(stream(slo_ms=12.0))).finish()
    (result,) = ran.results
    assert result.refusal is not None
    assert result.refusal.reason == "infeasible"
    assert not ran.frames


def test_plans_follow_a_link_that_falls():
    what = scenario(stream(link=steps(20.0, 1.0, period_s=3.0), slo_ms=250.0), seconds=6.0)
    ran = Ran(what).finish()
    before = {
        r.variant for r in ran.frames if r.verdict == "in_time" and 500 < r.captured_ms < 2900
    }
    after = {r.variant for r in ran.frames if r.verdict == "in_time" and r.captured_ms > 4500}
    assert before == {"large"}
    assert after == {"small"}
    assert "link_jump" in {plan.cause for plan in ran.plans}
    in_force = [plan.epoch for plan in ran.plans]
    assert in_force == sorted(in_force)
    assert ran.share_in_time() > 0.85


def test_plans_give_the_place_of_those_who_left_to_the_others():
    patient = stream("stays", fps=30.0, slo_ms=200.0)
    others = [stream(f"s{n}", fps=60.0, leave_s=2.0) for n in range(3)]
    ran = Ran(scenario(patient, *others, seconds=5.0)).finish()
    mine = [row for row in ran.frames if row.stream_id == "stays"]
    assert {row.variant for row in mine if 600 < row.captured_ms < 1900} == {"small"}
    assert {row.variant for row in mine if row.captured_ms > 2600} == {"large"}
    assert "leave" in {plan.cause for plan in ran.plans}


def test_batches_keep_to_the_plan_and_do_not_overlap():
    streams = [stream(f"s{n}", fps=40.0, slo_ms=150.0) for n in range(8)]
    ran = Ran(scenario(*streams, num_devices=2, seconds=3.0)).finish()
    assert any(batch.batch_size > 1 for batch in ran.batches)
    free_ms = defaultdict(lambda: -math.inf)
    for batch in ran.batches:
        assert batch.batch_size <= batch.plan_batch_size
        assert batch.at_ms >= free_ms[batch.device_id] - 1e-9
        free_ms[batch.device_id] = batch.at_ms + batch.inference_ms
    assert sum(batch.batch_size for batch in ran.batches) == sum(
        row.batch_size is not None for row in ran.frames
    )


def test_batch_times_have_the_median_and_tail_of_their_profile():
    latencies = {"v": BatchLatency((10.0, 20.0), (15.0, 21.0))}
    draw_ms = draw_latency(Sampling.LOG_NORMAL, latencies, Random(3))
    drawn = sorted(draw_ms("v", 1) for _ in range(4000))
    assert drawn[2000] == pytest.approx(10.0, rel=0.02)
    assert drawn[3960] == pytest.approx(15.0, rel=0.04)


def test_a_plan_is_in_force_when_it_has_been_made():
    def joined_ms(plan_ms: float) -> float:
        server = ServerModel(plan_ms=plan_ms)
        ran = Ran(scenario(stream("cam", phase_s=0.0), seconds=2.0, server=server)).finish()
        assert all(one.refusal is None for one in ran.results)
        assert {plan.plan_ms for plan in ran.plans} == {plan_ms}
        return ran.frames[0].captured_ms

    assert joined_ms(70.0) == pytest.approx(joined_ms(0.0) + 70.0)


def test_a_camera_begins_when_it_is_told_but_not_before_it_is_admitted():
    what = scenario(
        stream("early", phase_s=0.5, first_frame_s=0.1),
        stream("late", phase_s=0.0, first_frame_s=0.7),
    )
    ran = Ran(what).finish()
    first_ms = {
        name: min(row.captured_ms for row in ran.frames if row.stream_id == name)
        for name in ("early", "late")
    }
    assert first_ms["early"] == pytest.approx(500.0)
    assert first_ms["late"] == pytest.approx(700.0)


def test_fewer_attributes_of_a_frame_are_set_than_python_keeps_side_by_side(monkeypatch):
    made = []

    class WatchedFrame(SimulatedFrame):
        def __init__(self, stream_id, sequence, captured_ms):
            super().__init__(stream_id, sequence, captured_ms)
            made.append(self)

    monkeypatch.setattr(cameras, "SimulatedFrame", WatchedFrame)
    ran = Ran(scenario()).finish()
    assert len(made) == len(ran.frames) > 0
    assert {row.verdict for row in ran.frames} == {Verdict.IN_TIME}
    assert max(len(vars(frame)) for frame in made) < 30


POWER = PowerTable(
    {Mode(v, n): 10.0 * (v + 1) + n for v in (0, 1) for n in range(1, 5)}, {None: 4.0}
)


@settings(max_examples=10)
@given(
    fps=st.floats(1, 40),
    num_streams=st.integers(1, 4),
    num_devices=st.integers(1, 3),
    is_away=st.booleans(),
)
def test_frames_and_idle_time_have_all_joules_of_a_run(fps, num_streams, num_devices, is_away):
    streams = [stream(f"cam-{number}", fps=fps) for number in range(num_streams)]
    absences = {"gpu-0": Absences.parse("1-2")} if is_away else {}
    ran = Ran(
        scenario(*streams, num_devices=num_devices, powers={"gpu": POWER}, absences=absences)
    ).finish()
    batch_mj = sum(row.energy_mj for row in ran.batches)
    for row in ran.batches:
        watts = POWER.power_w[Mode(int(row.variant == "large"), row.batch_size)]
        assert row.energy_mj == pytest.approx((watts - 4.0) * row.inference_ms)
    assert sum(row.above_mj for row in ran.energies) >= batch_mj - 1e-6
    if not is_away:
        assert sum(row.above_mj for row in ran.energies) == pytest.approx(batch_mj, rel=1e-6)
        frames_mj = sum(row.energy_mj or 0.0 for row in ran.frames)
        assert frames_mj == pytest.approx(batch_mj, rel=1e-6)
        assert sum(row.energy_mj or 0.0 for row in ran.server_frames) == pytest.approx(frames_mj)
    idle_mj = sum(row.idle_mj + row.unplanned_mj for row in ran.energies)
    assert idle_mj == pytest.approx(4.0 * sum(row.end_ms - row.begin_ms for row in ran.energies))


def test_without_a_table_of_power_no_row_has_joules():
    ran = Ran(scenario()).finish()
    assert ran.energies == []
    assert {row.energy_mj for row in (*ran.frames, *ran.batches, *ran.server_frames)} == {None}
    assert {row.total_mj for row in ran.plans} == {None}
