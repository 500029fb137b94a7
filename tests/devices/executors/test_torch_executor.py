from __future__ import annotations

import numpy as np

from moonjelly.devices.executors.torch_executor import TorchExecutor
from moonjelly.vision.detections import Detections
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.vision.scenes import Scene
from moonjelly.vision.zoo import build_detector, load_zoo


def assert_same(found: Detections, expected: Detections) -> None:
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)


def test_answers_are_those_of_the_detector_in_the_order_of_the_pictures_however_batches_overlap():
    variant = load_zoo("traffic").variants[4]
    side_px = variant.input_side_px
    images = [Scene(seed, "val").frame(40).image for seed in range(4)]
    pictures = [decode_frame(encode_frame(image, side_px), side_px) for image in images]
    detector = build_detector(variant.name)
    alone = [detector(picture[None])[0] for picture in pictures]
    assert any(len(one) for one in alone)
    executor = TorchExecutor()
    executor.load(variant.name, 2)
    inputs = [executor.prepare(picture) for picture in reversed(pictures)][::-1]
    first = executor.start(variant.name, inputs[:3])
    second = executor.start(variant.name, [inputs[3], inputs[0]])
    for found, expected in zip(executor.finish(first), alone[:3], strict=True):
        assert_same(found, expected)
    for found, expected in zip(executor.finish(second), [alone[3], alone[0]], strict=True):
        assert_same(found, expected)
