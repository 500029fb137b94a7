"""Writes a scene as video, with what there is to find in it beside it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from .scene import Scene

_CODEC: Final = "libx264"
_CONSTANT_RATE_FACTOR: Final = 20


def write_scene_video(
    scene: Scene, video: Path, annotations: Path | None, num_frames: int, first_frame: int = 0
) -> None:
    """Writes frames as H.264 in mp4, and the truth as a COCO file.

    The file's images are numbered from 1 in the order of the video's frames; objects not asked for
    are crowds.

    Args:
        scene: What to draw.
        video: Where the mp4 goes.
        annotations: Where the COCO file goes; None for no such file.
        num_frames: Frames to write.
        first_frame: Index of the first one in the scene.

    Raises:
        ValueError: If `num_frames` is not positive or the frames have odd sides, which H.264 with
            halved colour cannot hold.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}: it must be positive")
    if scene.width_px % 2 or scene.height_px % 2:
        raise ValueError(
            f"frame is {scene.width_px} x {scene.height_px} px: both sides must be even for video"
        )
    images: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    with av.open(str(video), "w", options={"movflags": "+faststart"}) as container:
        rate = Fraction(scene.fps).limit_denominator(1000)
        stream = container.add_stream(_CODEC, rate=rate)
        stream.width, stream.height = scene.width_px, scene.height_px
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(_CONSTANT_RATE_FACTOR), "preset": "veryfast"}
        for number in range(num_frames):
            drawn = scene.frame(first_frame + number)
            image_id = number + 1
            images.append(
                {
                    "id": image_id,
                    "file_name": f"{video.name}#{number}",
                    "width": scene.width_px,
                    "height": scene.height_px,
                }
            )
            for seen in drawn.objects:
                x0, y0, x1, y1 = seen.box_px
                found.append(
                    {
                        "id": len(found) + 1,
                        "image_id": image_id,
                        "category_id": seen.class_id + 1,
                        "bbox": [round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)],
                        "area": round((x1 - x0) * (y1 - y0), 2),
                        "iscrowd": int(seen.is_ignored),
                    }
                )
            picture = av.VideoFrame.from_ndarray(drawn.image, format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    if annotations is not None:
        document = {
            "info": {"description": f"drawn traffic, {scene.split} scene {scene.seed}"},
            "images": images,
            "annotations": found,
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(scene.class_names)],
        }
        annotations.write_text(json.dumps(document) + "\n", encoding="utf-8", newline="\n")
