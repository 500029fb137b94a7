"""What the SDK hands its user: one answer for each captured frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.records import FrameRecord
from ..core.verdict import Drop, Verdict
from ..protos import serving_pb2 as pb
from ..vision.detections import Detections
from ..vision.preprocessing import Image

_BOX_SIZE = 4
_MAX_CLASS_ID = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class Answer:
    """How one captured frame ended.

    Attributes:
        stream_id: its stream.
        sequence: its number; rises over the life of the stream, gaps are possible.
        verdict: in time, late or dropped.
        drop: where and why, if it was dropped.
        detail: the server's words about a drop, for people.
        detections: what was found; None if it was dropped.
        latency_ms: capture to answer; None if it was dropped.
        record: the same with all measurements, as it stands in the frame log.
        image: the captured picture [height, width, 3], blue, green, red, if the stream keeps images.
    """

    stream_id: str
    sequence: int
    verdict: Verdict
    drop: Drop | None
    detail: str
    detections: Detections | None
    latency_ms: float | None
    record: FrameRecord
    image: Image | None = None

    @property
    def is_in_time(self) -> bool:
        """Whether detections came within the SLO."""
        return self.verdict is Verdict.IN_TIME


def detections_from_wire(message: pb.Detections) -> Detections:
    """Turns the wire's detections into arrays.

    Raises:
        ValueError: if the fields do not belong together.
    """
    if any(class_id > _MAX_CLASS_ID for class_id in message.class_ids):
        raise ValueError(f"class_ids: must be at most {_MAX_CLASS_ID}")
    boxes = np.array(message.boxes, np.float32)
    if boxes.size % _BOX_SIZE:
        raise ValueError(f"boxes={boxes.size} numbers: must be 4 for each object")
    return Detections(
        boxes.reshape(-1, _BOX_SIZE),
        np.array(message.scores, np.float32),
        np.array(message.class_ids, np.int32),
    )
