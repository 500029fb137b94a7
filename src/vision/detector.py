"""The traffic detectors: anchor-free, one stage, three scales, in two widths.

The shape is the YOLO family's: cross-stage-partial backbone, a feature pyramid down and up again,
and at strides 8, 16 and 32 one prediction a cell. One network serves every input side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .answering import AnsweringNetwork, Condenser, at, surest

STRIDES: Final = (8, 16, 32)
"""Pixels between two cells of each scale."""

Network = TypeVar("Network", bound=nn.Module)

NUM_BOX_OUTPUTS: Final = 4
_PRIOR_LOGIT: Final = -4.6
_MAX_LOG_SIZE: Final = 5.5


@dataclass(frozen=True, slots=True)
class Architecture:
    """The widths and depths of a network.

    Attributes:
        stem: Channels at strides 2 and 4.
        stages: Channels at strides 8, 16 and 32.
        depths: Residual blocks at strides 4, 8, 16 and 32.
        neck: Channels in the pyramid.
        head: Channels before the predictions.
    """

    stem: tuple[int, int]
    stages: tuple[int, int, int]
    depths: tuple[int, int, int, int]
    neck: int
    head: int


ARCHITECTURES: Final[dict[str, Architecture]] = {
    "traffic-n": Architecture((16, 32), (64, 96, 128), (1, 1, 1, 1), 64, 64),
    "traffic-s": Architecture((32, 64), (128, 192, 256), (1, 2, 2, 1), 96, 128),
}


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, rectifier."""

    def __init__(self, num_in: int, num_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(num_out, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, in, h, w] to [b, out, h / stride, w / stride]."""
        return functional.relu(self.norm(self.conv(x)), inplace=True)

    def fuse(self) -> None:
        """Moves the normalisation into the convolution; for inference only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(num_channels, num_channels, 3)
        self.second = ConvUnit(num_channels, num_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, c, h, w] to the same shape."""
        return x + self.second(self.first(x))  # type: ignore[no-any-return]


class CrossStage(nn.Module):
    """Half the channels go through residual blocks, half around them; all results are merged."""

    def __init__(self, num_in: int, num_out: int, depth: int) -> None:
        super().__init__()
        half = num_out // 2
        self.split = ConvUnit(num_in, 2 * half, 1)
        self.blocks = nn.ModuleList(Residual(half) for _ in range(depth))
        self.merge = ConvUnit((2 + depth) * half, num_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, in, h, w] to [b, out, h, w]."""
        parts = list(self.split(x).chunk(2, dim=1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.merge(torch.cat(parts, dim=1))  # type: ignore[no-any-return]


class PyramidPooling(nn.Module):
    """Sees far around each cell by repeated maxima."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        half = num_channels // 2
        self.narrow = ConvUnit(num_channels, half, 1)
        self.merge = ConvUnit(4 * half, num_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, c, h, w] to the same shape."""
        parts = [self.narrow(x)]
        for _ in range(3):
            parts.append(functional.max_pool2d(parts[-1], 5, 1, 2))
        return self.merge(torch.cat(parts, dim=1))  # type: ignore[no-any-return]


class Head(nn.Module):
    """Predicts a box and the class logits for each cell of one scale."""

    def __init__(self, num_in: int, num_hidden: int, num_classes: int) -> None:
        super().__init__()
        self.shared = ConvUnit(num_in, num_hidden, 3)
        self.box = nn.Conv2d(num_hidden, NUM_BOX_OUTPUTS, 1)
        self.score = nn.Conv2d(num_hidden, num_classes, 1)
        nn.init.zeros_(self.box.weight)
        nn.init.constant_(self.score.bias, _PRIOR_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps [b, in, h, w] to boxes [b, 4, h, w] and logits [b, classes, h, w]."""
        hidden = self.shared(x)
        return self.box(hidden), self.score(hidden)


class Detector(AnsweringNetwork):
    """A detector of one width, for any input side that is a multiple of 32."""

    def __init__(self, architecture: Architecture, num_classes: int) -> None:
        """Builds it with random weights."""
        super().__init__()
        a = architecture
        c3, c4, c5 = a.stages
        self.num_classes = num_classes
        self.stem = nn.Sequential(
            ConvUnit(3, a.stem[0], 3, 2),
            ConvUnit(a.stem[0], a.stem[1], 3, 2),
            CrossStage(a.stem[1], a.stem[1], a.depths[0]),
        )
        self.stage3 = nn.Sequential(ConvUnit(a.stem[1], c3, 3, 2), CrossStage(c3, c3, a.depths[1]))
        self.stage4 = nn.Sequential(ConvUnit(c3, c4, 3, 2), CrossStage(c4, c4, a.depths[2]))
        self.stage5 = nn.Sequential(
            ConvUnit(c4, c5, 3, 2), CrossStage(c5, c5, a.depths[3]), PyramidPooling(c5)
        )
        self.lateral5 = ConvUnit(c5, a.neck, 1)
        self.down4 = CrossStage(c4 + a.neck, a.neck, 1)
        self.down3 = CrossStage(c3 + a.neck, a.neck, 1)
        self.shrink3 = ConvUnit(a.neck, a.neck, 3, 2)
        self.up4 = CrossStage(2 * a.neck, a.neck, 1)
        self.shrink4 = ConvUnit(a.neck, a.neck, 3, 2)
        self.up5 = CrossStage(2 * a.neck, a.neck, 1)
        self.heads = nn.ModuleList(Head(a.neck, a.head, num_classes) for _ in STRIDES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts a box and logits for each cell.

        Args:
            images: RGB, [b, 3, side, side], 0 to 1.

        Returns:
            Raw boxes [b, cells, 4] and class logits [b, cells, classes]; the cells of stride 8
            come first, row by row (see `cells` and `decode_boxes`).
        """
        p3 = self.stage3(self.stem(images))
        p4 = self.stage4(p3)
        n5 = self.lateral5(self.stage5(p4))
        n4 = self.down4(torch.cat((p4, functional.interpolate(n5, scale_factor=2.0)), dim=1))
        n3 = self.down3(torch.cat((p3, functional.interpolate(n4, scale_factor=2.0)), dim=1))
        n4 = self.up4(torch.cat((n4, self.shrink3(n3)), dim=1))
        n5 = self.up5(torch.cat((n5, self.shrink4(n4)), dim=1))
        boxes: list[Tensor] = []
        logits: list[Tensor] = []
        for head, features in zip(self.heads, (n3, n4, n5), strict=True):
            box, score = head(features)
            boxes.append(box.flatten(2))
            logits.append(score.flatten(2))
        return torch.cat(boxes, dim=2).transpose(1, 2), torch.cat(logits, dim=2).transpose(1, 2)

    def condenser(self, side_px: int, device: torch.device | str = "cpu") -> Condenser:
        """As `AnsweringNetwork`."""
        middles, strides = cells(side_px, device)

        def condense(outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            raw, logits = outputs
            which = surest(logits.amax(dim=2))
            corners = decode_boxes(at(raw, which), middles[which], strides[which])
            return corners.div_(side_px), at(logits, which).float().sigmoid()

        return condense


def fuse(network: Network) -> Network:
    """Moves every normalisation of a network into its convolution; for inference only. Returns the network."""
    network.eval()
    for module in network.modules():
        if isinstance(module, ConvUnit):
            module.fuse()
    return network


def cells(side_px: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Returns the middles [cells, 2] (x, y in pixels) and the strides [cells, 1] of all cells.

    Raises:
        ValueError: If the side is not a positive multiple of 32.
    """
    if side_px < STRIDES[-1] or side_px % STRIDES[-1]:
        raise ValueError(f"side_px is {side_px}: it must be a positive multiple of {STRIDES[-1]}")
    middles: list[Tensor] = []
    strides: list[Tensor] = []
    for stride in STRIDES:
        axis = (torch.arange(side_px // stride, device=device, dtype=torch.float32) + 0.5) * stride
        rows, columns = torch.meshgrid(axis, axis, indexing="ij")
        middles.append(torch.stack((columns, rows), dim=-1).reshape(-1, 2))
        strides.append(torch.full((len(axis) ** 2, 1), float(stride), device=device))
    return torch.cat(middles), torch.cat(strides)


def decode_boxes(raw: Tensor, middles: Tensor, strides: Tensor) -> Tensor:
    """Turns raw boxes [..., cells, 4] into corners x0, y0, x1, y1 in pixels.

    The four numbers are the box's middle from the cell's middle, in strides, and the logarithm of
    its size, in strides.
    """
    raw = raw.float()
    centre = middles + raw[..., :2] * strides
    half = 0.5 * torch.exp(raw[..., 2:].clamp(-_MAX_LOG_SIZE, _MAX_LOG_SIZE)) * strides
    return torch.cat((centre - half, centre + half), dim=-1)


def build_network(network: str, num_classes: int) -> Detector:
    """Builds a network by name, with random weights, channels last.

    Raises:
        ValueError: If no network has this name.
    """
    if network not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"network is {network!r}: it must be one of {known}")
    detector = Detector(ARCHITECTURES[network], num_classes)
    return detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
