"""Draws the pictures that the shipped zoo is measured on, with their labels as COCO has them.

`python -m moonjelly.training.test_pictures --output data/test` writes `images/` and `annotations.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2

from ..vision.classes import TRAFFIC_CLASSES
from ..vision.scenes import Scene, Split

FRAME_STRIDE = 23  # seconds apart within a scene


def draw_test_pictures(
    output: Path, num_scenes: int, frames_each: int, split: Split = "test"
) -> None:
    """Draws frames of scenes; what is hardly to be seen is a crowd, which counts neither when found nor when missed."""
    folder = output / "images"
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for seed in range(num_scenes):
        scene = Scene(seed, split)
        for k in range(frames_each):
            frame, number = scene.frame(k * FRAME_STRIDE), len(images) + 1
            name = f"{seed:03}-{k:02}.png"
            cv2.imwrite(str(folder / name), frame.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            height, width = frame.image.shape[:2]
            images.append({"id": number, "width": width, "height": height, "file_name": name})
            for found in frame.objects:
                x0, y0, x1, y1 = map(float, found.box_px)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": found.class_id + 1,
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "area": (x1 - x0) * (y1 - y0),
                        "iscrowd": int(found.is_ignored),
                    }
                )
    categories = [{"id": k, "name": name} for k, name in enumerate(TRAFFIC_CLASSES, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (output / "annotations.json").write_text(json.dumps(document), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Draws pictures and writes their labels."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("data/test"), metavar="DIR")
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--frames", type=int, default=16, help="of each scene")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    options = parser.parse_args(arguments)
    draw_test_pictures(options.output, options.scenes, options.frames, options.split)


if __name__ == "__main__":
    main()
