"""What a network says of one frame: the objects found in it, or labels for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

MAX_LABELS: Final = 5
"""Of one frame."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects found in one frame, best first.

    Attributes:
        boxes: x0, y0, x1, y1 of each, float32 [n, 4], relative to the frame: 0 to 1.
        scores: How sure the detector is, float32 [n], 0 to 1.
        class_ids: Index into the zoo's class names, int32 [n].
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        """Checks that the arrays belong together.

        Raises:
            ValueError: If a shape or type is wrong.
        """
        n = len(self.scores)
        _check("boxes", self.boxes, (n, 4), np.float32)
        _check("scores", self.scores, (n,), np.float32)
        _check("class_ids", self.class_ids, (n,), np.int32)

    def __len__(self) -> int:
        """Returns the number of objects."""
        return len(self.scores)

    @classmethod
    def empty(cls) -> Detections:
        """Returns the answer for a frame in which nothing was found."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))


@dataclass(frozen=True, slots=True)
class Labels:
    """The likeliest classes of one frame, best first.

    Attributes:
        class_ids: Index into the zoo's class names, int32 [k], k at most `MAX_LABELS`.
        scores: How likely each is, float32 [k], 0 to 1.
    """

    class_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        """Checks that the arrays belong together.

        Raises:
            ValueError: If a shape or type is wrong, or there are too many.
        """
        k = len(self.scores)
        if k > MAX_LABELS:
            raise ValueError(f"scores holds {k} labels: it must be at most {MAX_LABELS}")
        _check("scores", self.scores, (k,), np.float32)
        _check("class_ids", self.class_ids, (k,), np.int32)

    def __len__(self) -> int:
        """Returns the number of labels."""
        return len(self.scores)


Answer: TypeAlias = Detections | Labels


def _check(name: str, array: npt.NDArray[Any], shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"{name} is {array.dtype} {array.shape}: it must be {np.dtype(dtype)} {shape}"
        )
