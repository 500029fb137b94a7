"""Arguments of the SDK of every type and value: taken, or refused in one line that names the argument."""

from __future__ import annotations

import dataclasses
import math

from hypothesis import strategies as st

from moonjelly.client.options import StreamOptions
from moonjelly.core.limits import BANDWIDTH_KBPS, FPS, SLO_MS, WIRE_MS

SOUND = {"fps": 10.0, "slo_ms": 200.0, "stream_id": "cam"}
NAMES = [field.name for field in dataclasses.fields(StreamOptions)]
ODD = st.one_of(
    st.sampled_from([0, -1, 1, True, False, None, math.nan, math.inf, -math.inf, 10**400, 1e308]),
    st.floats(),
    st.integers(),
    st.text(max_size=80),
    st.binary(max_size=4),
    st.sampled_from(["ladder", "advised", "size", "change_point", "ewma", "", "cam/1", "x" * 65]),
    st.lists(st.sampled_from(["size", "fps", "quality", "frames", "skip", 1]), max_size=4),
    st.tuples(st.text(max_size=8)),
    st.just({}),
    st.just(object()),
)


def test_odd_options_of_a_stream_are_taken_or_refused_by_name(fuzz) -> None:
    def check(changes: dict[str, object]) -> None:
        try:
            options = StreamOptions(**{**SOUND, **changes})  # type: ignore[arg-type]
        except (ValueError, TypeError) as error:
            text = str(error)
            assert "\n" not in text
            assert len(text) < 300
            assert any(name in text for name in changes), text
            return
        FPS.require("fps", options.fps)
        SLO_MS.require("slo_ms", options.slo_ms)
        BANDWIDTH_KBPS.require("bandwidth_kbps", options.bandwidth_kbps)
        if options.wire_ms is not None:
            WIRE_MS.require("wire_ms", options.wire_ms)

    fuzz(check, st.dictionaries(st.sampled_from(NAMES), ODD, min_size=1, max_size=2))
