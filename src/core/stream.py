"""Streams: what identifies one, and how the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from .checks import require_id, require_not_negative, require_positive
from .link import Link

DEFAULT_TENANT = "local"


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """What tells streams apart: whose it is, and its name there.

    Its text is `TENANT/STREAM`, or just `STREAM` of the default tenant; planning takes it for a name without parts.
    """

    tenant: str
    stream_id: str

    def __post_init__(self) -> None:
        require_id("tenant", self.tenant)
        require_id("stream_id", self.stream_id)

    def __str__(self) -> str:
        if self.tenant == DEFAULT_TENANT:
            return self.stream_id
        return f"{self.tenant}/{self.stream_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text of a key.

        Raises:
            ValueError: naming part, value and rule.
        """
        tenant, slash, stream_id = text.partition("/")
        return cls(tenant, stream_id) if slash else cls(DEFAULT_TENANT, text)


@dataclass(frozen=True)
class Stream(Link):
    """One stream as the planner sees it.

    Attributes:
        stream_id: unique; the text of a `StreamKey`.
        fps: frame rate (frame/s), any positive number.
        slo_ms: bound on capture to answer.
        bandwidth_kbps: estimated uplink rate (1000 bit/s); 0 while the link is down.
        wire_ms: one-way propagation delay.
        response_kbits: size of an answer, charged to the same link as the frame.
        frame_size_ratio: this stream's encoded sizes relative to the zoo's `frame_kbits`.
        decode_ms: what decoding one of its frames takes the server.
    """

    stream_id: str
    fps: float
    slo_ms: float
    bandwidth_kbps: float
    wire_ms: float = 0.0
    response_kbits: float = 0.0
    frame_size_ratio: float = 1.0
    decode_ms: float = 0.0

    def __post_init__(self) -> None:
        _check_key(self.stream_id)
        require_positive("fps", self.fps)
        require_positive("slo_ms", self.slo_ms)
        require_not_negative("bandwidth_kbps", self.bandwidth_kbps)
        require_not_negative("wire_ms", self.wire_ms)
        require_not_negative("response_kbits", self.response_kbits)
        require_positive("frame_size_ratio", self.frame_size_ratio)
        require_not_negative("decode_ms", self.decode_ms)

    @classmethod
    def trusted(cls, **values: str | float) -> Self:
        """One whose values are sound, unchecked: advice makes one for every frame."""
        stream = object.__new__(cls)
        object.__setattr__(stream, "__dict__", values)
        return stream

    def is_carried(self, frame_kbits: float) -> bool:
        """Whether its link carries such frames strictly faster than they are made."""
        return self.carries(frame_kbits * self.frame_size_ratio, self.fps)

    def network_ms(self, frame_kbits: float) -> float:
        """Time on the network of such a frame and its answer."""
        return self.round_trip_ms(frame_kbits * self.frame_size_ratio + self.response_kbits)


@lru_cache(maxsize=4096)  # the same streams come by for every frame and plan
def _check_key(text: str) -> None:
    StreamKey.parse(text)
