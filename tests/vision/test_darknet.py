"""Darknet's published networks are read as they are, and see what an export of the same weights sees."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from darknet_networks import PUBLISHED, Reference, cfg_text, make_darknet, write_weights, yolov4
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from moonjelly.core.answers import Detections
from moonjelly.vision.darknet import Convolution, Darknet, MaxPool, Shortcut
from moonjelly.vision.darknet_cfg import read_sections
from moonjelly.vision.darknet_weights import read_network, read_weights, write_network
from moonjelly.vision.heads.registry import head_named
from moonjelly.vision.postprocessing import BrokenOutput, select, select_detections

FILE_BYTES = {
    "yolov3": 248_007_048,
    "yolov3-spp": 252_209_544,
    "yolov3-tiny": 35_434_956,
    "yolov4": 257_717_640,
    "yolov4-csp": 211_944_840,
    "yolov4-tiny": 24_251_276,
}


def built(text: str) -> Darknet:
    return Darknet(read_sections("net.cfg", text))


def loaded(cfg: Path, weights: Path) -> Darknet:
    network = Darknet(read_sections(str(cfg), cfg.read_text()))
    read_weights(weights, network)
    return network


@torch.inference_mode()
def answers(network: Darknet, images: torch.Tensor, min_score: float) -> list[Detections]:
    return read(network, images.shape[-1], network(images), min_score)


@torch.inference_mode()
def read(
    network: Darknet, side_px: int, raw: Sequence[torch.Tensor], min_score: float
) -> list[Detections]:
    condensed = network.condenser(side_px)(raw)
    return list(network.answers([one.numpy() for one in condensed], min_score))


def assert_same(found: Detections, expected: Detections) -> None:
    """The same detections, in whatever order those of nearly the same score are."""
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    for kind in np.unique(expected.class_ids):
        ours, theirs = (one.boxes[one.class_ids == kind] for one in (found, expected))
        assert len(ours) == len(theirs)
        gaps = np.abs(ours[:, None] - theirs[None]).max(axis=-1)
        assert gaps.min(axis=1).max() < 1e-4
        assert gaps.min(axis=0).max() < 1e-4


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_need_weights_as_large_as_the_published_files(name: str) -> None:
    network = built(cfg_text(PUBLISHED[name]()))
    assert 20 + 4 * network.num_weights == FILE_BYTES[name]
    assert network.multiple_px == 32
    assert network.num_classes == 80


@pytest.mark.parametrize(("side_px", "gflops"), [(416, 60.137), (608, 128.459)])
def test_yolov4_has_the_published_layers_parameters_and_operations(
    side_px: int, gflops: float
) -> None:
    network = built(cfg_text(yolov4()))
    assert len(network.layers) == 162
    assert len(network.convolutions) == 110
    num_statistics = sum(
        2 * one.conv.out_channels for one in network.convolutions if one.is_normalised
    )
    assert network.num_weights == 64_429_405
    assert round((network.num_weights - num_statistics) / 1e6, 2) == 64.36
    others: list[int] = []  # that Darknet counts beside the convolutions

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        others.append(output.numel() * (layer._size**2 if isinstance(layer, MaxPool) else 1))

    for layer in network.layers:
        if isinstance(layer, MaxPool | Shortcut):
            layer.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, side_px, side_px, device="meta"))
    assert (counter.get_total_flops() + sum(others)) / 1e9 == pytest.approx(gflops, abs=6e-4)


@pytest.mark.parametrize(
    ("name", "side_px"), [*((name, 96) for name in PUBLISHED), ("yolov4", 160)]
)
def test_a_network_sees_what_an_onnx_export_of_the_same_weights_sees(
    name: str, side_px: int, tmp_path: Path
) -> None:
    cfg, weights, reference = make_darknet(tmp_path, name)
    images = torch.rand(2, 3, side_px, side_px)
    path = tmp_path / "export.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            reference, (images,), path, input_names=["input"], output_names=["boxes", "confs"],
            opset_version=17, dynamo=False,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    boxes, scores = session.run(None, {"input": images.numpy()})
    assert boxes.shape[2:] == (1, 4)
    head = head_named("yolov4")
    min_score = float(np.quantile(scores, 0.9))
    expected = select(head.decode({"boxes": boxes, "confs": scores}, side_px), head, min_score)
    assert all(len(one) > 4 for one in expected)
    found = answers(loaded(cfg, weights), images, min_score)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_what_goes_to_a_zoo_comes_back_the_same(tmp_path: Path) -> None:
    cfg, weights, _ = make_darknet(tmp_path, "yolov4-tiny")
    network = loaded(cfg, weights)
    content = write_network(network, cfg.read_text())
    images = torch.rand(2, 3, 96, 96)
    for one, other in zip(network(images), read_network("x", content)(images), strict=True):
        assert torch.equal(one, other)


SMALL = """
[net]
width=64
height=64
channels=3
# a comment
learning_rate=0.001
[convolutional]
batch_normalize=1
filters=4
size=3
stride=2
pad=1
activation=mish
[convolutional]
filters=4
size=1
groups=2
activation=swish
[shortcut]
from=-2
activation=relu
[maxpool]
size=2
stride=1
[route]
layers=-1, 0
groups=2
group_id=1
[convolutional]
filters=7
size=2
stride=2
activation=linear
[yolo]
mask=1
anchors=10,20, 30,15.5
classes=2
num=2
scale_x_y=1.1 ; a remark
"""


def squash(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(x: np.ndarray, numbers: list[np.ndarray]) -> np.ndarray:
    """What the small network gives of one picture [3, h, w], slowly and in double precision."""
    bias, scale, mean, variance, kernel, bias2, kernel2, bias3, kernel3 = (
        one.astype(np.float32).astype(np.float64) for one in numbers
    )

    def convolve(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        size = kernel.shape[-1]
        cells = (x.shape[1] - size) // stride + 1
        found = np.empty((len(kernel), cells, cells))
        for n, row, column in np.ndindex(found.shape):
            part = x[:, row * stride :, column * stride :][:, :size, :size]
            found[n, row, column] = (part * kernel[n]).sum()
        return found

    def column(vector: np.ndarray) -> np.ndarray:
        return vector[:, None, None]

    first = (convolve(x, kernel, 2, 1) - column(mean)) / np.sqrt(column(variance) + 1e-5)
    first = first * column(scale) + column(bias)
    first = first * np.tanh(np.log1p(np.exp(first)))
    halves = [convolve(first[k : k + 2], kernel2[k : k + 2], 1, 0) for k in (0, 2)]
    second = np.concatenate(halves) + column(bias2)
    second = second * squash(second)
    third = np.maximum(first + second, 0)
    padded = np.pad(third, ((0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
    fourth = np.max([padded[:, r : r + 32, c : c + 32] for r in (0, 1) for c in (0, 1)], axis=0)
    fifth = np.concatenate((fourth[2:], first[2:]))
    return convolve(fifth, kernel3, 2, 0) + column(bias3)


def small_numbers(rng: np.random.Generator) -> list[np.ndarray]:
    shapes = [(4,)] * 4 + [(4, 3, 3, 3), (4,), (4, 2, 1, 1), (7,), (7, 4, 2, 2)]
    vectors = {shape for shape in shapes if len(shape) == 1}
    return [
        rng.uniform(0.1, 1, shape) if shape in vectors else rng.normal(0, 0.2, shape)
        for shape in shapes
    ]


def test_every_layer_does_what_a_slow_reference_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    numbers = small_numbers(rng)
    network = built(SMALL)
    read_weights(write_weights(tmp_path / "small.weights", numbers), network)
    image = rng.random((3, 64, 64), np.float32)
    (raw,) = network(torch.from_numpy(image)[None])
    expected = by_hand(image.astype(np.float64), numbers)
    np.testing.assert_allclose(raw[0].numpy(), expected, atol=1e-4 * np.abs(expected).max())
    min_score = 0.01
    (found,) = read(network, 64, (raw,), min_score)
    boxes, scores = [], []
    for row, column in np.ndindex(16, 16):
        x, y, wide, high, sure, *kinds = expected[:, row, column]
        centre = [(column + squash(x) * 1.1 - 0.05) / 16, (row + squash(y) * 1.1 - 0.05) / 16]
        half = np.array([np.exp(wide) * 30, np.exp(high) * 15.5]) / 64 / 2
        boxes.append([*(centre - half), *(centre + half)])
        scores.append([squash(sure) * squash(one) for one in kinds])
    assert_same(found, select_detections(np.array(boxes), np.array(scores), min_score))
    assert len(found) > 3


def test_normalisation_is_inside_the_convolutions_of_a_network_that_runs(tmp_path: Path) -> None:
    cfg, weights, _ = make_darknet(tmp_path)
    network = loaded(cfg, weights)
    assert not any(isinstance(one, nn.BatchNorm2d) for one in network.modules())
    assert all(
        one.conv.bias is not None for one in network.modules() if isinstance(one, Convolution)
    )
    assert not any(one.requires_grad for one in network.parameters())


def test_one_network_takes_every_side_that_its_strides_divide(tmp_path: Path) -> None:
    cfg, weights, _ = make_darknet(tmp_path, "yolov3-tiny")
    network = loaded(cfg, weights)
    for side_px in range(128, 609, 96):
        raw = network(torch.rand(1, 3, side_px, side_px))
        assert [one.shape[2:] for one in raw] == [(side_px // k, side_px // k) for k in (32, 16)]
    for side_px in (0, 16, 100):
        with pytest.raises(ValueError, match="must be a positive multiple of 32"):
            network.condenser(side_px)


def test_pictures_of_a_batch_do_not_touch_each_other(tmp_path: Path) -> None:
    cfg, weights, _ = make_darknet(tmp_path, "yolov4", 32)
    network = loaded(cfg, weights)
    images = torch.rand(3, 3, 64, 64)
    for number, one in enumerate(answers(network, images, 0.3)):
        assert_same(one, answers(network, images[number : number + 1], 0.3)[0])


def test_numbers_that_are_none_are_found_out() -> None:
    network = built(SMALL)
    raw = torch.zeros(1, 7, 16, 16)
    raw[0, 4, 3, 3] = torch.nan
    with pytest.raises(BrokenOutput):
        read(network, 64, (raw,), 0.9)


def test_an_activated_head_is_read_as_it_is() -> None:
    sections = PUBLISHED["yolov4-csp"](2, 32)
    network = built(cfg_text(sections))
    reference = Reference(sections)
    assert network.is_letterboxed
    torch.manual_seed(
        5
    )  # no two scores alike: which of equal ones are the surest is nobody's promise
    raw = [0.3 + 0.4 * torch.rand(1, 21, cells, cells) for cells in (8, 4, 2)]
    reference.raw = lambda images: [  # type: ignore[method-assign]
        (values, one)
        for (_, values), one in zip(
            [s for s in reference.sections if s[0] == "yolo"], raw, strict=True
        )
    ]
    boxes, scores = reference(torch.zeros(1, 3, 64, 64))
    (found,) = read(network, 64, raw, 0.2)
    (expected,) = (
        select_detections(b[:, 0].numpy(), s.numpy(), 0.2)
        for b, s in zip(boxes, scores, strict=True)
    )
    assert_same(found, expected)
    assert len(found) > 10
