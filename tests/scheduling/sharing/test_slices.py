from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.sharing.slices import (
    UNIT_US,
    Sharer,
    exact_slices_us,
    greedy_slices_us,
)
from moonjelly.scheduling.sharing.weights import weight_of

R18, R50, SLOW_R50, SLOW_R18 = 3736, 4261, 1717, 1536  # mW of networks at two clocks
PAIR = (Sharer(1024, R50), Sharer(1024, SLOW_R50))
UNLIKE = (Sharer(1024, R18), Sharer(1024, R50))
FAVOURED = (Sharer(1024, R50), Sharer(335, SLOW_R50))
OTHERWISE = (Sharer(335, R50), Sharer(1024, SLOW_R50))
THREE = (Sharer(1024, R18), Sharer(1024, R50), Sharer(335, SLOW_R18))
# Slices by the rule of Energy Time Fairness (SEC 2023), worked out from its published code.
GOLDEN = [
    (PAIR, 40000, 1.0, (20000, 20000)),
    (PAIR, 40000, 0.9, (18000, 22000)),
    (PAIR, 40000, 0.8, (16000, 24000)),
    (PAIR, 40000, 0.7, (14000, 26000)),
    *((PAIR, 40000, phi, (12000, 28000)) for phi in (0.6, 0.5, 0.25, 0.0)),
    (UNLIKE, 40000, 1.0, (20000, 20000)),
    *((UNLIKE, 40000, phi, (21000, 19000)) for phi in (0.7, 0.5, 0.0)),
    (FAVOURED, 40000, 1.0, (30139, 9861)),
    (FAVOURED, 40000, 0.5, (22070, 17930)),
    (FAVOURED, 40000, 0.0, (22000, 18000)),
    (OTHERWISE, 40000, 1.0, (9860, 30140)),
    (OTHERWISE, 40000, 0.5, (4930, 35070)),
    (THREE, 60000, 1.0, (25782, 25782, 8436)),
    (THREE, 60000, 0.5, (21892, 19891, 18217)),
    (THREE, 60000, 0.0, (22000, 20000, 18000)),
]
sharers = st.lists(
    st.builds(Sharer, st.integers(-20, 19).map(weight_of), st.integers(100, 20_000)),
    min_size=1,
    max_size=6,
)
phis = st.floats(0, 1)


@pytest.mark.parametrize(("of", "quantum_us", "phi", "expected"), GOLDEN)
def test_the_greedy_rule_divides_as_published(
    of: tuple[Sharer, ...], quantum_us: int, phi: float, expected: tuple[int, ...]
) -> None:
    assert greedy_slices_us(of, quantum_us, phi) == expected


@pytest.mark.parametrize(
    ("of", "quantum_us", "phi", "expected"),
    [
        (PAIR, 40000, 0.0, (11488.8, 28511.2)),
        (THREE, 60000, 0.5, (22450.8, 19684.6, 17864.6)),
        (THREE, 60000, 0.0, (22450.8, 19684.6, 17864.6)),
    ],
)
def test_the_closed_form_is_the_published_one(
    of: tuple[Sharer, ...], quantum_us: int, phi: float, expected: tuple[float, ...]
) -> None:
    assert exact_slices_us(of, quantum_us, phi) == pytest.approx(expected, abs=0.05)


@given(sharers, st.integers(1, 100_000), phis)
def test_slices_add_up_and_keep_everybodys_part_of_its_fair_time(
    of: list[Sharer], quantum_us: int, phi: float
) -> None:
    total = sum(one.weight for one in of)
    for slices, rounding in (
        (greedy_slices_us(of, quantum_us, phi), 1.0),
        (exact_slices_us(of, quantum_us, phi), 1e-6 * quantum_us),
    ):
        assert sum(slices) == pytest.approx(quantum_us)
        for sharer, slice_us in zip(of, slices, strict=True):
            assert slice_us >= phi * sharer.weight / total * quantum_us - rounding


@given(sharers, st.integers(1, 1_000_000), phis)
def test_the_closed_form_gives_more_than_the_fair_part_only_to_those_of_least_energy(
    of: list[Sharer], quantum_us: int, phi: float
) -> None:
    slices = exact_slices_us(of, quantum_us, phi)
    total = sum(one.weight for one in of)
    energy = [sharer.power_mw * own / sharer.weight for sharer, own in zip(of, slices, strict=True)]
    for sharer, own, level in zip(of, slices, energy, strict=True):
        kept = phi * sharer.weight / total * quantum_us
        if own > kept * (1 + 1e-9) + 1e-9:
            assert level <= min(energy) * (1 + 1e-6) + 1e-9


@given(sharers, st.integers(1, 200_000), phis)
def test_the_greedy_rule_is_a_piece_from_the_closed_form_for_each_who_shares(
    of: list[Sharer], quantum_us: int, phi: float
) -> None:
    exact = exact_slices_us(of, quantum_us, phi)
    for own, ideal in zip(greedy_slices_us(of, quantum_us, phi), exact, strict=True):
        assert abs(own - ideal) <= len(of) * UNIT_US + 1


def test_weights_are_those_of_nice_levels() -> None:
    assert [weight_of(priority) for priority in (-20, -1, 0, 5, 19)] == [88761, 1277, 1024, 335, 15]
    for priority in (-21, 20):
        with pytest.raises(ValueError, match=rf"priority={priority}: must be within -20..19"):
            weight_of(priority)
