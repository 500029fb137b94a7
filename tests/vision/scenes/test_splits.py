from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.vision.scenes.splits import (
    _BANDS_OF,
    _NUM_GROUPS,
    SPLITS,
    draw_between,
    generator,
)


@given(st.integers(0, 2**32), st.sampled_from(SPLITS))
def test_a_drawn_parameter_belongs_to_its_split_alone(seed: int, split: str) -> None:
    value = draw_between(np.random.default_rng(seed), -3.0, 9.0, split)
    assert -3.0 <= value <= 9.0
    band = int((value + 3.0) / 12.0 * 5 * _NUM_GROUPS) % 5
    assert [other for other in SPLITS if band in _BANDS_OF[other]] == [split]


def test_the_splits_draw_from_different_streams() -> None:
    draws = {tuple(generator(split, 1).integers(0, 2**40, 3)) for split in SPLITS}
    draws.add(tuple(generator("test", 1, 1).integers(0, 2**40, 3)))
    assert len(draws) == 4


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split is 'dev'"):
        generator("dev", 0)
