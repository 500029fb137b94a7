from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling import limits as module
from moonjelly.scheduling.limits import Held, Limits, LimitTable, Share, Visitor, network_of
from moonjelly.scheduling.streams.policing import TokenBucket

WHO = Visitor("10.0.0.1", "north")


@given(
    st.floats(0.1, 1e4),
    st.floats(1.0, 1e3),
    st.lists(st.tuples(st.floats(0, 2000), st.floats(0.01, 50)), max_size=60),
)
def test_a_bucket_lets_through_its_burst_and_its_rate_and_no_more(
    per_s: float, burst: float, asked: list[tuple[float, float]]
) -> None:
    bucket, now_ms, taken = TokenBucket(per_s, burst, 0.0), 0.0, 0.0
    for gap_ms, amount in asked:
        now_ms += gap_ms
        if bucket.takes(now_ms, amount):
            taken += amount
        else:
            assert amount > 0  # who asks for more than there is takes nothing
        assert taken <= burst + per_s * now_ms / 1000 + 1e-6
    assert bucket.is_full(now_ms + 1001 * burst / per_s)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=60), st.floats(1.0, 100.0))
def test_a_bucket_never_refuses_who_keeps_to_the_rate(gaps_ms: list[float], per_s: float) -> None:
    bucket, now_ms = TokenBucket(per_s, 1.001, 0.0), 0.0
    for gap_ms in gaps_ms:
        now_ms += gap_ms + 1000 / per_s
        assert bucket.takes(now_ms)


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh")), max_size=80),
)
def test_connections_count_while_calls_are_on_them(
    most: int, steps: list[tuple[bool, str]]
) -> None:
    share = Share(Limits(address_connections=most), 0.0)
    calls: list[str] = []
    for begins, connection in steps:
        if begins:
            is_free = connection in calls or len(set(calls)) < most
            problem = share.begin_call(connection)
            assert problem == (
                "" if is_free else f"connections of one address: must be at most {most}"
            )
            calls += [connection] * is_free
        elif connection in calls:
            share.end_call(connection)
            calls.remove(connection)
    for connection in calls:
        share.end_call(connection)
    assert share.is_idle(0.0)


@given(st.lists(st.tuples(st.sampled_from(Held), st.booleans()), max_size=80))
def test_what_is_held_never_exceeds_its_limit_and_comes_back(
    steps: list[tuple[Held, bool]],
) -> None:
    most = {Held.CONNECTIONS: 1, Held.UNOPENED_CALLS: 2, Held.HEALTH_CALLS: 3}
    limits = Limits(address_connections=1, address_unopened_calls=2, address_health_calls=3)
    share = Share(limits, 0.0)
    held = dict.fromkeys(Held, 0)
    for what, takes in steps:
        if takes:
            assert (share.take(what) == "") is (held[what] < most[what])
            held[what] = min(most[what], held[what] + 1)
        elif held[what]:
            share.give_back(what)
            held[what] -= 1
    assert share.is_idle(0.0) is not any(held.values())


@given(st.lists(st.floats(0, 200), min_size=1, max_size=200))
def test_registrations_keep_to_their_rate_over_any_time(gaps_ms: list[float]) -> None:
    share, now_ms, num_taken = Share(Limits(address_registers_per_s=2.0), 0.0), 0.0, 0
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        num_taken += share.register(now_ms) == ""
        assert num_taken <= 4 + 2.0 * now_ms / 1000 + 1e-6


def test_bits_and_pixels_of_all_streams_are_added_up() -> None:
    share = Share(Limits(address_mbits_per_s=40, address_mpixels_per_s=10), 0.0)
    assert share.frame(30_000.0, 1_000_000, 0.0) == ""
    assert "40 Mbit/s" in share.frame(10_001.0, 1, 0.0)
    assert "10 Mpixel/s" in share.frame(1.0, 9_000_001, 0.0)
    assert share.frame(1.0, 9_000_000, 0.0) == ""
    assert share.frame(30_000.0, 1_000_000, 1000.0) == ""


def test_streams_and_silent_streams_are_bounded() -> None:
    share = Share(Limits(address_sessions=3, address_silent_sessions=2), 0.0)
    assert share.sessions(2, 1) == ""
    assert share.sessions(3, 0) == "streams of one address: must be at most 3"
    assert share.sessions(2, 2) == "silent streams of one address: must be at most 2"


def test_without_limits_all_goes() -> None:
    share = LimitTable().share(WHO, 0.0)
    assert share.frame(math.inf, 10**12, 0.0) == share.register(0.0) == ""
    assert share.sessions(10**9, 10**9) == ""
    assert not any(share.begin_call(f"{number}") for number in range(3000))


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 3000)), max_size=200))
def test_the_table_is_bounded_and_forgets_nobody_who_has_taken_something(
    visits: list[tuple[int, float]],
) -> None:
    most, module.MOST_VISITORS = module.MOST_VISITORS, 8
    try:
        table, now_ms = LimitTable(Limits(address_registers_per_s=1.0)), 0.0
        holder = table.share(WHO, now_ms)
        holder.begin_call("a")
        for number, gap_ms in visits:
            now_ms += gap_ms
            table.share(Visitor(f"{number}", "local"), now_ms).register(now_ms)
            assert table.num_visitors <= 9  # with the share of the rest
            assert table.share(WHO, now_ms) is holder
    finally:
        module.MOST_VISITORS = most


def test_what_counts_as_one_address() -> None:
    assert network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("::ffff:10.0.0.1") == "10.0.0.1"
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::") == "2001:db8:1:2::"
    assert network_of("2001:db8:1:3::") != network_of("2001:db8:1:2::")
    assert network_of("fe80::1%eth0") == "fe80::"
    assert network_of("odd") == "odd"
