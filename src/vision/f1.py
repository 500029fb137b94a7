"""F1: how well two sets of boxes agree, as one number from counts that can be added up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class F1Counts:
    """What a comparison of answers with a reference counted; add those of frames, then ask for `f1`.

    Attributes:
        true_positives: Boxes of the answers that are right.
        false_positives: Boxes of the answers that are not.
        false_negatives: Boxes of the reference that no answer found.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: F1Counts) -> F1Counts:
        """Returns the counts of both together."""
        return F1Counts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None if there was no box on either side."""
        weight = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / weight if weight else None
