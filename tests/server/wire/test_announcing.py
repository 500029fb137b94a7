"""Whatever a device says of itself is heard as it was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.protos.internal_pb2 import DeviceAnnounced, Envelope, VariantLatency
from moonjelly.server.wire.announcing import AnnouncementReader, announcement
from moonjelly.server.wire.channel import encode

rows = st.lists(st.floats(0.1, 1000.0), min_size=1, max_size=40).map(sorted).map(tuple)


def heard(device: AnnouncedDevice, reader: AnnouncementReader) -> list[AnnouncedDevice | None]:
    packets = [encode(part) for part in announcement(device)]
    return [reader.read(Envelope.FromString(one).device_announced) for one in packets]


@given(
    st.dictionaries(st.text("abc-", min_size=1, max_size=64), rows, max_size=40),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 100.0),
    st.booleans(),
)
def test_what_is_heard_is_what_was_said(latencies, generation, reach_ms, is_leaving) -> None:
    profile = LatencyProfile(
        "gpu", {name: BatchLatency(row, row) for name, row in latencies.items()}
    )
    device = AnnouncedDevice(Device("d0", "gpu"), generation, profile, reach_ms, is_leaving)
    reader = AnnouncementReader()
    *before, whole = heard(device, reader)
    assert before == [None] * len(before)
    assert whole == device
    assert reader.generations == {"d0": generation}


def test_the_largest_table_that_options_allow_fits_into_packets() -> None:
    row = tuple(float(size) for size in range(1, 257))
    latencies = {f"{number:03}".ljust(64, "v"): BatchLatency(row, row) for number in range(100)}
    device = AnnouncedDevice(Device("d" * 64, "t" * 64), 1, LatencyProfile("t" * 64, latencies))
    assert heard(device, AnnouncementReader())[-1] == device


@pytest.mark.parametrize(
    "odd",
    [
        DeviceAnnounced(device_id="../d0", device_type="gpu"),
        DeviceAnnounced(device_id="d0", device_type="gpu", reach_ms=float("nan")),
        DeviceAnnounced(
            device_id="d0", device_type="gpu", latencies=[VariantLatency(variant="a", p50_ms=[1])]
        ),
    ],
)
def test_a_device_that_cannot_be_is_refused(odd) -> None:
    reader = AnnouncementReader()
    with pytest.raises(ValueError, match="must"):
        reader.read(odd)
    assert reader.generations == {}
