from __future__ import annotations

import pytest

from moonjelly.scheduling.cores.device.instructions import DeviceOrders, LoadCause
from moonjelly.scheduling.cores.device.variant_window import VariantWindow

VARIANTS = ("a", "b", "c", "d", "e", "f")


def steps_of(window: VariantWindow, in_use: tuple[str, ...] = ()) -> list[str]:
    """What both loaders are told, what a plan waits for first."""
    steps: list[str] = []
    for cause in LoadCause:
        step = window.next_load(cause, in_use)
        steps += [f"unload {variant}" for variant in step.unload]
        steps += [f"load {step.load}"] if step.load else []
    return steps


def load(window: VariantWindow, broken: str = "") -> list[str]:
    """Loads whatever is asked for; returns the steps."""
    steps: list[str] = []
    while told := steps_of(window):
        steps += told
        for variant in [one.removeprefix("load ") for one in told if one.startswith("load")]:
            (window.broke if variant in broken else window.loaded)(variant)
    return steps


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
        ("a", 5, "abcde"),
        ("f", 5, "fedcb"),
        ("c", 5, "cbdae"),
        ("c", 1, "c"),
        ("c", 2, "cb"),
        ("b", 99, "bacdef"),
    ],
)
def test_the_window_holds_what_lies_nearest_to_the_active_variant(active, num_loaded, expected):
    assert "".join(VariantWindow(VARIANTS, num_loaded).window(active)) == expected


def test_the_least_accurate_is_first_where_nothing_is_wished():
    window = VariantWindow(VARIANTS, 3)
    assert window.active == ""
    assert steps_of(window) == ["load a"]


def test_the_wished_variant_is_loaded_before_its_neighbours():
    window = VariantWindow(VARIANTS, 3)
    window.order(orders("c"))
    assert load(window) == ["load c", "load b", "load d"]
    assert window.active == "c"


def test_a_neighbour_is_switched_to_at_once_then_the_window_follows():
    window = make("c")
    window.order(orders("d"))
    assert window.active == "d"
    assert load(window) == ["unload b", "load e"]


def test_a_variant_counts_as_loaded_by_what_was_loaded_and_not_by_where_it_lies():
    window = VariantWindow(VARIANTS, 3)
    window.loaded("a")
    window.order(orders("b"))
    assert window.active == "a"
    assert steps_of(window) == ["load b"]


def test_a_far_variant_gets_the_slot_of_the_one_that_is_farthest_from_it_and_is_active_once_loaded():
    window = make("b")
    window.order(orders("f"))
    assert steps_of(window) == ["unload a", "load f"]
    assert window.active == "b"
    window.loaded("f")
    assert window.active == "f"
    assert load(window) == ["unload b", "load e", "unload c", "load d"]


def test_a_plan_waits_for_a_slot_until_a_batch_has_ended():
    window = make("a", num_loaded=2)
    window.order(orders("b"))
    window.order(orders("f"))
    assert steps_of(window, in_use=("a",)) == []  # a runs, b is next
    assert steps_of(window) == ["unload a", "load f"]


def test_with_one_slot_there_is_a_second_one_while_a_plan_changes():
    window = make("a", num_loaded=1)
    window.order(orders("e"))
    assert steps_of(window) == ["load e"]
    window.loaded("e")
    assert steps_of(window, in_use=("a",)) == []
    assert steps_of(window) == ["unload a"]
    assert steps_of(window) == []


def test_the_newest_wish_counts():
    window = make("a")
    window.order(orders("e"))
    assert steps_of(window) == ["unload b", "load e"]
    window.order(orders("f"))
    window.loaded("e")
    assert window.active == "a"
    assert load(window) == ["unload c", "load f", "unload a", "load d"]


def test_what_a_plan_waits_for_is_loaded_at_once_although_a_gentle_loader_is_at_it():
    window = VariantWindow(VARIANTS, 2)
    window.loaded("a")
    assert steps_of(window) == ["load b"]
    window.order(orders("b"))
    assert steps_of(window) == ["load b"]
    window.loaded("b")
    window.order(orders("f"))
    assert window.held == {"a", "b"}
    assert steps_of(window) == ["unload a", "load f"]  # b is active, and loaded once more


def test_an_unknown_variant_is_refused():
    with pytest.raises(KeyError):
        make("a").order(orders("z"))


def test_a_variant_that_cannot_be_loaded_is_tried_once_and_done_without():
    window = make("b", broken="c")
    window.order(orders("c"))
    assert (window.active, load(window)) == ("b", [])
    window.order(orders("d"))
    assert load(window, broken="c") == ["unload a", "load e"]
    window.order(orders("c"))
    assert (window.active, window.broken) == ("d", {"c"})


def test_another_variant_takes_the_place_of_a_first_one_that_cannot_be_loaded():
    window = make("b", num_loaded=1, broken="ab")
    assert (window.active, window.broken) == ("c", {"a", "b"})


def test_nothing_is_asked_for_where_nothing_can_be_loaded():
    window = make("b", broken="abcdef")
    assert (window.active, window.broken) == ("", set(VARIANTS))
    assert steps_of(window) == []


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
