"""A stream as its viewer sees it, as an mp4 that browsers play; boxes of earlier frames are marked as stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av

from ..core.records import FrameRecord
from ..vision.detections import Detections
from ..vision.preprocessing import Image
from .annotation import annotate
from .run_folder import StreamInfo
from .viewing import viewed

WIDTH_PX = 640
QUALITY = {"crf": "27", "preset": "veryfast"}


def write_video(
    path: Path,
    stream: StreamInfo,
    frames: Sequence[FrameRecord],
    detections: Mapping[int, Detections],
    picture_of: Callable[[int], Image],
    class_names: tuple[str, ...],
) -> None:
    """Writes the annotated video of one stream.

    Args:
        path: the mp4.
        stream: what it shows.
        frames: its captured frames, oldest first, at least one.
        detections: sequence number to answer.
        picture_of: sequence number to the picture that was captured.
        class_names: by class id.

    Raises:
        ValueError: if there are no frames.
    """
    if not frames:
        raise ValueError(f"frames of {stream.stream_id}: there must be at least one")
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        track = container.add_stream("libx264", rate=Fraction(stream.fps).limit_denominator(1000))
        track.pix_fmt = "yuv420p"
        track.options = dict(QUALITY)
        is_sized = False
        for frame, shown in viewed(frames, detections, stream.slo_ms):
            picture = annotate(
                picture_of(frame.sequence), frame, shown, stream.slo_ms, class_names, WIDTH_PX
            )
            if not is_sized:
                track.height, track.width = picture.shape[:2]
                is_sized = True
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(track.encode(None))
