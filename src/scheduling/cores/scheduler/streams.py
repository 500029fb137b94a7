"""The streams of all endpoints, as the scheduler knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ....core.stream import Stream
from .stimuli import Reported

JOIN_GRACE_MS = 2000.0


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A stream that may join, and that its endpoint has not named yet; kept until then, or until a time."""

    request: int
    stream: Stream
    until_ms: float


@dataclass(slots=True, eq=False)
class _Share:
    """What one endpoint has."""

    opened: dict[str, Stream] = field(default_factory=dict)
    unopened: dict[str, Stream] = field(default_factory=dict)
    admitted: dict[str, _Admitted] = field(default_factory=dict)
    proofs: Mapping[str, int] = field(default_factory=dict)
    overhead_ms: float = 0.0
    has_spoken: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What a report has changed.

    Attributes:
        has_left: whether a stream is gone.
        has_opened: whether a stream is open that was not.
        superseded: endpoint and stream of each session that a newer one elsewhere has taken the place of.
    """

    has_left: bool
    has_opened: bool
    superseded: tuple[tuple[str, str], ...]


class StreamTable:
    """Streams by endpoint. Each belongs to one endpoint: where it joined last.

    It moves when the newer endpoint names it for the first time, as only then there is a session that can take the
    place of the older one.
    """

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        self._owner: dict[str, str] = {}

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints that are there."""
        return tuple(self._shares)

    @property
    def num_spoken(self) -> int:
        """Endpoints that have said what they have."""
        return sum(share.has_spoken for share in self._shares.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is no stream at all."""
        return not any(one.opened or one.unopened or one.admitted for one in self._shares.values())

    @property
    def overhead_ms(self) -> float:
        """The largest overhead of an endpoint that has spoken."""
        return max((share.overhead_ms for share in self._shares.values()), default=0.0)

    def opened(self) -> tuple[Stream, ...]:
        """The open streams, in the order of their names."""
        return _in_order(one for share in self._shares.values() for one in share.opened.values())

    def pending(self) -> tuple[Stream, ...]:
        """The streams that were admitted and are not open yet, in the order of their names.

        One that is open elsewhere, or in another form, is among them, too.
        """
        return _in_order(
            stream
            for share in self._shares.values()
            for stream in (
                *share.unopened.values(),
                *(one.stream for one in share.admitted.values()),
            )
        )

    def add_endpoint(self, endpoint: str) -> None:
        """An endpoint has come; it will say what it has."""
        self._shares[endpoint] = _Share()

    def lose_endpoint(self, endpoint: str) -> bool:
        """An endpoint is gone, and its streams; returns whether it had any."""
        share = self._shares.pop(endpoint, _Share())
        self._owner = {one: owner for one, owner in self._owner.items() if owner != endpoint}
        return bool(share.opened or share.unopened or share.admitted)

    def is_taken(self, endpoint: str, stream_id: str, older_proof: int) -> bool:
        """Whether a stream is live at another endpoint than that, and whoever asks has no proof that it is his."""
        owner = self._owner.get(stream_id, endpoint)
        if owner == endpoint:
            return False
        share = self._shares[owner]
        stream = share.opened.get(stream_id) or share.unopened.get(stream_id)
        is_live = stream is not None and stream.bandwidth_kbps > 0
        return is_live and share.proofs.get(stream_id, 0) not in (0, older_proof)

    def admit(self, endpoint: str, request: int, stream: Stream, now_ms: float) -> None:
        """Counts a stream that may join, before its endpoint names it."""
        for share in self._shares.values():
            share.admitted.pop(stream.stream_id, None)
        share = self._shares[endpoint]
        share.admitted[stream.stream_id] = _Admitted(request, stream, now_ms + JOIN_GRACE_MS)

    def leave(self, endpoint: str, request: int, stream_id: str) -> bool:
        """Whoever was admitted with that request has gone; returns whether that frees a place."""
        share = self._shares.get(endpoint)
        admitted = share.admitted.get(stream_id) if share is not None else None
        if share is None or admitted is None or admitted.request != request:
            return False
        del share.admitted[stream_id]
        return True

    def forget(self, now_ms: float) -> bool:
        """Gives up those who were admitted and never named; returns whether there were any."""
        late = [
            (share, stream_id)
            for share in self._shares.values()
            for stream_id, one in share.admitted.items()
            if now_ms >= one.until_ms
        ]
        for share, stream_id in late:
            del share.admitted[stream_id]
        return bool(late)

    def take(self, report: Reported) -> Changes:
        """Takes in what an endpoint says of all its streams."""
        endpoint = report.endpoint
        share = self._shares[endpoint]
        superseded = []
        for stream in (*report.opened, *report.unopened):
            stream_id = stream.stream_id
            is_new = share.admitted.pop(stream_id, None) is not None
            owner = self._owner.setdefault(stream_id, endpoint)
            if owner != endpoint and is_new:
                self._owner[stream_id] = endpoint
                self._shares[owner].opened.pop(stream_id, None)
                self._shares[owner].unopened.pop(stream_id, None)
            if owner != endpoint:
                superseded.append((owner if is_new else endpoint, stream_id))
        before = share.opened.keys(), share.opened.keys() | share.unopened.keys()
        share.opened = self._owned(endpoint, report.opened)
        share.unopened = {
            one: stream
            for one, stream in self._owned(endpoint, report.unopened).items()
            if one not in share.opened
        }
        share.proofs = report.proofs
        share.overhead_ms = report.overhead_ms
        share.has_spoken = True
        named = share.opened.keys() | share.unopened.keys()
        for stream_id, owner in list(self._owner.items()):
            if owner == endpoint and stream_id not in named:
                del self._owner[stream_id]
        return Changes(
            has_left=bool(before[1] - named),
            has_opened=bool(share.opened.keys() - before[0]),
            superseded=tuple(superseded),
        )

    def check_invariants(self) -> None:
        """Raises AssertionError where the table contradicts itself; for tests."""
        owners: list[tuple[str, str]] = []
        admitted: list[str] = []
        for endpoint, share in self._shares.items():
            owners += [(one, endpoint) for one in (*share.opened, *share.unopened)]
            admitted += share.admitted
        if len(owners) != len(self._owner) or dict(owners) != self._owner:
            raise AssertionError("a stream is not with its owner, or not there alone")
        if len(admitted) != len(set(admitted)):
            raise AssertionError("a stream is admitted twice")

    def _owned(self, endpoint: str, streams: Iterable[Stream]) -> dict[str, Stream]:
        return {one.stream_id: one for one in streams if self._owner.get(one.stream_id) == endpoint}


def _in_order(streams: Iterable[Stream]) -> tuple[Stream, ...]:
    """By name; the last of one name counts."""
    by_name = {stream.stream_id: stream for stream in streams}
    return tuple(by_name[name] for name in sorted(by_name))
