"""YOLOv8, v9, 11 and 12 of Ultralytics [b, 4 + classes, n]: middle and size in px.

v9 of MultimediaTechLab has corners there; trained end to end it needs no suppression.
"""

from __future__ import annotations

from .port import Decoded, Head, Outputs, corners, only


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    rows = only(outputs).transpose(0, 2, 1)
    return Decoded(corners(rows[..., :4]) / side_px, rows[..., 4:])


def _decode_corners(outputs: Outputs, side_px: int) -> Decoded:
    rows = only(outputs).transpose(0, 2, 1)
    return Decoded(rows[..., :4] / side_px, rows[..., 4:])


HEAD = Head("yolov8", _decode)
CORNERS_HEAD = Head("yolov9_mit", _decode_corners)
CORNERS_ONE_TO_ONE_HEAD = Head("yolov9_mit_e2e", _decode_corners, is_one_to_one=True)
