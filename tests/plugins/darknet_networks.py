"""Darknet's published networks as lists of sections, in any width; and torch networks of the same, made and read off otherwise than ours.

What is here knows nothing of `moonjelly.vision.darknet`: it is what that is held against.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Sections: TypeAlias = list[tuple[str, dict[str, Any]]]

ANCHORS_V3 = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
ANCHORS_V4 = "12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401"
ANCHORS_V3_TINY = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"


class Writer:
    """Writes the sections of a network whose filters are divided by a number."""

    def __init__(self, side_px: int, classes: int, divisor: int, **net: Any) -> None:
        self.sections: Sections = [
            ("net", {"width": side_px, "height": side_px, "channels": 3, "batch": 64, **net})
        ]
        self.classes, self.divisor = classes, divisor

    def conv(self, filters: int, size: int = 1, stride: int = 1, activation: str = "leaky") -> None:
        values = {"batch_normalize": 1, "filters": max(filters // self.divisor, 2), "size": size}
        self._add("convolutional", **values, stride=stride, pad=1, activation=activation)

    def route(self, *layers: int, **values: Any) -> None:
        self._add("route", layers=",".join(map(str, layers)), **values)

    def residual(self, inner: int, outer: int, number: int, activation: str) -> None:
        for _ in range(number):
            self.conv(inner, 1, 1, activation)
            self.conv(outer, 3, 1, activation)
            self._add("shortcut", **{"from": -3}, activation="linear")

    def stage(self, filters: int, number: int) -> None:
        """A cross-stage-partial part of CSPDarknet-53."""
        half = filters // 2 if number > 1 else filters
        self.conv(filters, 3, 2, "mish")
        self.conv(half, 1, 1, "mish")
        self.route(-2)
        self.conv(half, 1, 1, "mish")
        self.residual(half if number > 1 else half // 2, half, number, "mish")
        self.conv(half, 1, 1, "mish")
        self.route(-1, -(3 * number + 4))
        self.conv(filters, 1, 1, "mish")

    def pyramid_pooling(self) -> None:
        self._add("maxpool", stride=1, size=5)
        self.route(-2)
        self._add("maxpool", stride=1, size=9)
        self.route(-4)
        self._add("maxpool", stride=1, size=13)
        self.route(-1, -3, -5, -6)

    def halve(self) -> None:
        self._add("maxpool", size=2, stride=2)

    def up(self) -> None:
        self._add("upsample", stride=2)

    def five(self, filters: int, activation: str = "leaky") -> None:
        """Narrow and wide in turn, three times and two."""
        for number in range(5):
            self.conv(filters * (1 + number % 2), 1 + number % 2 * 2, 1, activation)

    def yolo(
        self, mask: str, anchors: str, num: int, activation: str = "linear", **values: Any
    ) -> None:
        filters = len(mask.split(",")) * (5 + self.classes)
        self._add("convolutional", size=1, stride=1, pad=1, filters=filters, activation=activation)
        self._add(
            "yolo", mask=mask, anchors=anchors, classes=self.classes, num=num, jitter=0.3, **values
        )

    def _add(self, section: str, **values: Any) -> None:
        self.sections.append((section, values))


def yolov4(classes: int = 80, divisor: int = 1, side_px: int = 608) -> Sections:
    w = Writer(side_px, classes, divisor, mosaic=1)
    w.conv(32, 3, 1, "mish")
    for filters, number in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        w.stage(filters, number)
    for filters, size in ((512, 1), (1024, 3), (512, 1)):
        w.conv(filters, size)
    w.pyramid_pooling()
    for filters, size in ((512, 1), (1024, 3), (512, 1)):
        w.conv(filters, size)
    for filters, source in ((256, 85), (128, 54)):
        w.conv(filters)
        w.up()
        w.route(source)
        w.conv(filters)
        w.route(-1, -3)
        w.five(filters)
    w.conv(256, 3)
    w.yolo("0,1,2", ANCHORS_V4, 9, scale_x_y=1.2, nms_kind="greedynms", beta_nms=0.6)
    for filters, source, mask, scale in ((256, -16, "3,4,5", 1.1), (512, -37, "6,7,8", 1.05)):
        w.route(-4)
        w.conv(filters, 3, 2)
        w.route(-1, source)
        w.five(filters)
        w.conv(2 * filters, 3)
        w.yolo(mask, ANCHORS_V4, 9, scale_x_y=scale, max_delta=5)
    return w.sections


def yolov4_csp(classes: int = 80, divisor: int = 1, side_px: int = 640) -> Sections:
    w = Writer(side_px, classes, divisor, letter_box=1, ema_alpha=0.9998)
    new = {"scale_x_y": 2.0, "new_coords": 1, "nms_kind": "diounms", "objectness_smooth": 1}

    def part(filters: int) -> None:
        w.conv(filters, 1, 1, "mish")
        w.route(-2)
        for size in (1, 3, 1, 3):
            w.conv(filters, size, 1, "mish")
        w.route(-1, -6)
        w.conv(filters, 1, 1, "mish")

    w.conv(32, 3, 1, "mish")
    w.conv(64, 3, 2, "mish")
    w.residual(32, 64, 1, "mish")
    for filters, number in ((128, 2), (256, 8), (512, 8), (1024, 4)):
        w.stage(filters, number)
    w.conv(512, 1, 1, "mish")
    w.route(-2)
    for size in (1, 3, 1):
        w.conv(512, size, 1, "mish")
    w.pyramid_pooling()
    w.conv(512, 1, 1, "mish")
    w.conv(512, 3, 1, "mish")
    w.route(-1, -13)
    w.conv(512, 1, 1, "mish")
    for filters, source in ((256, 79), (128, 48)):
        w.conv(filters, 1, 1, "mish")
        w.up()
        w.route(source)
        w.conv(filters, 1, 1, "mish")
        w.route(-1, -3)
        w.conv(filters, 1, 1, "mish")
        part(filters)
    w.conv(256, 3, 1, "mish")
    w.yolo("0,1,2", ANCHORS_V4, 9, "logistic", **new)
    for filters, source, mask in ((256, -20, "3,4,5"), (512, -49, "6,7,8")):
        w.route(-4)
        w.conv(filters, 3, 2, "mish")
        w.route(-1, source)
        w.conv(filters, 1, 1, "mish")
        part(filters)
        w.conv(2 * filters, 3, 1, "mish")
        w.yolo(mask, ANCHORS_V4, 9, "logistic", **new)
    return w.sections


def yolov4_tiny(classes: int = 80, divisor: int = 1, side_px: int = 416) -> Sections:
    w = Writer(side_px, classes, divisor)
    w.conv(32, 3, 2)
    w.conv(64, 3, 2)
    for filters in (64, 128, 256):
        w.conv(filters, 3)
        w.route(-1, groups=2, group_id=1)
        w.conv(filters // 2, 3)
        w.conv(filters // 2, 3)
        w.route(-1, -2)
        w.conv(filters)
        w.route(-6, -1)
        w.halve()
    w.conv(512, 3)
    w.conv(256)
    w.conv(512, 3)
    w.yolo("3,4,5", ANCHORS_V3_TINY, 6, scale_x_y=1.05)
    w.route(-4)
    w.conv(128)
    w.up()
    w.route(-1, 23)
    w.conv(256, 3)
    w.yolo("1,2,3", ANCHORS_V3_TINY, 6, scale_x_y=1.05)
    return w.sections


def yolov3(
    classes: int = 80, divisor: int = 1, side_px: int = 416, *, has_spp: bool = False
) -> Sections:
    w = Writer(side_px, classes, divisor)
    w.conv(32, 3)
    for filters, number in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        w.conv(filters, 3, 2)
        w.residual(filters // 2, filters, number, "leaky")
    if has_spp:
        for filters, size in ((512, 1), (1024, 3), (512, 1)):
            w.conv(filters, size)
        w.pyramid_pooling()
        for filters, size in ((512, 1), (1024, 3), (512, 1), (1024, 3)):
            w.conv(filters, size)
    else:
        w.five(512)
        w.conv(1024, 3)
    w.yolo("6,7,8", ANCHORS_V3, 9)
    for filters, source, mask in ((256, 61, "3,4,5"), (128, 36, "0,1,2")):
        w.route(-4)
        w.conv(filters)
        w.up()
        w.route(-1, source)
        w.five(filters)
        w.conv(2 * filters, 3)
        w.yolo(mask, ANCHORS_V3, 9)
    return w.sections


def yolov3_spp(classes: int = 80, divisor: int = 1, side_px: int = 608) -> Sections:
    return yolov3(classes, divisor, side_px, has_spp=True)


def yolov3_tiny(classes: int = 80, divisor: int = 1, side_px: int = 416) -> Sections:
    w = Writer(side_px, classes, divisor)
    for filters in (16, 32, 64, 128, 256):
        w.conv(filters, 3)
        w.halve()
    w.conv(512, 3)
    w.sections.append(("maxpool", {"size": 2, "stride": 1}))
    w.conv(1024, 3)
    w.conv(256)
    w.conv(512, 3)
    w.yolo("3,4,5", ANCHORS_V3_TINY, 6)
    w.route(-4)
    w.conv(128)
    w.up()
    w.route(-1, 8)
    w.conv(256, 3)
    w.yolo("0,1,2", ANCHORS_V3_TINY, 6)
    return w.sections


PUBLISHED: dict[str, Callable[..., Sections]] = {
    "yolov3": yolov3,
    "yolov3-spp": yolov3_spp,
    "yolov3-tiny": yolov3_tiny,
    "yolov4": yolov4,
    "yolov4-csp": yolov4_csp,
    "yolov4-tiny": yolov4_tiny,
}


def cfg_text(sections: Sections) -> str:
    """The sections as a file has them."""
    parts = ["\n".join((f"[{name}]", *(f"{key}={value}" for key, value in values.items())))
             for name, values in sections]  # fmt: skip
    return "\n\n".join(parts) + "\n"


class Reference(nn.Module):
    """The same network with random weights, its normalisations apart, whose outputs are those of pytorch-YOLOv4's exports."""

    def __init__(self, sections: Sections, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.sections = sections[1:]
        self.convs, self.norms = nn.ModuleDict(), nn.ModuleDict()
        channels = [3]
        for number, (name, values) in enumerate(self.sections):
            given = channels[-1]
            if name == "convolutional":
                size, filters = values["size"], values["filters"]
                is_normal = "batch_normalize" in values
                conv = nn.Conv2d(
                    given, filters, size, values["stride"], size // 2, bias=not is_normal
                )
                if is_normal:
                    norm = nn.BatchNorm2d(filters)
                    norm.weight.data.uniform_(0.8, 1.6)
                    norm.bias.data.normal_(0, 0.3)
                    norm.running_mean.normal_(0, 0.3)
                    norm.running_var.uniform_(0.2, 1.0)
                    self.norms[str(number)] = norm
                self.convs[str(number)] = conv
                given = filters
            elif name == "route":
                given = sum(channels[one + 1] for one in self.sources(number, values["layers"]))
                given //= values.get("groups", 1)
            channels.append(given)
        self.eval().requires_grad_(requires_grad=False)

    @staticmethod
    def sources(number: int, text: str) -> list[int]:
        return [int(one) if int(one) >= 0 else number + int(one) for one in text.split(",")]

    def raw(self, images: Tensor) -> list[tuple[dict[str, Any], Tensor]]:
        """What goes into each [yolo]."""
        outputs: list[Tensor] = []
        found = []
        x = images
        for number, (name, values) in enumerate(self.sections):
            if name == "convolutional":
                x = self.convs[str(number)](x)
                if str(number) in self.norms:
                    x = self.norms[str(number)](x)
                x = self.activate(x, values["activation"])
            elif name == "route":
                parts = [outputs[one] for one in self.sources(number, values["layers"])]
                if "groups" in values:
                    width = parts[0].shape[1] // values["groups"]
                    parts = [one[:, width * values["group_id"] :][:, :width] for one in parts]
                x = torch.cat(parts, dim=1)
            elif name == "shortcut":
                x = x + outputs[number + values["from"]]
            elif name == "upsample":
                x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            elif name == "maxpool" and (values["size"], values["stride"]) == (2, 1):
                x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1)
            elif name == "maxpool":
                x = functional.max_pool2d(
                    x, values["size"], values["stride"], (values["size"] - 1) // 2
                )
            else:
                found.append((values, x))
            outputs.append(x)
        return found

    @staticmethod
    def activate(x: Tensor, name: str) -> Tensor:
        if name == "mish":
            return x * torch.tanh(functional.softplus(x))
        if name == "leaky":
            return torch.where(x > 0, x, 0.1 * x)
        return x.sigmoid() if name == "logistic" else x

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [b, n, 1, 4] as corners from 0 to 1, and scores [b, n, classes]."""
        boxes, scores = [], []
        side_px = images.shape[-1]
        for values, x in self.raw(images):
            numbers = [float(one) for one in values["anchors"].split(",")]
            cells, width = x.shape[-1], 5 + values["classes"]
            is_new = values.get("new_coords", 0) == 1
            scale = values.get("scale_x_y", 1.0)
            for place, anchor in enumerate(int(one) for one in values["mask"].split(",")):
                own = x[:, place * width : (place + 1) * width]
                centre, size, rest = own[:, :2], own[:, 2:4], own[:, 4:]
                if not is_new:
                    centre, rest = centre.sigmoid(), rest.sigmoid()
                centre = centre * scale - 0.5 * (scale - 1)
                axis = torch.arange(cells, dtype=torch.float32)
                left = (centre[:, 0] + axis[None, None, :]) / cells
                top = (centre[:, 1] + axis[None, :, None]) / cells
                size = size**2 * 4 if is_new else size.exp()
                wide = size[:, 0] * numbers[2 * anchor] / side_px
                high = size[:, 1] * numbers[2 * anchor + 1] / side_px
                corners = (left - wide / 2, top - high / 2, left + wide / 2, top + high / 2)
                boxes.append(torch.stack(corners, dim=-1).flatten(1, 2))
                scores.append((rest[:, :1] * rest[:, 1:]).flatten(2).transpose(1, 2))
        return torch.cat(boxes, dim=1)[:, :, None], torch.cat(scores, dim=1)

    def numbers(self) -> list[np.ndarray]:
        """What a Darknet file holds, in its order."""
        found: list[Tensor] = []
        for number, conv in self.convs.items():
            if number in self.norms:
                norm = self.norms[number]
                found += [norm.bias, norm.weight, norm.running_mean, norm.running_var]
            else:
                found.append(conv.bias)
            found.append(conv.weight)
        return [one.detach().numpy() for one in found]

    def state(self) -> dict[str, Tensor]:
        """A state dict in the order and with the names that pytorch-YOLOv4 has."""
        found: dict[str, Tensor] = {}
        for number, conv in self.convs.items():
            found |= {
                f"models.{number}.conv.{name}": one for name, one in conv.state_dict().items()
            }
            if number in self.norms:
                norm = self.norms[number].state_dict()
                found |= {f"models.{number}.bn.{name}": one for name, one in norm.items()}
        return found


def write_weights(
    path: Path, numbers: Sequence[np.ndarray], version: tuple[int, int] = (0, 2)
) -> Path:
    """Writes a Darknet file; from version 0.2 on it has counted pictures in eight bytes."""
    seen = struct.pack("<q" if version >= (0, 2) else "<i", 32_013_312)
    content = struct.pack("<3i", *version, 5) + seen
    path.write_bytes(content + b"".join(one.astype("<f4").tobytes() for one in numbers))
    return path


def make_darknet(
    folder: Path, name: str = "yolov4-tiny", divisor: int = 16, classes: int = 3, **values: Any
) -> tuple[Path, Path, Reference]:
    """Writes a narrow network of a published kind, with random weights: its two files, and itself."""
    sections = PUBLISHED[name](classes, divisor, **values)
    reference = Reference(sections)
    cfg = folder / f"{name}.cfg"
    cfg.write_text(cfg_text(sections))
    return cfg, write_weights(folder / f"{name}.weights", reference.numbers()), reference
