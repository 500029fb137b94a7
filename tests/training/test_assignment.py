from __future__ import annotations

import pytest
import torch

from moonjelly.training.assignment import complete_iou, detection_losses
from moonjelly.vision.detector import cells, decode_boxes

SIDE = 128


def _losses(raw: torch.Tensor, logits: torch.Tensor, truth: list[tuple[list[float], int, int]]):
    middles, strides = cells(SIDE)
    return detection_losses(
        decode_boxes(raw, middles, strides),
        logits,
        middles,
        strides,
        torch.tensor([[box for box, _, _ in truth]]),
        torch.tensor([[kind for _, kind, _ in truth]]),
        torch.tensor([[state for _, _, state in truth]]),
    )


def _blank() -> tuple[torch.Tensor, torch.Tensor]:
    middles, _ = cells(SIDE)
    return torch.zeros(1, len(middles), 4), torch.full((1, len(middles), 4), -6.0)


def test_the_overlap_of_a_box_with_itself_is_whole() -> None:
    box = torch.tensor([[3.0, 4.0, 10.0, 9.0]])
    iou, ciou = complete_iou(box, box)
    assert iou.item() == pytest.approx(1, abs=1e-5)
    assert ciou.item() == pytest.approx(1, abs=1e-5)


def test_boxes_apart_are_worse_the_farther_they_are() -> None:
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0]]).expand(2, 4)
    b = torch.tensor([[6.0, 0.0, 10.0, 4.0], [40.0, 0.0, 44.0, 4.0]])
    _, ciou = complete_iou(a, b)
    assert 0 > ciou[0] > ciou[1]


@pytest.mark.parametrize("size", [2.0, 9.0, 60.0])
def test_objects_of_any_size_are_learnt(size: float) -> None:
    raw, logits = _blank()
    raw.requires_grad_()
    logits.requires_grad_()
    box = [50.5, 50.5, 50.5 + size, 50.5 + size]
    _losses(raw, logits, [(box, 1, 1)]).total.backward()
    assert raw.grad.abs().sum() > 0
    assert (logits.grad[0, :, 1] < 0).any()
    assert (logits.grad[0, :, [0, 2, 3]] >= 0).all()


def test_a_frame_without_objects_only_lowers_the_scores() -> None:
    raw, logits = _blank()
    logits.requires_grad_()
    losses = _losses(raw, logits, [([0.0, 0.0, 0.0, 0.0], 0, 0)])
    losses.total.backward()
    assert losses.box == 0
    assert (logits.grad > 0).all()


def test_cells_in_an_object_not_asked_for_may_say_anything() -> None:
    raw, logits = _blank()
    logits.requires_grad_()
    _losses(raw, logits, [([0.0, 0.0, 128.0, 64.0], 0, 2)]).total.backward()
    middles, _ = cells(SIDE)
    inside = middles[:, 1] < 64
    assert (logits.grad[0, inside] == 0).all()
    assert (logits.grad[0, ~inside] > 0).all()


def test_a_right_answer_costs_less_than_a_wrong_one() -> None:
    raw, logits = _blank()
    sure = logits.clone()
    cell = 16 * 4 + 4
    sure[0, cell, 0] = 6.0
    truth = [([32.0, 32.0, 40.0, 40.0], 0, 1)]
    right, unsure = _losses(raw, sure, truth), _losses(raw, logits, truth)
    assert right.total < unsure.total
