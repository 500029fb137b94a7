"""What an adaptation policy is asked, and what it answers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol

from ...core.link import Link
from ...core.quality import JpegQuality
from ...core.verdict import Reason
from ..frame_sizes import DEFAULT_QUALITY, FrameSize
from .odds import ArrivalOdds


@dataclass(slots=True)  # not frozen, which makes one cost twice as much
class LinkForecast(Link):
    """What is expected of the uplink at this moment.

    Attributes:
        odds: how far it falls short of that.
    """

    bandwidth_kbps: float
    wire_ms: float = 0.0
    odds: ArrivalOdds = field(default_factory=ArrivalOdds)


def takes_no_time(side_px: int) -> float:
    """What making a frame takes where nothing is known of it."""
    del side_px
    return 0.0


@dataclass(slots=True)
class Situation:
    """What a policy knows when it is a frame's turn to be sent.

    Attributes:
        sequence: number of the frame.
        sizes: of the zoo, smallest first, at least one.
        qualities: that the policy may choose, best first; the first one is the default quality.
        size_ratio: encoded sizes of this stream's frames over those of the zoo.
        advised_px: side that the server advised; 0 for none.
        served_px: side of the variant that runs for this stream, to which larger frames are reduced; 0 if
            it is not known.
        fps: declared rate.
        slo_ms: bound on capture to answer.
        left_ms: what is left of it for this frame.
        server_ms: times that the server took for recent answers, shortest first; may be empty.
        link: what is expected of the uplink.
        ack_ms: what passes from a frame's last bit leaving until the next frame may be sent.
        making_ms: what resizing and encoding a frame of a side (px) takes this client, rather more than less.
    """

    sequence: int
    sizes: Sequence[FrameSize]
    advised_px: int
    fps: float
    slo_ms: float
    left_ms: float
    link: LinkForecast
    qualities: Sequence[JpegQuality] = (DEFAULT_QUALITY,)
    served_px: int = 0
    server_ms: Sequence[float] = ()
    size_ratio: float = 1.0
    making_ms: Callable[[int], float] = takes_no_time
    ack_ms: float = 0.0

    def kbits(self, size: FrameSize, quality: JpegQuality = DEFAULT_QUALITY) -> float:
        """Encoded size that a frame of this stream will probably have."""
        return size.kbits * quality.size_ratio * self.size_ratio

    def is_carried(self, kbits: float) -> bool:
        """Whether the link carries frames of that size strictly faster than they are made."""
        return self.link.carries(kbits, self.fps)

    def useful_sizes(self) -> Sequence[FrameSize]:
        """The sizes up to what the running variant takes, smallest first; up to the advised one if unknown."""
        most_px = self.served_px or self.advised_px
        return _up_to(self.sizes, most_px)

    def advised_sizes(self) -> Sequence[FrameSize]:
        """The sizes up to the advised one, smallest first; the smallest where nothing is advised."""
        return _up_to(self.sizes, self.advised_px)


_side_px = attrgetter("side_px")


def _up_to(sizes: Sequence[FrameSize], most_px: int) -> Sequence[FrameSize]:
    """The sizes up to a side; the smallest in any case."""
    return sizes[: bisect_right(sizes, most_px, key=_side_px) or 1]


class Sending(NamedTuple):
    """How a frame is to be sent.

    Attributes:
        size: of the zoo, as the situation lists it.
        quality: to encode it with.
        may_be_late: whether it is sent even if it will hardly be answered in time.
    """

    size: FrameSize
    quality: JpegQuality = DEFAULT_QUALITY
    may_be_late: bool = False


class Policy(Protocol):
    """Chooses how each frame travels. One object serves one stream, and may remember.

    Pure but for that memory: no I/O, no clock, no chance.
    """

    def choose(self, situation: Situation) -> Sending | Reason:
        """Decides on the frame whose turn it is: how it is sent, or why it is given up unsent.

        Reasons are `LINK_TOO_SLOW` and `SKIPPED`.
        """
        ...
