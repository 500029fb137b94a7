"""What the SDK hands its user: one answer for each captured frame."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..adapting.sender import ServerAnswer
from ..adapting.server_forecast import ServerTimes
from ..core.advice import SideAdvice
from ..core.answers import MAX_LABELS, Detections, Labels
from ..core.records import FrameRecord
from ..core.verdict import Drop, Place, Verdict, reason_named
from ..protos import serving_pb2 as pb
from ..vision.fits import Image

_BOX_SIZE = 4
_MAX_CLASS_ID = np.iinfo(np.int32).max
_PLACES = {pb.ENDPOINT: Place.ENDPOINT, pb.EXECUTOR: Place.EXECUTOR}


@dataclass(frozen=True, slots=True)
class Answer:
    """How one captured frame ended.

    Attributes:
        stream_id: its stream.
        sequence: its number; rises over the life of the stream, gaps are possible.
        verdict: in time, late or dropped.
        drop: where and why, if it was dropped.
        detail: the server's words about a drop, for people.
        found: what the server says of it: `Detections`, or `Labels` where its zoo classifies; None if it was dropped.
        latency_ms: capture to answer; None if it was dropped.
        record: the same with all measurements, as it stands in the frame log.
        image: the captured picture [height, width, 3], blue, green, red, if the stream keeps images.
    """

    stream_id: str
    sequence: int
    verdict: Verdict
    drop: Drop | None
    detail: str
    found: Detections | Labels | None
    latency_ms: float | None
    record: FrameRecord
    image: Image | None = None

    @property
    def is_in_time(self) -> bool:
        """Whether the frame was answered within the SLO."""
        return self.verdict is Verdict.IN_TIME

    @property
    def detections(self) -> Detections | None:
        """The objects found; None if it was dropped, or its zoo classifies."""
        return self.found if isinstance(self.found, Detections) else None

    @property
    def labels(self) -> Labels | None:
        """The likeliest classes; None if it was dropped, or its zoo detects."""
        return self.found if isinstance(self.found, Labels) else None


class Told(NamedTuple):
    """What a server told about a frame, beside its verdict.

    Attributes:
        result: its message.
        found: what it says of the frame; None if that was dropped.
        detail: its words about a drop, for people.
    """

    result: pb.Result
    found: Detections | Labels | None
    detail: str

    def complete(self, record: FrameRecord) -> FrameRecord:
        """Returns a row of the log with the server's columns filled in."""
        result = self.result
        record = record._replace(
            variant=result.variant,
            advised_side_px=result.advised_side_px,
            plan_epoch=result.plan_epoch,
        )
        if self.found is None:
            return record
        timings = result.timings
        return record._replace(
            batch_size=result.batch_size,
            endpoint_ms=timings.endpoint_ms,
            queue_ms=timings.queue_ms,
            decode_ms=timings.decode_ms,
            inference_ms=timings.inference_ms,
            server_ms=timings.server_ms,
            num_detections=len(self.found) if isinstance(self.found, Detections) else None,
            energy_mj=timings.energy_mj if timings.HasField("energy_mj") else None,
        )


def read_result(result: pb.Result) -> ServerAnswer:
    """Reads what a server says about a frame; the content of the answer is a `Told`.

    A server that is newer may say words that are not known here: they become `other`, and are kept in
    the detail. What says neither that the frame was answered nor that it was dropped has no answer that
    could be used, so it counts as dropped.

    Raises:
        ValueError: if its answer is broken.
    """
    advice = SideAdvice(result.advised_side_px, result.served_side_px)
    if result.verdict == pb.ANSWERED:
        timings = result.timings
        waited_ms = timings.queue_ms - timings.decode_ms  # decoding is needed
        times = ServerTimes(timings.server_ms - waited_ms, timings.inference_ms, waited_ms)
        told = Told(result, _found(result), "")
        return ServerAnswer(advice, times=times, content=told)
    reason, detail = reason_named(result.drop.reason, result.drop.detail)
    unknown = []
    if result.verdict != pb.DROPPED:
        unknown.append(f"verdict {result.verdict}")
    if result.drop.place not in _PLACES:
        unknown.append(f"place {result.drop.place}")
    words = ": ".join([*unknown, detail] if detail else unknown)
    drop = Drop(_PLACES.get(result.drop.place, Place.OTHER), reason)
    return ServerAnswer(advice, drop, content=Told(result, None, words))


def _found(result: pb.Result) -> Detections | Labels:
    """Turns the wire's answer into arrays; ValueError if the fields do not belong together. None is an empty one."""
    message = result.labels if result.HasField("labels") else result.detections
    if any(class_id > _MAX_CLASS_ID for class_id in message.class_ids):
        raise ValueError(f"class_ids: must be at most {_MAX_CLASS_ID}")
    class_ids = np.array(message.class_ids, np.int32)
    scores = np.array(message.scores, np.float32)
    if isinstance(message, pb.Labels):
        return Labels(class_ids[:MAX_LABELS], scores[:MAX_LABELS])  # a newer server may tell more
    boxes = np.array(message.boxes, np.float32)
    if boxes.size % _BOX_SIZE:
        raise ValueError(f"boxes={boxes.size} numbers: must be 4 for each object")
    return Detections(boxes.reshape(-1, _BOX_SIZE), scores, class_ids)


class Inbox:
    """A bounded queue of answers for one reader; a full one throws its oldest answer away.

    Attributes:
        num_thrown_away: answers that nobody took in time.
    """

    def __init__(self, max_answers: int) -> None:
        self.num_thrown_away = 0
        self._answers: deque[Answer] = deque(maxlen=max_answers)
        self._has_news = asyncio.Event()
        self._has_ended = False
        self._is_read = False  # somebody waits in `get`

    def put(self, answer: Answer) -> None:
        """Adds an answer."""
        if len(self._answers) == self._answers.maxlen:
            self.num_thrown_away += 1
        self._answers.append(answer)
        self._has_news.set()

    def end(self) -> None:
        """Says that there will be no more."""
        self._has_ended = True
        self._has_news.set()

    async def get(self) -> Answer | None:
        """Waits for the next answer; None at the end.

        Raises:
            RuntimeError: if another task waits already: each would get some of the answers.
        """
        if self._is_read:
            raise RuntimeError("the stream is iterated twice at the same time")
        self._is_read = True
        try:
            while not self._answers:
                if self._has_ended:
                    return None
                self._has_news.clear()
                await self._has_news.wait()
            return self._answers.popleft()
        finally:
            self._is_read = False
