"""A stream as its viewer sees it, as an mp4 that browsers play; answers of earlier frames are marked as stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av

from ..core.answers import Answer
from ..core.records import FrameRecord
from ..files.whole_file import whole_file
from ..vision.fits import Image
from .annotation import STRIP_PX, annotate, view_height_px
from .run_folder import StreamInfo
from .viewing import viewed

WIDTH_PX = 640
SLOWEST_FPS = Fraction(1, 1000)
QUALITY = {"crf": "27", "preset": "veryfast"}


def write_video(
    path: Path,
    stream: StreamInfo,
    frames: Sequence[FrameRecord],
    answers: Mapping[int, Answer],
    picture_of: Callable[[int], Image],
    class_names: tuple[str, ...],
) -> None:
    """Writes the annotated video of one stream, whole or not at all.

    Its size is that of the first picture; others are fitted into it.

    Args:
        path: the mp4.
        stream: what it shows.
        frames: its captured frames, oldest first, at least one.
        answers: by sequence number.
        picture_of: what was captured, by sequence number.
        class_names: by class id.

    Raises:
        ValueError: if there are no frames.
        OSError: if it cannot be written; also what `picture_of` raises.
    """
    if not frames:
        raise ValueError(f"frames of {stream.stream_id}: there must be at least one")
    rate = max(SLOWEST_FPS, Fraction(stream.fps).limit_denominator(1000))
    with (
        whole_file(path) as draft,
        av.open(str(draft), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        track = container.add_stream("libx264", rate=rate)
        track.pix_fmt = "yuv420p"
        track.options = dict(QUALITY)
        view_px = None
        for frame, shown in viewed(frames, answers, stream.slo_ms):
            picture = picture_of(frame.sequence)
            if view_px is None:
                view_px = view_height_px(picture, WIDTH_PX)
                track.width, track.height = WIDTH_PX, view_px + STRIP_PX
            drawn = annotate(picture, frame, shown, stream.slo_ms, class_names, WIDTH_PX, view_px)
            container.mux(track.encode(av.VideoFrame.from_ndarray(drawn, format="bgr24")))
        container.mux(track.encode(None))
