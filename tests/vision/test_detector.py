from __future__ import annotations

import numpy as np
import pytest
import torch

from moonjelly.vision.detector import (
    ARCHITECTURES,
    STRIDES,
    build_network,
    cells,
    decode_boxes,
    fuse,
)


@pytest.mark.parametrize("network", ARCHITECTURES)
@pytest.mark.parametrize("side", range(128, 609, 96))
def test_a_network_answers_for_every_cell_of_every_side(network: str, side: int) -> None:
    detector = build_network(network, 4).eval()
    with torch.inference_mode():
        boxes, logits = detector(torch.zeros(2, 3, side, side))
    num_cells = sum((side // stride) ** 2 for stride in STRIDES)
    assert boxes.shape == (2, num_cells, 4)
    assert logits.shape == (2, num_cells, 4)
    middles, strides = cells(side)
    assert middles.shape == (num_cells, 2)
    assert strides.shape == (num_cells, 1)


@pytest.mark.parametrize("network", ARCHITECTURES)
def test_a_fused_network_answers_as_before(network: str) -> None:
    torch.manual_seed(0)
    detector = build_network(network, 4)
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    images = torch.rand(2, 3, 160, 160)
    with torch.inference_mode():
        before = detector.eval()(images)
        after = fuse(detector)(images)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in detector.modules())
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(a.abs().max()))


def test_frames_of_a_batch_do_not_touch_each_other() -> None:
    torch.manual_seed(0)
    detector = fuse(build_network("traffic-n", 4))
    images = torch.rand(3, 3, 128, 128)
    with torch.inference_mode():
        together = detector(images)[1]
        alone = torch.cat([detector(images[k : k + 1])[1] for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


def test_a_cell_that_moves_nothing_gives_a_box_of_one_stride_around_it() -> None:
    middles, strides = cells(64)
    boxes = decode_boxes(torch.zeros(1, len(middles), 4), middles, strides)[0]
    assert boxes[0].tolist() == [0, 0, 8, 8]
    assert boxes[9].tolist() == [8, 8, 16, 16]
    assert boxes[-1].tolist() == [32, 32, 64, 64]


def test_a_wild_output_stays_finite() -> None:
    middles, strides = cells(64)
    raw = torch.full((len(middles), 4), 1e4)
    assert torch.isfinite(decode_boxes(raw, middles, strides)).all()


@pytest.mark.parametrize("side", [0, 100, -32])
def test_a_side_between_the_cells_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match=f"side_px is {side}"):
        cells(side)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'huge': it must be one of traffic-n, traffic-s"):
        build_network("huge", 4)


def test_both_networks_fit_the_shipping_size() -> None:
    sizes = [sum(p.numel() for p in build_network(name, 4).parameters()) for name in ARCHITECTURES]
    assert 2 * np.sum(sizes) < 8e6
