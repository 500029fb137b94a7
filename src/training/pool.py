"""A pool of drawn frames on disk, which training reads over and over."""

from __future__ import annotations

import json
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from ..core.checks import require_count
from ..vision.preprocessing import decode_frame, encode_frame
from ..vision.scenes import Scene, Split

_LOG = logging.getLogger(__name__)

POOL_SIDE_PX: Final = 608
_FRAME_STRIDE: Final = 23
"""Frames between two frames of a scene that enter the pool: apart enough to differ."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Drawn frames and the truth about them.

    Attributes:
        images: RGB pictures, uint8 [n, side, side, 3], read from disk as needed.
        boxes: For each frame the boxes relative to the frame, float32 [k, 4].
        class_ids: For each frame the class of each box, int64 [k].
        is_ignored: For each frame which boxes are not asked for, bool [k].
    """

    images: npt.NDArray[np.uint8]
    boxes: tuple[npt.NDArray[np.float32], ...]
    class_ids: tuple[npt.NDArray[np.int64], ...]
    is_ignored: tuple[npt.NDArray[np.bool_], ...]


def _draw_scene(folder: Path, split: Split, frames_each: int, seed: int) -> list[list[list[float]]]:
    """Draws the frames of one scene into the pool's pictures; returns their truth."""
    cv2.setNumThreads(1)
    images = np.load(folder / "images.npy", mmap_mode="r+")
    scene = Scene(seed, split)
    size_px = (scene.width_px, scene.height_px) * 2
    truth = []
    for k in range(frames_each):
        frame = scene.frame(k * _FRAME_STRIDE + seed % _FRAME_STRIDE)
        encoded = encode_frame(frame.image, POOL_SIDE_PX)
        images[seed * frames_each + k] = decode_frame(encoded, POOL_SIDE_PX).picture
        truth.append(
            [
                [
                    *(px / side for px, side in zip(found.box_px, size_px, strict=True)),
                    found.class_id,
                    float(found.is_ignored),
                ]
                for found in frame.objects
            ]
        )
    images.flush()
    return truth


def draw_pool(
    folder: Path, split: Split, num_scenes: int, frames_each: int, num_workers: int = 2
) -> None:
    """Draws a pool of `num_scenes` x `frames_each` frames into a folder.

    Raises:
        ValueError: If a number is not positive.
        RuntimeError: If a worker dies.
    """
    require_count("num_scenes", num_scenes)
    require_count("frames_each", frames_each)
    folder.mkdir(parents=True, exist_ok=True)
    num_frames = num_scenes * frames_each
    shape = (num_frames, POOL_SIDE_PX, POOL_SIDE_PX, 3)
    np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as workers:
        scenes = workers.map(partial(_draw_scene, folder, split, frames_each), range(num_scenes))
        truth = [frame for scene in scenes for frame in scene]
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    _LOG.info("drew %d frames of %d %s scenes into %s", num_frames, num_scenes, split, folder)


def load_pool(folder: Path) -> Pool:
    """Opens a pool that `draw_pool` has made.

    Raises:
        FileNotFoundError: If the folder holds no finished pool.
    """
    rows = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    arrays = [np.array(frame, np.float32).reshape(-1, 6) for frame in rows]
    return Pool(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        boxes=tuple(array[:, :4].copy() for array in arrays),
        class_ids=tuple(array[:, 4].astype(np.int64) for array in arrays),
        is_ignored=tuple(array[:, 5] > 0 for array in arrays),
    )
