from __future__ import annotations

import threading

import pytest

from moonjelly.core.errors import RunError
from moonjelly.devices.executors.port import DeviceLostError
from moonjelly.server.executors.variant_window import VariantWindow

VARIANTS = ("a", "b", "c", "d", "e", "f")


class Recorder:
    """An executor that notes what it loads; `hold` keeps one variant from being loaded."""

    needs_pictures = False

    def __init__(self, hold: str = "") -> None:
        self.steps: list[str] = []
        self.loaded: set[str] = set()
        self.most_loaded = 0
        self.changed = threading.Condition()
        self.hold = hold
        self.broken: set[str] = set()
        self.failure: Exception = RunError("cannot be loaded")

    def note(self, step: str) -> None:
        with self.changed:
            self.steps.append(step)
            self.changed.notify_all()

    def load(self, variant: str) -> None:
        self.note(f"load {variant}")
        if variant in self.broken:
            raise self.failure
        with self.changed:
            assert self.changed.wait_for(lambda: variant != self.hold, 30)
        self.loaded.add(variant)
        self.most_loaded = max(self.most_loaded, len(self.loaded))

    def unload(self, variant: str) -> None:
        self.loaded.discard(variant)
        self.note(f"unload {variant}")

    def activate(self, variant: str) -> None:
        assert variant in self.loaded
        self.note(f"activate {variant}")

    def await_step(self, step: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: step in self.steps, 30), self.steps

    def release(self) -> None:
        with self.changed:
            self.hold = ""
            self.changed.notify_all()


@pytest.fixture
def start():
    made: list[VariantWindow] = []

    def make(
        recorder: Recorder, first: str, num_loaded: int = 3, on_broken=lambda: None
    ) -> VariantWindow:
        window = VariantWindow(recorder, VARIANTS, num_loaded, recorder.activate, on_broken)
        made.append(window)
        window.start(first)
        return window

    yield make
    for window in made:
        window.close()


def test_the_first_variant_is_active_before_its_neighbours_are_loaded(start):
    recorder = Recorder()
    start(recorder, "c")
    assert recorder.steps[:2] == ["load c", "activate c"]
    recorder.await_step("load d")
    assert recorder.steps == ["load c", "activate c", "load b", "load d"]


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
    window = VariantWindow(Recorder(), VARIANTS, num_loaded, lambda _: None)
    assert "".join(window.window(active)) == expected


def test_a_neighbour_is_switched_to_at_once_then_the_window_follows(start):
    recorder = Recorder()
    window = start(recorder, "b")
    recorder.await_step("load c")
    del recorder.steps[:]
    window.wish("c")
    recorder.await_step("load d")
    assert recorder.steps == ["activate c", "unload a", "load d"]


def test_a_far_variant_is_loaded_before_it_is_active_and_the_old_ones_go_after(start):
    recorder = Recorder()
    window = start(recorder, "a")
    recorder.await_step("load b")
    del recorder.steps[:]
    window.wish("e")
    recorder.await_step("load f")
    assert recorder.steps == ["load e", "activate e", "unload a", "unload b", "load d", "load f"]
    assert recorder.loaded == {"d", "e", "f"}
    assert recorder.most_loaded <= 4


def test_the_newest_wish_counts(start):
    recorder = Recorder(hold="c")
    window = start(recorder, "a", num_loaded=1)
    window.wish("c")
    recorder.await_step("load c")
    for variant in ("d", "e", "f"):
        window.wish(variant)
    recorder.release()
    recorder.await_step("activate f")
    recorder.await_step("unload c")
    assert [step for step in recorder.steps if step.startswith("load")] == [
        "load a",
        "load c",
        "load f",
    ]


def test_an_unknown_variant_is_refused(start):
    with pytest.raises(KeyError):
        start(Recorder(), "a").wish("z")


def test_a_variant_that_cannot_be_loaded_is_tried_once_and_done_without(start):
    recorder = Recorder()
    recorder.broken = {"c"}
    window = start(recorder, "b")
    recorder.await_step("load c")
    window.wish("c")
    window.wish("d")
    recorder.await_step("load e")
    window.wish("c")
    window.wish("b")
    recorder.await_step("activate b")
    recorder.await_step("load a")
    assert recorder.steps.count("load c") == 1
    assert "activate c" not in recorder.steps


def test_another_variant_takes_the_place_of_a_first_one_that_cannot_be_loaded(start):
    recorder = Recorder()
    recorder.broken = {"a", "b"}
    window = start(recorder, "b")
    assert recorder.steps[:4] == ["load b", "load a", "load c", "activate c"]
    assert window.broken == ("a", "b")


def test_some_variant_has_to_load(start):
    recorder = Recorder()
    recorder.broken = set(VARIANTS)
    with pytest.raises(RunError, match="no variant"):
        start(recorder, "b")


@pytest.mark.parametrize("failure", [RuntimeError("a library"), MemoryError(), KeyError("key")])
def test_whatever_a_library_fails_with_breaks_one_variant_alone(start, failure):
    recorder = Recorder()
    recorder.broken = {"d"}
    recorder.failure = failure
    told = threading.Semaphore(0)
    window = start(recorder, "a", num_loaded=1, on_broken=told.release)
    window.wish("d")
    assert told.acquire(timeout=30)
    assert window.broken == ("d",)
    window.wish("e")
    recorder.await_step("activate e")


def test_a_lost_device_is_no_broken_variant(start):
    recorder = Recorder()
    recorder.broken = {"b"}
    recorder.failure = DeviceLostError("gone")
    with pytest.raises(DeviceLostError):
        start(recorder, "b")
