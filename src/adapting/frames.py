"""A frame as its client knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.ledger import Outcome
from ..core.records import FrameRecord
from ..core.verdict import Verdict

BYTES_PER_KBIT = 125


@dataclass(eq=False)
class OfferedFrame:
    """A captured frame. What comes later is filled in by `Sender` as it becomes known.

    Without slots, what has not happened yet takes no time to set up; nor is set what stays as it was.

    Attributes:
        sequence: its number; rises from frame to frame.
        captured_ms: when it was captured.
        link_ms: how long it has waited for the link alone.
        kbits: its encoded size.
        sent_ms: when it was handed to the transport.
        bandwidth_kbps: what the link was then thought to carry.
        network_ms: round trip of frame and ack, less what the server held it.
        answered_ms: when the server's answer came, if that gave it its verdict.
        answer: what came with that answer.
        outcome: its verdict; None while it is open.
    """

    sequence: int
    captured_ms: float
    link_ms: float = field(default=0.0, init=False)
    side_px: int | None = field(default=None, init=False)
    jpeg_quality: int | None = field(default=None, init=False)
    kbits: float = field(default=0.0, init=False)
    sent_ms: float | None = field(default=None, init=False)
    bandwidth_kbps: float | None = field(default=None, init=False)
    network_ms: float | None = field(default=None, init=False)
    answered_ms: float | None = field(default=None, init=False)
    answer: object = field(default=None, init=False)
    outcome: Outcome | None = field(default=None, init=False)

    @property
    def num_bytes(self) -> int:
        """Its encoded size."""
        return round(self.kbits * BYTES_PER_KBIT)

    def client_record(self, stream_id: str, outcome: Outcome, zero_ms: float = 0.0) -> FrameRecord:
        """What its client knows of its row in the log; the server's columns are empty.

        Args:
            stream_id: of its stream.
            outcome: its verdict.
            zero_ms: from which the log's times count.
        """
        sent_ms, answered_ms, drop = self.sent_ms, self.answered_ms, outcome.drop
        latency_ms = None
        if answered_ms is not None:
            if outcome.verdict is not Verdict.DROPPED:
                latency_ms = answered_ms - self.captured_ms
            answered_ms -= zero_ms
        return FrameRecord(
            stream_id=stream_id,
            sequence=self.sequence,
            captured_ms=self.captured_ms - zero_ms,
            verdict=outcome.verdict,
            place="" if drop is None else drop.place,
            reason="" if drop is None else drop.reason,
            side_px=self.side_px,
            jpeg_bytes=None if sent_ms is None else self.num_bytes,
            sent_ms=None if sent_ms is None else sent_ms - zero_ms,
            answered_ms=answered_ms,
            latency_ms=latency_ms,
            network_ms=self.network_ms,
            bandwidth_kbps=self.bandwidth_kbps,
            jpeg_quality=self.jpeg_quality,
        )
