from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.stream import Stream, StreamKey
from moonjelly.scheduling.planning.counter_offer import RefusalReason
from moonjelly.scheduling.quotas import Quota, over_quota


def stream(name: str, fps: float = 10.0) -> Stream:
    return Stream(name, fps, 200.0, 1e5)


def test_who_has_no_quota_may_have_all() -> None:
    joining = [stream("a", 1000.0), stream("south/b", 1000.0)]
    assert over_quota({}, joining, ()) == {}
    assert over_quota({"north": Quota(1, 1.0)}, joining, ()) == {}


def test_streams_are_counted_by_tenant_with_those_that_join_before() -> None:
    joining = [stream("north/b"), stream("south/a"), stream("north/c"), stream("south/b")]
    refused = over_quota({"north": Quota(2), "south": Quota(2)}, joining, [stream("north/a")])
    assert list(refused) == ["north/c"]
    assert refused["north/c"].reason is RefusalReason.QUOTA
    assert refused["north/c"].detail == "the tenant has 2 of 2 streams"


def test_rates_are_added_up() -> None:
    joining = [stream("north/b", 16.0), stream("north/c", 15.0), stream("north/d", 1.0)]
    refused = over_quota({"north": Quota(max_fps=25.0)}, joining, [stream("north/a", 10.0)])
    assert list(refused) == ["north/b", "north/d"]
    detail = "the tenant has 15 of 25 frames/s left; 16 were asked for"
    assert refused["north/b"].detail == detail


def test_a_stream_that_registers_again_takes_its_own_place() -> None:
    held = [stream("north/a", 10.0)]
    assert not over_quota({"north": Quota(1, 12.0)}, [stream("north/a", 12.0)], held)
    assert over_quota({"north": Quota(1, 12.0)}, [stream("north/a", 12.5)], held)


def test_wrong_quotas_are_named() -> None:
    for wrong in ((0, None), (-1, None), (None, 0.0), (None, -3.0)):
        with pytest.raises(ValueError, match="max_"):
            Quota(*wrong)


names = st.builds(
    lambda tenant, number: str(StreamKey(tenant, f"s{number}")),
    st.sampled_from(["north", "south", "local"]),
    st.integers(0, 9),
)
streams = st.builds(stream, names, st.floats(0.1, 60))


@given(
    st.lists(streams, max_size=12, unique_by=lambda one: one.stream_id),
    st.dictionaries(
        st.sampled_from(["north", "south"]),
        st.builds(Quota, st.none() | st.integers(1, 5), st.none() | st.floats(1, 200)),
    ),
)
def test_nobody_ever_has_more_than_its_quota_and_nobody_without_one_is_refused(
    joining: list[Stream], quotas: dict[str, Quota]
) -> None:
    refused = over_quota(quotas, joining, ())
    for tenant in ("north", "south", "local"):
        own = [one for one in joining if StreamKey.parse(one.stream_id).tenant == tenant]
        taken = [one for one in own if one.stream_id not in refused]
        quota = quotas.get(tenant)
        if quota is None:
            assert taken == own
            continue
        assert quota.max_streams is None or len(taken) <= quota.max_streams
        assert quota.max_fps is None or sum(one.fps for one in taken) <= quota.max_fps + 1e-6
