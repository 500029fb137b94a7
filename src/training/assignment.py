"""Which cell answers for which object in training, and what a wrong answer costs.

Task-aligned assignment after TOOD (Feng et al., ICCV'21, section 3.2): of the cells inside an
object, those whose score and box together fit it best learn it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_TOP_CELLS: Final = 10
_SCORE_POWER: Final = 0.5
_OVERLAP_POWER: Final = 6.0
_EPSILON: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of the loss.

    Attributes:
        box: 1 - complete IoU, mean over the targets.
        score: Binary cross entropy of the classes, mean over the targets.
    """

    box: Tensor
    score: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return 4.0 * self.box + self.score


def complete_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Returns IoU and complete IoU (Zheng et al., AAAI'20) of boxes [..., 4] in corners."""
    low = torch.maximum(a[..., :2], b[..., :2])
    high = torch.minimum(a[..., 2:], b[..., 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    size_a, size_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    iou = common / (size_a.prod(dim=-1) + size_b.prod(dim=-1) - common + _EPSILON)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    diagonal = hull.square().sum(dim=-1) + _EPSILON
    shift = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(dim=-1) / 4
    turn_a = torch.atan(size_a[..., 0] / (size_a[..., 1] + _EPSILON))
    turn_b = torch.atan(size_b[..., 0] / (size_b[..., 1] + _EPSILON))
    bend = (4 / math.pi**2) * (turn_a - turn_b).square()
    with torch.no_grad():
        weight = bend / (1 - iou + bend + _EPSILON)
    return iou, iou - shift / diagonal - weight * bend


def detection_losses(
    boxes: Tensor,
    logits: Tensor,
    middles: Tensor,
    strides: Tensor,
    truth_boxes: Tensor,
    truth_classes: Tensor,
    truth_kinds: Tensor,
) -> Losses:
    """Assigns cells to objects and returns the losses of a batch.

    Args:
        boxes: Predicted corners in pixels [b, cells, 4].
        logits: Class logits [b, cells, classes].
        middles: Middles of the cells [cells, 2].
        strides: Strides of the cells [cells, 1].
        truth_boxes: True corners in pixels, padded, [b, m, 4].
        truth_classes: True classes, padded, int64 [b, m].
        truth_kinds: 0 for padding, 1 for an object, 2 for an object not asked for, int64 [b, m].
    """
    logits = logits.float()
    with torch.no_grad():
        chosen, quality, owner, is_free = _assign(
            boxes, logits.sigmoid(), middles, strides, truth_boxes, truth_classes, truth_kinds
        )
        rows = torch.arange(len(boxes)).unsqueeze(1)
        classes = truth_classes[rows, owner]
        target = functional.one_hot(classes, logits.shape[2]).float()
        target = target * (quality * chosen).unsqueeze(-1)
        total = target.sum().clamp(min=1.0)
    cost = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
    score_loss = (cost * (chosen | ~is_free)).sum() / total
    picked = chosen.nonzero(as_tuple=True)
    wanted = truth_boxes[picked[0], owner[picked]]
    _, ciou = complete_iou(boxes[picked], wanted)
    box_loss = ((1 - ciou) * quality[picked]).sum() / total
    return Losses(box_loss, score_loss)


def _assign(
    boxes: Tensor,
    scores: Tensor,
    middles: Tensor,
    strides: Tensor,
    truth_boxes: Tensor,
    truth_classes: Tensor,
    truth_kinds: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns for each cell: is it chosen, how good, for which object, may it say anything."""
    num_cells = boxes.shape[1]
    size = truth_boxes[..., 2:] - truth_boxes[..., :2]
    centre = (truth_boxes[..., :2] + truth_boxes[..., 2:]) / 2
    reach = torch.maximum(size[:, :, None] / 2, 0.75 * strides)
    away = (middles - centre[:, :, None]).abs()
    inside = (away <= reach).all(dim=-1)
    strictly_inside = (away <= size[:, :, None] / 2).all(dim=-1)
    is_free = (strictly_inside & (truth_kinds == 2).unsqueeze(-1)).any(dim=1)  # noqa: PLR2004
    inside &= (truth_kinds == 1).unsqueeze(-1)
    overlap = complete_iou(truth_boxes[:, :, None], boxes[:, None])[0] * inside
    index = truth_classes.unsqueeze(1).expand(-1, num_cells, -1)
    own_score = scores.gather(2, index).transpose(1, 2)
    align = own_score.pow(_SCORE_POWER) * overlap.pow(_OVERLAP_POWER) * inside
    # Cells that fit nothing yet still rank by how near they are, so that small objects, which
    # hold hardly a cell, are learnt from the first step.
    near = 1e-9 / (1 + away.sum(dim=-1) / strides.squeeze(-1)) * inside
    rank = align + near
    top = rank.topk(min(_TOP_CELLS, num_cells), dim=-1)
    is_top = torch.zeros_like(inside).scatter_(2, top.indices, top.values > 0) & inside
    align = align * is_top
    best_rank, owner = (rank * is_top).max(dim=1)
    chosen = best_rank > 0
    mine = functional.one_hot(owner, truth_boxes.shape[1]).transpose(1, 2).bool() & is_top
    align, overlap = align * mine, overlap * mine
    peak = align.amax(dim=-1, keepdim=True)
    peak_overlap = overlap.amax(dim=-1, keepdim=True)
    quality = (align * peak_overlap / (peak + 1e-12)).amax(dim=1)
    floor = 0.05 * (mine.sum(dim=1) > 0)
    return chosen, torch.maximum(quality, floor), owner, is_free
