from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.sharing.entitlements import Entitlement, check_floors, weights_of


def test_weights_are_as_they_were_said_where_they_are_enough() -> None:
    entitled = {
        "a": Entitlement(priority=-5),
        "b": Entitlement(weight=10_000, min_share_ratio=0.5),
        "c": Entitlement(),
    }
    assert weights_of(entitled) == {"a": 3121, "b": 10_000, "c": 1024}
    assert weights_of({}) == {}


def test_a_promised_share_raises_a_weight_that_is_less() -> None:
    entitled = {"a": Entitlement(min_share_ratio=0.5), "b": Entitlement(), "c": Entitlement()}
    assert weights_of(entitled) == {"a": pytest.approx(2048, rel=3e-3), "b": 1024, "c": 1024}
    assert weights_of({"a": Entitlement(min_share_ratio=1.0), "b": Entitlement()})["a"] > 500_000


@given(
    weights=st.lists(st.integers(1, 90_000), min_size=1, max_size=6),
    cuts=st.lists(st.floats(0.01, 0.9), min_size=6, max_size=6),
)
def test_everybody_has_at_least_its_promised_share(weights, cuts) -> None:
    floors = [cut / sum(cuts) for cut in cuts]  # 1 in all, of six
    entitled = {
        str(number): Entitlement(weight=weight, min_share_ratio=floors[number])
        for number, weight in enumerate(weights)
    } | {"plain": Entitlement()}
    found = weights_of(entitled)
    total = sum(found.values())
    for name, one in entitled.items():
        least = (one.min_share_ratio or 0.0) * (1 - 2e-3)
        assert found[name] >= least * total - 1
        assert found[name] >= one.total_weight


@pytest.mark.parametrize(("ratios", "is_good"), [((0.5, 0.5), True), ((0.5, 0.51), False)])
def test_promised_shares_are_at_most_the_whole(ratios, is_good) -> None:
    entitled = [Entitlement(min_share_ratio=one) for one in ratios]
    if is_good:
        check_floors(entitled)
    else:
        with pytest.raises(ValueError, match="in all: must be at most 1"):
            check_floors(entitled)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"weight": 0}, "weight=0: must be a whole number of at least 1"),
        ({"weight": 5, "priority": 1}, "weight=5: must not stand beside priority"),
        ({"priority": 20}, "priority=20: must be within -20..19"),
        ({"min_fps": 0.0}, "min_fps=0.0: must be a number above 0"),
        ({"min_share_ratio": 1.1}, "min_share_ratio=1.1: must be a number above 0 and at most 1"),
    ],
)
def test_what_cannot_be_is_named(values, complaint) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        Entitlement(**values)
