from __future__ import annotations

import numpy as np
import pytest

from moonjelly.devices.executors.input_ring import InputRing, Prepared


def picture(value: int) -> np.ndarray:
    return np.full((4, 4, 3), value, np.uint8)


def make(num_places: int = 4) -> tuple[InputRing, np.ndarray]:
    made = []

    def make_rows(number: int) -> np.ndarray:
        made.append(np.zeros((number, 4, 4, 3), np.float32))
        return made[-1]

    ring = InputRing(
        num_places, make_rows, lambda picture, place: np.divide(picture, 255, out=place)
    )
    return ring, made[0]


def values(ring: InputRing, batch: list[Prepared]) -> list[float]:
    """What is in the rows of a batch, in the order of its pictures."""
    rows, order = ring.gather(batch)
    found = {which: float(row.flat[0]) for row, which in zip(rows, order, strict=True)}
    return [found[which] for which in range(len(batch))]


def test_a_batch_of_neighbours_is_run_where_it_lies_whatever_its_order():
    ring, places = make()
    batch = [ring.put(picture(255)), ring.put(picture(0)), ring.put(picture(51))]
    batch = [batch[2], batch[0], batch[1]]
    assert np.shares_memory(ring.gather(batch)[0], places)
    assert values(ring, batch) == pytest.approx([0.2, 1.0, 0.0])


def test_a_batch_with_a_gap_is_copied():
    ring, places = make()
    held = [ring.put(picture(51 * k)) for k in range(4)]
    batch = [held[3], held[1]]
    assert not np.shares_memory(ring.gather(batch)[0], places)
    assert values(ring, batch) == pytest.approx([0.6, 0.2])


def test_a_place_is_free_again_when_nobody_holds_its_picture():
    ring, _ = make(2)
    first, second = ring.put(picture(1)), ring.put(picture(2))
    assert (first.index, second.index) == (0, 1)
    del first
    assert ring.put(picture(3)).index == 0


def test_more_pictures_than_places_are_kept_beside_them():
    ring, _ = make(1)
    batch = [ring.put(picture(255)), ring.put(picture(51)), ring.put(picture(0))]
    assert [one.index for one in batch] == [0, -1, -1]
    assert values(ring, batch) == pytest.approx([1.0, 0.2, 0.0])
