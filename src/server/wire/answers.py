"""Answers as they travel from executors to endpoints, and on to clients."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ...core.answers import Answer, Detections, Labels
from ...protos import serving_pb2
from ...protos.internal_pb2 import FrameResult

MAX_DETECTIONS = 1000  # of one frame

AnswerMessage: TypeAlias = serving_pb2.Detections | serving_pb2.Labels


def to_message(answer: Answer) -> AnswerMessage:
    """Packs what was said of one frame; of detections the best."""
    class_ids = answer.class_ids[:MAX_DETECTIONS].tolist()
    scores = answer.scores[:MAX_DETECTIONS].tolist()
    if isinstance(answer, Labels):
        return serving_pb2.Labels(class_ids=class_ids, scores=scores)
    boxes = answer.boxes[:MAX_DETECTIONS].ravel().tolist()
    return serving_pb2.Detections(boxes=boxes, scores=scores, class_ids=class_ids)


def from_message(message: AnswerMessage) -> Answer:
    """Unpacks what `to_message` has packed."""
    class_ids, scores = np.array(message.class_ids, np.int32), np.array(message.scores, np.float32)
    if isinstance(message, serving_pb2.Labels):
        return Labels(class_ids, scores)
    return Detections(np.array(message.boxes, np.float32).reshape(-1, 4), scores, class_ids)


def answer_in(result: FrameResult) -> AnswerMessage | None:
    """The answer that a result holds; None for a frame that was dropped."""
    field = result.WhichOneof("answer")
    found: AnswerMessage | None = None if field is None else getattr(result, field)
    return found


def put_answer(message: AnswerMessage, result: FrameResult | serving_pb2.Result) -> None:
    """Has a result hold an answer, an empty one too."""
    if isinstance(message, serving_pb2.Labels):
        result.labels.CopyFrom(message)
    else:
        result.detections.CopyFrom(message)
