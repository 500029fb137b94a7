"""Every wrong argument is refused when it is given, in one line that names it, its value and the rule."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moonjelly import client as sdk
from moonjelly.client import ArraySource, StreamOptions

SOUND = {"fps": 10.0, "slo_ms": 200.0, "stream_id": "a"}
FIELDS = [field.name for field in dataclasses.fields(StreamOptions)]


class Odd:
    def __repr__(self):
        raise ZeroDivisionError


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=70),
    st.binary(max_size=5),
    st.complex_numbers(),
    st.decimals(),
    st.dates(),
    st.lists(st.text(max_size=5) | st.integers(), max_size=3),
    st.tuples(st.sampled_from(["fps", "size", "skip", "quality", "size+quality"])),
    st.builds(Odd),
    st.just(10**5000),
    st.just(-(10**400)),
    st.just(np.float64(5)),
    st.just(np.array([1, 2])),
    st.just(ArraySource),
    st.just(float),
    st.just("\udcff"),
)


def made(make):
    """What is made, or else the words of the refusal."""
    try:
        return make(), None
    except ValueError as error:
        return None, str(error)


@given(st.sampled_from(FIELDS), anything)
@example("ladder", "size")
@example("ladder", ("size", 3))
@example("policy", None)
@example("estimator", [])
@example("max_unread", 2.5)
@example("num_frames", True)
@example("zero_ms", 10**400)
@example("zoo", None)
@example("fps", 10**5000)
@example("keep_images", "yes")
def test_an_option_is_taken_or_refused_by_its_name(field, value):
    options, refusal = made(lambda: StreamOptions(**{**SOUND, field: value}))
    if refusal is None:
        assert getattr(options, field) is value or getattr(options, field) == value
    else:
        assert refusal.startswith(f"{field}=")
        assert "must " in refusal or "is there twice" in refusal
        assert "\n" not in refusal
        assert len(refusal) < 300


@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=5))
def test_whatever_is_taken_can_be_streamed(fields):
    """What passes the checks makes a stream: nothing is refused any later."""
    try:
        options = StreamOptions(**{**SOUND, **fields})
    except ValueError:
        return
    make_stream(options)


def make_stream(options):
    from moonjelly.client.stream import Stream

    return Stream(connections=None, source=ArraySource([0]), options=options, workers=None)


@pytest.mark.parametrize(
    "name", ["fps", "slo_ms", "bandwidth_kbps", "wire_ms", "connect_timeout_s"]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, "5", None, True, 1e300])
def test_numbers_have_to_be_some(name, value):
    if (name, value) == ("wire_ms", None):
        return  # it is measured then
    with pytest.raises(ValueError, match=f"^{name}="):
        StreamOptions(**{**SOUND, name: value})


@pytest.mark.parametrize(
    "source",
    [None, 0, 1.5, b"street.mp4", np.zeros((4, 4, 3), np.uint8), [np.zeros((4, 4, 3))], ArraySource,
     object(), {"read": 1}],
)  # fmt: skip
async def test_what_is_no_source_is_refused_at_once(source):
    async with sdk.connect("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=r"^source=.*must be text, a path, or an object"):
            client.stream(source, fps=10, slo_ms=200)


async def test_paths_and_objects_are_sources():
    async with sdk.connect("127.0.0.1:1") as client:
        for source in ("scene:1", Path("a.mp4"), ArraySource([0])):
            client.stream(source, fps=10, slo_ms=200)


@given(anything)
def test_an_address_is_taken_or_refused(value):
    client, refusal = made(lambda: sdk.connect(value))
    if refusal is None:
        assert client.address == value
    else:
        assert re.match(r"server=.*must be HOST:PORT", refusal)


@pytest.mark.parametrize(
    "address", [None, 5, b"h:1", "h:1\n", "h:99999", "h:-1", "[::1", "rtsp://h:1"]
)
def test_what_is_no_address_is_refused(address):
    for connect in (sdk.connect, sdk.connect_sync):
        with pytest.raises(ValueError, match="must be HOST:PORT"):
            connect(address)
