"""Golden detections: what the largest variant of a zoo finds, which smaller ones are compared with."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch

from .detections import Detections
from .preprocessing import Image, resize_to_side
from .zoo import TorchDetector, build_detector, load_zoo


def golden_detections(zoo_name: str, images: Iterable[Image]) -> list[Detections]:
    """Runs a zoo's largest variant on pictures, one at a time, on the processor.

    The pictures are resized and not compressed: between the golden variant and the camera lies no link.

    Raises:
        ValueError: If no zoo has this name.
        WeightsError: If the weights are missing or not what the manifest says.
    """
    detector = build_detector(load_zoo(zoo_name).variants[-1].name)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more wait for each other many times as long where cores are busy
    try:
        return [_detect(detector, image) for image in images]
    finally:
        torch.set_num_threads(num_threads)


def _detect(detector: TorchDetector, image: Image) -> Detections:
    square = cv2.cvtColor(resize_to_side(image, detector.input_side_px), cv2.COLOR_BGR2RGB)
    return detector(np.asarray(square, np.uint8)[None])[0]
