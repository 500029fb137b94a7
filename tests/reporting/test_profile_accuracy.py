from __future__ import annotations

import pytest

from moonjelly.core.quality import JpegQuality
from moonjelly.core.records import FrameRecord
from moonjelly.core.variant import Variant
from moonjelly.core.verdict import Verdict
from moonjelly.reporting.profile_accuracy import ProfileAccuracy

ACCURACY = ProfileAccuracy(
    [
        Variant("n-128", 128, 0.2, 50.0),
        Variant("n-256", 256, 0.4, 150.0),
        Variant("n-416", 416, 0.6, 330.0),
        Variant("s-416", 416, 0.7, 330.0),
    ],
    [JpegQuality(60, accuracy_ratio=0.9, size_ratio=0.5)],
)


@pytest.mark.parametrize(
    ("variant", "side_px", "accuracy"),
    [
        ("s-416", 416, 0.7),
        ("s-416", 608, 0.7),  # made smaller
        ("s-416", 256, 0.4),  # blown up: no detail comes back
        ("s-416", 300, 0.4),
        ("n-416", 416, 0.6),
        ("n-256", 128, 0.2),
        ("n-128", 96, 0.0),
        ("n-256", None, 0.4),
    ],
)
def test_an_answer_is_worth_what_its_variant_and_its_frame_allow(
    variant: str, side_px: int | None, accuracy: float
) -> None:
    frame = FrameRecord("gate", 0, 0.0, Verdict.IN_TIME, variant=variant, side_px=side_px)
    assert ACCURACY.of(frame) == accuracy
    assert ACCURACY.of(frame._replace(verdict=Verdict.LATE)) == 0.0
    assert ACCURACY.of(frame._replace(jpeg_quality=60)) == pytest.approx(0.9 * accuracy)
    assert ACCURACY.of(frame._replace(jpeg_quality=90)) == accuracy
