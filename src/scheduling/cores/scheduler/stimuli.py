"""What happens to the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ....core.device import AnnouncedDevice
from ....core.stream import Stream
from ...quotas import Quotas
from ...sharing.entitlements import Entitlements
from ...slowness import Slowness


@dataclass(frozen=True, slots=True)
class EndpointCame:
    """An endpoint is there, and will say what it has; whoever had its name before is gone."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class EndpointLost:
    """An endpoint is gone, with its streams and whatever it has asked."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """A stream wants to join.

    Attributes:
        request: number that the answer goes to; unique for its endpoint.
        older_proof: of the session that it takes the place of; 0 if none is given.
    """

    endpoint: str
    request: int
    stream: Stream
    older_proof: int = 0


@dataclass(frozen=True, slots=True)
class JoinLeft:
    """Whoever asked with this request has gone: the question is void, or the place is free again."""

    endpoint: str
    request: int
    stream_id: str


@dataclass(frozen=True, slots=True)
class Reported:
    """An endpoint says how all its streams fare.

    Attributes:
        opened: streams whose clients are connected.
        unopened: streams that were admitted, and whose clients have not connected yet.
        overhead_ms: what the endpoint spends on a frame besides queueing and running it.
        is_urgent: somebody came or left, or a link jumped.
        plan_epoch: of the newest plan that it knows.
        silent_devices: where frames that it handed over are overdue.
        proofs: of streams by name: who has it may take a live one's place.
    """

    endpoint: str
    opened: tuple[Stream, ...]
    unopened: tuple[Stream, ...] = ()
    overhead_ms: float = 0.0
    is_urgent: bool = False
    plan_epoch: int = 0
    silent_devices: tuple[str, ...] = ()
    proofs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceAnnounced:
    """A device is there and can run frames, or says something else of itself than before."""

    device: AnnouncedDevice


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A generation of a device is gone, and whatever was before it."""

    device_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class DeviceReported:
    """A device says how it fares.

    Attributes:
        generation: of the device.
        slowness: beside its profile.
        broken: indices of variants that cannot be loaded or run there.
    """

    device_id: str
    generation: int
    slowness: Slowness
    broken: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DeviceMetered:
    """The meter of a device has been read.

    Attributes:
        generation: of the device.
        total_mj: that it has counted; what a later generation counts begins anew.
        at_ms: when it was read.
    """

    device_id: str
    generation: int
    total_mj: float
    at_ms: float


@dataclass(frozen=True, slots=True)
class TenantsSet:
    """What tenants may have, and are entitled to, from now on; who has more than its quota keeps it."""

    quotas: Quotas
    entitlements: Entitlements


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. The only stimulus that makes plans, at most one for each."""


Stimulus: TypeAlias = (
    EndpointCame
    | EndpointLost
    | JoinAsked
    | JoinLeft
    | Reported
    | DeviceAnnounced
    | DeviceLost
    | DeviceReported
    | DeviceMetered
    | TenantsSet
    | Tick
)
