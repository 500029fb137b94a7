"""Devices that say who they are, in packets."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.device import AnnouncedDevice, Device
from ...core.profile import BatchLatency, LatencyProfile
from ...protos.internal_pb2 import DeviceAnnounced, Envelope, VariantLatency

VARIANTS_PER_PACKET = 16  # of at most about 4 KiB each


def announcement(device: AnnouncedDevice) -> Iterator[Envelope]:
    """Says who a device is, in as many parts as it takes."""
    latencies = [
        VariantLatency(variant=name, p50_ms=one.p50_ms, p99_ms=one.p99_ms)
        for name, one in device.profile.by_variant.items()
    ]
    for start in range(0, max(1, len(latencies)), VARIANTS_PER_PACKET):
        end = start + VARIANTS_PER_PACKET
        yield Envelope(
            device_announced=DeviceAnnounced(
                device_id=device.device_id,
                device_type=device.device.device_type,
                generation=device.generation,
                reach_ms=device.reach_ms,
                is_leaving=device.is_leaving,
                latencies=latencies[start:end],
                has_more=end < len(latencies),
            )
        )


class AnnouncementReader:
    """Puts together what the devices behind one connection say of themselves.

    Attributes:
        generations: of the devices that have said who they are, by id.
    """

    def __init__(self) -> None:
        """Knows of none yet."""
        self.generations: dict[str, int] = {}
        self._latencies: dict[str, BatchLatency] = {}  # the begin of an announcement

    def read(self, part: DeviceAnnounced) -> AnnouncedDevice | None:
        """Returns who it is; None before all parts are there.

        Raises:
            ValueError: if no device is like that.
        """
        for one in part.latencies:
            self._latencies[one.variant] = BatchLatency(tuple(one.p50_ms), tuple(one.p99_ms))
        if part.has_more:
            return None
        latencies, self._latencies = self._latencies, {}
        device = AnnouncedDevice(
            Device(part.device_id, part.device_type),
            part.generation,
            LatencyProfile(part.device_type, latencies),
            part.reach_ms,
            part.is_leaving,
        )
        self.generations[device.device_id] = device.generation
        return device
