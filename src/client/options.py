"""What a stream asks for."""

from __future__ import annotations

from dataclasses import dataclass

from ..adapting.estimators import DEFAULT_ESTIMATOR, MAX_KBPS, check_estimator
from ..adapting.policies.registry import DEFAULT_POLICY, policy
from ..adapting.policies.rungs import DEFAULT_LADDER, parse_ladder
from ..core.answer_options import MIN_SCORE
from ..core.checks import (
    LARGEST,
    echo,
    is_number,
    require_count,
    require_flag,
    require_id,
    require_positive,
)
from ..core.limits import BANDWIDTH_KBPS, FPS, SLO_MS, WIRE_MS, Range
from ..core.options import check_ranges, option, required

DEFAULT_CONNECT_TIMEOUT_S = 5.0
MAX_CONNECT_TIMEOUT_S = 86_400.0
MAX_UNREAD = 1_000_000
MAX_BOXES = 1_000_000
GUESSED_KBPS = Range(BANDWIDTH_KBPS.least, MAX_KBPS)
"""Of an uplink, before it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What a stream asks for.

    Attributes:
        fps: frame rate; 0.001 to 240.
        slo_ms: bound on capture to answer; 1 to 60000.
        stream_id: 1 to 64 characters of `[A-Za-z0-9._-]`, the first a letter or digit; registering an
            id again takes the older stream's place.
        zoo: the variants wanted; empty for the server's.
        bandwidth_kbps: guess of the uplink's rate, until frames tell; at least 1.
        wire_ms: one-way delay of the link; None measures it.
        num_frames: number of frames that are due before the stream ends; None for no limit.
        keep_images: whether answers come with their pictures.
        zero_ms: time of the monotonic clock from which the times of the log count; None for now.
        connect_timeout_s: how long to wait for a server that takes streams; at most a day.
        max_unread: answers that wait for the user; older ones are thrown away, their frames stay
            counted.
        policy: how frames adapt to the link; docs/adaptation.md lists the names.
        ladder: what the policy `ladder` may give up, in its order; see there.
        estimator: how the rate of the uplink is estimated; docs/estimators.md lists the names.
        min_score: less sure boxes and labels are left out of answers; 0 to 1, 0 as the zoo has it.
        classes: names of the zoo's classes that are wanted; none for all of them.
        max_boxes: how many boxes or labels are wanted, the best; None for as many as there are.
    """

    fps: float = required(FPS)
    slo_ms: float = required(SLO_MS)
    stream_id: str
    zoo: str = ""
    bandwidth_kbps: float = option(10_000.0, limits=GUESSED_KBPS)
    wire_ms: float | None = option(None, limits=WIRE_MS)
    num_frames: int | None = None
    keep_images: bool = False
    zero_ms: float | None = None
    connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S
    max_unread: int = 256
    policy: str = DEFAULT_POLICY
    ladder: tuple[str, ...] = DEFAULT_LADDER
    estimator: str = DEFAULT_ESTIMATOR
    min_score: float = option(0.0, limits=MIN_SCORE)
    classes: tuple[str, ...] = ()
    max_boxes: int | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        require_id("stream_id", self.stream_id)
        if not self.stream_id[0].isalnum():
            raise ValueError(f"stream_id={self.stream_id}: must begin with a letter or digit")
        if not (isinstance(self.zoo, str) and not self.zoo):
            require_id("zoo", self.zoo)
        if self.num_frames is not None:
            require_count("num_frames", self.num_frames)
        require_flag("keep_images", self.keep_images)
        if self.zero_ms is not None:
            is_finite = is_number(self.zero_ms) and abs(self.zero_ms) <= LARGEST
            if not is_finite:
                raise ValueError(f"zero_ms={echo(self.zero_ms)}: must be a finite number")
        require_positive("connect_timeout_s", self.connect_timeout_s, MAX_CONNECT_TIMEOUT_S)
        require_count("max_unread", self.max_unread, MAX_UNREAD)
        if self.max_boxes is not None:
            require_count("max_boxes", self.max_boxes, MAX_BOXES)
        for field, value in (("policy", self.policy), ("estimator", self.estimator)):
            if not isinstance(value, str):
                raise ValueError(f"{field}={echo(value)}: must be a name")  # noqa: TRY004 as all of them
        for field, names, example in (
            ("ladder", self.ladder, '("fps", "size")'),
            ("classes", self.classes, '("car", "bus")'),
        ):
            is_list = isinstance(names, (list, tuple))
            if not is_list or not all(isinstance(one, str) and one.isprintable() for one in names):
                raise ValueError(f"{field}={echo(names)}: must be names, such as {example}")
        parse_ladder(self.ladder)
        policy(self.policy, self.ladder)
        check_estimator(self.estimator)
