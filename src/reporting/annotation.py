"""Draws answers on pictures, as a viewer would see them."""

from __future__ import annotations

import cv2
import numpy as np

from ..core.answers import Detections, Labels
from ..core.records import FrameRecord
from ..core.verdict import Verdict
from ..vision.fits import Image
from .viewing import Shown

Colour = tuple[int, int, int]

# Blue, green, red of the palette of the figures.
CLASS_COLOURS: tuple[Colour, ...] = (
    (233, 180, 86),
    (0, 159, 230),
    (115, 158, 0),
    (167, 121, 204),
    (66, 228, 240),
)
VERDICT_COLOURS: dict[str, Colour] = {
    Verdict.IN_TIME: (178, 114, 0),
    Verdict.LATE: (0, 159, 230),
    Verdict.DROPPED: (0, 94, 213),
}
STALE: Colour = (190, 190, 190)
WHITE: Colour = (255, 255, 255)
DARK: Colour = (34, 34, 34)
MIN_SCORE = 0.3  # answers hold less sure ones too, which accuracy is measured with
STRIP_PX = 24
VIEW_LIMITS_PX = (64, 960)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(
    picture: Image,
    frame: FrameRecord,
    shown: Shown | None,
    slo_ms: float,
    class_names: tuple[str, ...],
    width_px: int,
    view_px: int | None = None,
) -> Image:
    """Draws one frame as its viewer sees it, with a line below that says what became of it.

    Args:
        picture: blue, green, red [height, width, 3].
        frame: its row of the log.
        shown: boxes or labels to draw; those of another frame are grey, and boxes thin.
        slo_ms: of its stream.
        class_names: by class id.
        width_px: of the result.
        view_px: height of the result above the line; as suits the picture, if it is not given.

    Returns:
        Blue, green, red, of the size asked for. A picture of another shape has bars beside it, or above and below.
    """
    height_px = view_height_px(picture, width_px) if view_px is None else view_px
    canvas = np.full((height_px + STRIP_PX, width_px, 3), DARK, np.uint8)
    view = _fitted(canvas[:height_px], picture)
    if shown is not None:
        if isinstance(shown.answer, Labels):
            _draw_labels(view, shown.answer, shown.age_ms > 0, class_names)
        else:
            _draw_boxes(view, shown.answer, shown.age_ms > 0, class_names)
        if shown.age_ms > 0:
            _write(view, f"answer is {shown.age_ms:.0f} ms old", (8, 20), STALE)
    colour = VERDICT_COLOURS.get(frame.verdict, STALE)
    cv2.rectangle(canvas, (0, height_px), (8, height_px + STRIP_PX), colour, cv2.FILLED)
    _write(canvas, _line(frame, slo_ms), (16, height_px + 16), WHITE)
    return np.asarray(canvas, np.uint8)


def view_height_px(picture: Image, width_px: int) -> int:
    """Height that suits a picture drawn with that width; even, and within `VIEW_LIMITS_PX`."""
    height, width = picture.shape[:2]
    least_px, most_px = VIEW_LIMITS_PX
    height_px: int = round(height * width_px / width) // 2 * 2
    return min(max(height_px, least_px), most_px)


def _fitted(space: Image, picture: Image) -> Image:
    """Draws a picture in the middle of a space, as large as fits; returns the part that it takes."""
    (height_px, width_px), (height, width) = space.shape[:2], picture.shape[:2]
    scale = min(width_px / width, height_px / height)
    size_px = [max(1, round(width * scale)), max(1, round(height * scale))]
    for k, most_px in enumerate((width_px, height_px)):
        if most_px - size_px[k] <= 2:  # noqa: PLR2004 of rounding, which is no other shape
            size_px[k] = most_px
    left, top = (width_px - size_px[0]) // 2, (height_px - size_px[1]) // 2
    view = space[top : top + size_px[1], left : left + size_px[0]]
    view[:] = cv2.resize(picture, tuple(size_px), interpolation=cv2.INTER_AREA)
    return view


def _draw_labels(view: Image, found: Labels, is_stale: bool, class_names: tuple[str, ...]) -> None:
    """Writes the labels that are likely into the lower left corner, the best on top."""
    sure = [
        (k, score)
        for k, score in zip(found.class_ids, found.scores, strict=True)
        if score >= MIN_SCORE
    ]
    for line, (class_id, score) in enumerate(reversed(sure)):
        colour = STALE if is_stale else CLASS_COLOURS[int(class_id) % len(CLASS_COLOURS)]
        text = f"{_name(class_id, class_names)} {float(score):.2f}"
        _write(view, text, (8, len(view) - 8 - 16 * line), colour)


def _name(class_id: np.int32, class_names: tuple[str, ...]) -> str:
    return class_names[int(class_id)] if int(class_id) < len(class_names) else str(int(class_id))


def _draw_boxes(
    view: Image, found: Detections, is_stale: bool, class_names: tuple[str, ...]
) -> None:
    height, width = view.shape[:2]
    boxes = np.nan_to_num(found.boxes, nan=0.0).clip(-1.0, 2.0)  # whatever a server says
    for box, score, class_id in zip(boxes, found.scores, found.class_ids, strict=True):
        if score < MIN_SCORE:
            continue
        x0, x1 = (round(float(v) * width) for v in (box[0], box[2]))
        y0, y1 = (round(float(v) * height) for v in (box[1], box[3]))
        colour = STALE if is_stale else CLASS_COLOURS[int(class_id) % len(CLASS_COLOURS)]
        cv2.rectangle(view, (x0, y0), (x1, y1), colour, 1 if is_stale else 2)
        if not is_stale:
            name = _name(class_id, class_names)
            _write(view, f"{name} {float(score):.2f}", (x0, max(10, y0 - 4)), colour, 0.36)


def _line(frame: FrameRecord, slo_ms: float) -> str:
    parts = [frame.stream_id, f"#{frame.sequence}", frame.verdict.replace("_", " ")]
    if frame.latency_ms is not None:
        parts.append(f"{frame.latency_ms:.0f} of {slo_ms:.0f} ms")
    elif frame.reason:
        parts.append(f"{frame.place}: {frame.reason.replace('_', ' ')}")
    if frame.variant:
        parts.append(frame.variant)
    elif frame.side_px:
        parts.append(f"side {frame.side_px}")
    return "   ".join(parts)


def _write(
    image: Image, text: str, at: tuple[int, int], colour: Colour, scale: float = 0.42
) -> None:
    """Writes with a dark edge, so that it is readable on anything."""
    cv2.putText(image, text, at, FONT, scale, DARK, 3, cv2.LINE_AA)
    cv2.putText(image, text, at, FONT, scale, colour, 1, cv2.LINE_AA)
