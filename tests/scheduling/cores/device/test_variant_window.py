from __future__ import annotations

import pytest

from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.scheduling.cores.device.variant_window import VariantWindow

VARIANTS = ("a", "b", "c", "d", "e", "f")


def load(window: VariantWindow, broken: str = "") -> list[str]:
    """Loads whatever is asked for; returns the steps."""
    steps: list[str] = []
    while True:
        steps += [f"unload {variant}" for variant in window.unload(())]
        variant = window.next_wished() or window.next_neighbour()
        if not variant:
            return steps
        steps.append(f"load {variant}")
        (window.broke if variant in broken else window.loaded)(variant)


def orders(variant: str, plan_epoch: int = 1) -> DeviceOrders:
    return DeviceOrders(variant, 4, 50.0, plan_epoch)


def make(first: str, num_loaded: int = 3, broken: str = "") -> VariantWindow:
    window = VariantWindow(VARIANTS, num_loaded)
    window.order(orders(first))
    load(window, broken)
    return window


@pytest.mark.parametrize(
    ("active", "num_loaded", "expected"),
    [
        ("a", 5, "abc"),
        ("f", 5, "def"),
        ("c", 5, "abcde"),
        ("c", 1, "c"),
        ("c", 2, "bcd"),
        ("b", 99, "abcdef"),
    ],
)
def test_the_window_lies_around_the_active_variant_within_the_zoo(active, num_loaded, expected):
    assert "".join(VariantWindow(VARIANTS, num_loaded).window(active)) == expected


def test_the_least_accurate_is_first_where_nothing_is_wished():
    window = VariantWindow(VARIANTS, 3)
    assert (window.active, window.next_wished(), window.next_neighbour()) == ("", "a", "")


def test_the_wished_variant_is_loaded_before_its_neighbours():
    window = VariantWindow(VARIANTS, 3)
    window.order(orders("c"))
    assert load(window) == ["load c", "load b", "load d"]
    assert window.active == "c"


def test_a_neighbour_is_switched_to_at_once_then_the_window_follows():
    window = make("b")
    window.order(orders("c"))
    assert window.active == "c"
    assert load(window) == ["unload a", "load d"]


def test_a_variant_counts_as_loaded_by_what_was_loaded_and_not_by_where_it_lies():
    window = VariantWindow(VARIANTS, 3)
    window.loaded("a")
    window.order(orders("b"))
    assert (window.active, window.next_wished()) == ("a", "b")


def test_a_far_variant_is_loaded_before_it_is_active_and_the_old_ones_go_after():
    window = make("a")
    window.order(orders("e"))
    assert (window.active, window.unload(())) == ("a", [])
    assert load(window) == ["load e", "unload a", "unload b", "load d", "load f"]
    assert window.active == "e"


def test_what_runs_is_not_unloaded():
    window = make("a", num_loaded=1)
    window.order(orders("e"))
    window.loaded("e")
    assert window.unload(["a"]) == []
    assert window.unload([]) == ["a"]
    assert window.unload([]) == []


def test_the_newest_wish_counts():
    window = make("a", num_loaded=1)
    window.order(orders("c"))
    window.order(orders("f"))
    window.loaded("c")
    assert (window.active, window.next_wished()) == ("a", "f")
    assert load(window) == ["load f", "unload a", "unload c"]


def test_an_unknown_variant_is_refused():
    with pytest.raises(KeyError):
        make("a").order(orders("z"))


def test_a_variant_that_cannot_be_loaded_is_tried_once_and_done_without():
    window = make("b", broken="c")
    window.order(orders("c"))
    assert (window.active, load(window)) == ("b", [])
    window.order(orders("d"))
    assert load(window, broken="c") == ["load d", "unload a", "unload b", "load e"]
    window.order(orders("c"))
    assert (window.active, window.broken) == ("d", {"c"})


def test_another_variant_takes_the_place_of_a_first_one_that_cannot_be_loaded():
    window = make("b", num_loaded=1, broken="ab")
    assert (window.active, window.broken) == ("c", {"a", "b"})


def test_nothing_is_asked_for_where_nothing_can_be_loaded():
    window = make("b", broken="abcdef")
    assert (window.active, window.next_wished(), window.broken) == ("", "", set(VARIANTS))


def test_a_plan_is_in_force_once_its_variant_is_active_and_another_one_runs_under_the_plan_before():
    window = make("a", num_loaded=1)
    window.order(orders("b", 2))
    assert window.orders.plan_epoch == 1
    window.loaded("b")
    assert window.orders.plan_epoch == 2
    window.order(orders("c", 3))
    window.broke("c")
    assert (window.active, window.orders.plan_epoch) == ("b", 2)
    window.order(orders("b", 4))
    assert window.orders.plan_epoch == 4
