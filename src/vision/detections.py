"""What a detector finds in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
        for name, array, shape, dtype in (
            ("boxes", self.boxes, (n, 4), np.float32),
            ("scores", self.scores, (n,), np.float32),
            ("class_ids", self.class_ids, (n,), np.int32),
        ):
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"{name} is {array.dtype} {array.shape}: it must be {np.dtype(dtype)} {shape}"
                )

    def __len__(self) -> int:
        """Returns the number of objects."""
        return len(self.scores)

    @classmethod
    def empty(cls) -> Detections:
        """Returns the answer for a frame in which nothing was found."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))
