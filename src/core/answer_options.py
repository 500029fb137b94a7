"""What a stream wants of its answers, beside what its zoo says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from .answers import Answer
from .limits import Range

Kind = TypeVar("Kind", bound=Answer)

MIN_SCORE: Final = Range(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What is left of an answer; 0 or nothing leaves it as it is.

    Attributes:
        min_score: less sure boxes and labels are left out.
        class_ids: those of other classes are left out.
        max_boxes: no more boxes or labels than these are kept, the best.
    """

    min_score: float = 0.0
    class_ids: tuple[int, ...] = ()
    max_boxes: int = 0


AS_THE_ZOO: Final = AnswerOptions()


def choose(answer: Kind, options: AnswerOptions) -> Kind:
    """Returns what is left of an answer, in its own order."""
    is_kept = answer.scores >= options.min_score
    if options.class_ids:
        is_kept &= np.isin(answer.class_ids, options.class_ids)
    kept = np.flatnonzero(is_kept)[: options.max_boxes or None]
    columns = (one.name for one in dataclasses.fields(answer))
    return dataclasses.replace(answer, **{name: getattr(answer, name)[kept] for name in columns})
