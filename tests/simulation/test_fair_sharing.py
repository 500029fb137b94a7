"""A tenant that keeps to its share does not notice others that do not."""

from __future__ import annotations

from simulation_scenarios import Ran, scenario, stream

from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.variant import Variant
from moonjelly.scheduling.sharing.entitlements import Entitlement
from moonjelly.simulation.scenario import ServerModel

DETECTOR = (Variant("small", 128, 0.2, 50.0),)
LATENCY = BatchLatency((10.0, 12.0, 14.0, 16.0), (10.5, 12.6, 14.7, 16.8))
GREED_RATIO = 10.0
POINT = 0.01


def run(batcher: str, *, is_greedy: bool, modest_greed: float = 1.0, **tenants: Entitlement) -> Ran:
    """Two modest cameras; beside them twelve of somebody else that fill the device, and send more than they declared."""
    streams = [
        stream(f"modest-{number}", tenant="modest", fps=10.0, greed_ratio=modest_greed)
        for number in range(2)
    ]
    if is_greedy:
        streams += [
            stream(f"greedy-{number}", tenant="greedy", fps=12.0, greed_ratio=GREED_RATIO)
            for number in range(12)
        ]
    server = ServerModel(batcher=batcher, rate_tolerance_ratio=2 * GREED_RATIO, max_batch_size=4)
    return Ran(
        scenario(
            *streams,
            variants=DETECTOR,
            profiles={"gpu": LatencyProfile("gpu", {"small": LATENCY})},
            server=server,
            seconds=20.0,
            tenants=tenants,
        )
    ).finish()


def in_time(ran: Ran, tenant: str) -> tuple[int, float]:
    """Frames, and the share of the captured ones."""
    rows = [row for row in ran.frames if row.stream_id.startswith(tenant)]
    count = sum(row.verdict == "in_time" for row in rows)
    return count, count / len(rows)


def test_a_modest_tenant_fares_beside_one_at_ten_times_its_share_as_if_it_were_alone() -> None:
    _, alone = in_time(run("fair", is_greedy=False), "modest")
    ran = run("fair", is_greedy=True)
    assert not any(result.refusal for result in ran.results)
    _, beside = in_time(ran, "modest")
    _, unfair = in_time(run("deadline", is_greedy=True), "modest")
    assert beside >= alone - POINT
    assert unfair < alone - 10 * POINT  # so there was something to be fair about


def test_fair_batches_leave_no_device_time_unused() -> None:
    total = {
        name: sum(row.verdict == "in_time" for row in run(name, is_greedy=True).frames)
        for name in ("fair", "deadline")
    }
    assert total["fair"] >= 0.95 * total["deadline"]


def test_who_wants_more_than_fits_gets_it_by_weight() -> None:
    ran = run("fair", is_greedy=True, modest_greed=GREED_RATIO, modest=Entitlement(weight=512))
    modest, _ = in_time(ran, "modest")
    greedy, _ = in_time(ran, "greedy")
    assert abs(greedy / modest - 2) < 0.25  # its weight is 1024


def test_a_floor_is_kept_for_a_tenant_that_comes_when_the_device_is_full() -> None:
    streams = [stream(f"greedy-{number}", tenant="greedy", fps=25.0) for number in range(20)]
    late = [
        stream(f"modest-{number}", tenant="modest", fps=25.0, join_s=2.0) for number in range(3)
    ]
    shared = {"modest": Entitlement(min_fps=50.0)}
    ran = Ran(
        scenario(
            *streams,
            *late,
            variants=DETECTOR,
            profiles={"gpu": LatencyProfile("gpu", {"small": LATENCY})},
            server=ServerModel(batcher="fair", max_batch_size=4),
            seconds=10.0,
            tenants=shared,
        )
    ).finish()
    refused = {one.stream.stream_id: str(one.refusal.reason) for one in ran.results if one.refusal}
    came = [f"modest-{number}" for number in range(3) if f"modest-{number}" not in refused]
    assert len(came) == 2
    dropped = {row.reason for row in ran.frames if row.place == "endpoint"}
    assert dropped == {"preempted"}
    assert set(refused.values()) == {"overload"}
    assert in_time(ran, "modest")[1] >= 1 - POINT
