"""YOLOv10, 26, and what was exported with its suppression inside: corners in px, score, class [b, n, 6]."""

from __future__ import annotations

import numpy as np

from .port import Decoded, Head, Outputs, only


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    rows = only(outputs)
    return Decoded(rows[..., :4] / side_px, rows[..., 4], rows[..., 5].astype(np.int32))


HEAD = Head("one_to_one", _decode, is_one_to_one=True)
