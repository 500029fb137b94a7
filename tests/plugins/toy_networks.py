"""Small networks as ONNX files: YOLOv8's layout, at cells whose colour decides what is there; and ways to be broken."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE_PX = 64
CLASSES = ("red", "green", "blue")
STRIDES = (8, 16, 32)


class Toy(nn.Module):
    """Finds a box at each cell, whose size and class come from its mean colour."""

    def __init__(self) -> None:
        super().__init__()
        self.tint = nn.Conv2d(3, 3, 1, bias=False)
        self.tint.weight.data = torch.eye(3)[:, :, None, None].contiguous()

    def middles(self, side_px: int) -> Tensor:
        every = []
        for stride in STRIDES:
            axis = (torch.arange(side_px // stride) + 0.5) * stride
            rows, columns = torch.meshgrid(axis, axis, indexing="ij")
            every.append(torch.stack((columns, rows)).reshape(2, -1))
        return torch.cat(every, dim=1)

    def colours(self, images: Tensor) -> Tensor:
        """[b, 3, cells], 0 to 1."""
        images = self.tint(images)
        return torch.cat(
            [functional.avg_pool2d(images, stride).flatten(2) for stride in STRIDES], dim=2
        )

    def forward(self, images: Tensor) -> Tensor:
        colours = self.colours(images)
        centres = 0 * colours[:, :2] + self.middles(SIDE_PX)
        return torch.cat((centres, 8 + 24 * colours[:, :2], colours**3), dim=1)


class Baked(Toy):
    """Was traced with its batch in a reshape."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).reshape(1, 7, 84)


class FirstPicture(Toy):
    """Gives the first picture's boxes for all of a batch."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images[:1] + 0 * images)


class NoNumber(Toy):
    """Takes a root that dark pictures do not have."""

    def colours(self, images: Tensor) -> Tensor:
        return (super().colours(images) - 0.2).sqrt()


class Moody(Toy):
    """Says something else each time."""

    def colours(self, images: Tensor) -> Tensor:
        return super().colours(images) * torch.rand_like(super().colours(images))


class Everywhere(Toy):
    """Sees an object in each cell, in fog too."""

    def forward(self, images: Tensor) -> Tensor:
        found = super().forward(images)
        return torch.cat((found[:, :4], 0.5 + 0.4 * found[:, 4:]), dim=1)


class Bytes(Toy):
    """Takes whole numbers of another kind than it is given."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.float() / 255)


class Classifier(Toy):
    """One score a class."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


def export(
    network: nn.Module,
    path: Path,
    *,
    batch: int | None = None,
    picture: Tensor | None = None,
    any_side: bool = False,
) -> Path:
    """Writes a network; the batch is dynamic where none is given."""
    axes: dict[str, dict[int, str]] = (
        {} if batch else {"images": {0: "batch"}, "output0": {0: "batch"}}
    )
    if any_side:
        axes = {"images": {0: "batch", 2: "side", 3: "side"}, "output0": {0: "batch", 2: "cells"}}
    traced = torch.rand(batch or 1, 3, SIDE_PX, SIDE_PX) if picture is None else picture
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (traced,), path, input_names=["images"], output_names=["output0"],
            dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    return path
