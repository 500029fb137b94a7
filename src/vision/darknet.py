"""Darknet's detectors as one torch network, built as a `.cfg` says: YOLOv3, YOLOv4, their tiny, SPP and CSP kinds.

Normalisation is inside the convolutions already (`darknet_weights`); one network serves every input side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import lcm, prod
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.zoo import MAX_CLASSES, MAX_SIDE_PX
from .answering import AnsweringNetwork, Condenser, at, surest
from .darknet_cfg import Section

MAX_CHANNELS = 2**14
MAX_KERNEL = 64
NUM_BOX_OUTPUTS = 5  # middle, size, objectness

_ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "linear": nn.Identity,
    "leaky": partial(nn.LeakyReLU, 0.1, inplace=True),
    "logistic": nn.Sigmoid,
    "mish": partial(nn.Mish, inplace=True),
    "relu": partial(nn.ReLU, inplace=True),
    "swish": partial(nn.SiLU, inplace=True),
}


class Convolution(nn.Module):
    """A convolution and its activation.

    Attributes:
        is_normalised: whether files hold a batch normalisation for it.
        line: of its section.
    """

    def __init__(self, conv: nn.Conv2d, activation: str, *, is_normalised: bool, line: int) -> None:
        super().__init__()
        self.conv = conv
        self.activation = _ACTIVATIONS[activation]()
        self.is_normalised = is_normalised
        self.line = line

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, in, h, w] to [b, out, h / stride, w / stride]."""
        return self.activation(self.conv(x))  # type: ignore[no-any-return]


class Route(nn.Module):
    """Puts the channels of layers one behind another; of groups of them, those of one group alone."""

    def __init__(self, groups: int, group_id: int) -> None:
        super().__init__()
        self._groups, self._group_id = groups, group_id

    def forward(self, *parts: Tensor) -> Tensor:
        """Maps [b, c, h, w] each to [b, sum of c / groups, h, w]."""
        own = [one.chunk(self._groups, dim=1)[self._group_id] for one in parts]
        return own[0] if len(own) == 1 else torch.cat(own, dim=1)


class Shortcut(nn.Module):
    """Adds layers."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Maps tensors of one shape to the same."""
        return self.activation(sum(others, start=first))  # type: ignore[no-any-return]


class MaxPool(nn.Module):
    """Maxima as Darknet takes them: of an uneven padding more at the right and below."""

    def __init__(self, size: int, stride: int, padding: int) -> None:
        super().__init__()
        self._size, self._stride, self._padding = size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Maps [b, c, h, w] to [b, c, h / stride, w / stride]."""
        before = self._padding // 2
        after = max(0, self._size - self._stride - before)
        if after != before:
            x = functional.pad(x, (before, after, before, after), value=-torch.inf)
            before = 0
        return functional.max_pool2d(x, self._size, self._stride, before)


class Yolo(nn.Module):
    """What the raw outputs of one scale mean.

    Attributes:
        anchors: width and height in pixels of the input.
        num_classes: of each anchor.
        scale_xy: stretches middles beyond their cells.
        has_new_coords: outputs are activated already, and sizes are squares.
    """

    def __init__(
        self,
        anchors: Sequence[tuple[float, float]],
        num_classes: int,
        scale_xy: float,
        *,
        has_new_coords: bool,
    ) -> None:
        super().__init__()
        self.anchors = tuple(anchors)
        self.num_classes = num_classes
        self.scale_xy = scale_xy
        self.has_new_coords = has_new_coords

    def forward(self, raw: Tensor) -> Tensor:
        """Leaves [b, anchors x (5 + classes), h, w] as they are."""
        return raw

    def condense(self, raw: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Decodes the surest cells of a scale.

        Args:
            raw: As it gives them.
            anchors: As fractions of the square, [anchors, 2], on its device.

        Returns:
            Corners as fractions of the square [b, n, 4], and scores of the classes [b, n, classes].
        """
        number, height, width = len(anchors), *raw.shape[2:]
        cells = raw.permute(0, 2, 3, 1).reshape(len(raw), height * width * number, -1)
        squash = torch.Tensor.float if self.has_new_coords else torch.sigmoid
        sureness = squash(cells[..., 4].float()) * squash(
            cells[..., NUM_BOX_OUTPUTS:].amax(dim=2).float()
        )
        which = surest(sureness)
        found = at(cells, which).float()
        place, shift = which // number, (self.scale_xy - 1) / 2
        column, row = (squash(found[..., :2]) * self.scale_xy - shift).unbind(dim=-1)
        # no tensor is made of the numbers here: a GPU's graph could not hold that
        middle = torch.stack(
            ((place % width + column) / width, (place // width + row) / height), dim=-1
        )
        size = (2 * found[..., 2:4]) ** 2 if self.has_new_coords else found[..., 2:4].exp()
        half = size * anchors[which % number] / 2
        scores = squash(found[..., NUM_BOX_OUTPUTS:]) * squash(found[..., 4:5])
        return torch.cat((middle - half, middle + half), dim=-1), scores


class _Place(NamedTuple):
    """What a layer gives: so many channels, one cell each so many pixels."""

    channels: int
    stride: int


class _Layer(NamedTuple):
    """A layer, the numbers of those that it takes (-1 for the picture), and what it gives."""

    module: nn.Module
    sources: tuple[int, ...]
    place: _Place


@dataclass(frozen=True, slots=True)
class _Built:
    """The layers before one; no layer may take what a [yolo] gives."""

    layers: Sequence[_Layer]

    def place(self, number: int) -> _Place:
        """What a layer gives; -1 is the picture."""
        return self.layers[number].place if number >= 0 else _Place(3, 1)

    def before(self, section: Section) -> tuple[tuple[int], _Place]:
        """The number of the last layer, and what it gives."""
        last = len(self.layers) - 1
        if last >= 0 and isinstance(self.layers[last].module, Yolo):
            raise section.refusal("nothing may follow a [yolo] but a [route]")
        return (last,), self.place(last)

    def named(self, section: Section, key: str) -> tuple[tuple[int, ...], list[_Place]]:
        """The layers that a value names, backwards from its own if negative."""
        number = len(self.layers)
        if not number:
            raise section.refusal("has no layer before it", key)
        numbers = tuple(
            one % number if one < 0 else one for one in section.wholes(key, -number, number - 1)
        )
        if any(isinstance(self.layers[one].module, Yolo) for one in numbers):
            raise section.refusal("must not be a [yolo]", key)
        places = [self.place(one) for one in numbers]
        if len({one.stride for one in places}) > 1:
            raise section.refusal("must be layers with as many cells each", key)
        return numbers, places


def _convolutional(section: Section, built: _Built) -> _Layer:
    sources, (channels, before) = built.before(section)
    filters = section.whole("filters", None, 1, MAX_CHANNELS)
    size = section.whole("size", 1, 1, MAX_KERNEL)
    stride = section.whole("stride", 1, 1, MAX_KERNEL)
    padding = section.whole("padding", 0, 0, MAX_KERNEL)
    if section.whole("pad", 0, 0, 1):
        padding = size // 2
    _keep_sides(section, 2 * padding - size, stride)
    groups = section.whole("groups", 1, 1, MAX_CHANNELS)
    if channels % groups or filters % groups:
        raise section.refusal(f"must divide its {channels} channels and its filters", "groups")
    module = Convolution(
        nn.Conv2d(channels, filters, size, stride, padding, groups=groups),
        section.choice("activation", "logistic", _ACTIVATIONS),
        is_normalised=section.whole("batch_normalize", 0, 0, 1) == 1,
        line=section.line,
    )
    return _Layer(module, sources, _Place(filters, before * stride))


def _maxpool(section: Section, built: _Built) -> _Layer:
    sources, (channels, before) = built.before(section)
    stride = section.whole("stride", 1, 1, MAX_KERNEL)
    size = section.whole("size", stride, 1, MAX_KERNEL)
    padding = section.whole("padding", size - 1, 0, MAX_KERNEL)
    if padding >= size:
        raise section.refusal(f"must be below the size, {size}", "padding")
    _keep_sides(section, padding - size, stride)
    return _Layer(MaxPool(size, stride, padding), sources, _Place(channels, before * stride))


def _keep_sides(section: Section, excess: int, stride: int) -> None:
    """Any side that the stride divides must give that part of it."""
    if excess // stride != -1:
        raise section.refusal(f"with its padding must give 1/{stride} of the side", "size")


def _route(section: Section, built: _Built) -> _Layer:
    sources, places = built.named(section, "layers")
    groups = section.whole("groups", 1, 1, MAX_CHANNELS)
    if any(one.channels % groups for one in places):
        raise section.refusal("must divide the channels of its layers", "groups")
    group_id = section.whole("group_id", 0, 0, groups - 1)
    channels = sum(one.channels for one in places) // groups
    return _Layer(Route(groups, group_id), sources, _Place(channels, places[0].stride))


def _shortcut(section: Section, built: _Built) -> _Layer:
    last, place = built.before(section)
    sources, places = built.named(section, "from")
    if any(one != place for one in places):
        raise section.refusal("must be layers of the same shape as the one before it", "from")
    activation = section.choice("activation", "linear", _ACTIVATIONS)
    return _Layer(Shortcut(activation), last + sources, place)


def _upsample(section: Section, built: _Built) -> _Layer:
    sources, (channels, before) = built.before(section)
    factor = section.whole("stride", 2, 1, MAX_KERNEL)
    if before % factor:
        raise section.refusal(f"must divide {before}, the pixels between its cells", "stride")
    module = nn.Upsample(scale_factor=factor, mode="nearest")
    return _Layer(module, sources, _Place(channels, before // factor))


def _yolo(section: Section, built: _Built) -> _Layer:
    sources, place = built.before(section)
    num = section.whole("num", 1, 1, 64)
    numbers = section.numbers("anchors", None, 1e5)
    if len(numbers) != 2 * num:
        raise section.refusal(f"must be twice num={num}, which are {2 * num}", "anchors")
    every = list(zip(numbers[::2], numbers[1::2], strict=True))
    mask = section.wholes("mask", 0, num - 1) if "mask" in section.values else range(num)
    num_classes = section.whole("classes", 20, 1, MAX_CLASSES)
    if place.channels != len(mask) * (NUM_BOX_OUTPUTS + num_classes):
        rule = f"{len(mask)} anchors of {num_classes} classes need {len(mask)} x {NUM_BOX_OUTPUTS + num_classes} filters, not {place.channels}"
        raise section.refusal(rule, "classes")
    has_new_coords = section.whole("new_coords", 0, 0, 1) == 1
    last = built.layers[sources[0]].module
    if has_new_coords and not isinstance(getattr(last, "activation", None), nn.Sigmoid):
        raise section.refusal("needs activation=logistic before it", "new_coords")
    (scale_xy,) = section.numbers("scale_x_y", 1.0, 10)[:1]
    module = Yolo(
        [every[one] for one in mask], num_classes, scale_xy, has_new_coords=has_new_coords
    )
    return _Layer(module, sources, place)


_BUILDERS: Final[dict[str, Callable[[Section, _Built], _Layer]]] = {
    "convolutional": _convolutional,
    "maxpool": _maxpool,
    "route": _route,
    "shortcut": _shortcut,
    "upsample": _upsample,
    "yolo": _yolo,
}


class Darknet(AnsweringNetwork):
    """A detector of Darknet's.

    Attributes:
        multiple_px: input sides are multiples of it.
        usual_px: width and height in its file.
        is_letterboxed: whether its file says that pictures keep their aspect.
        num_classes: that it tells apart.
    """

    def __init__(self, sections: Sequence[Section]) -> None:
        """Builds it without weights: on the device `meta`, where tensors have shapes alone, until a state is loaded.

        Raises:
            UsageError: Naming file, line, section, value and rule.
        """
        super().__init__()
        net, *rest = sections
        net.whole("channels", 3, 3, 3)
        self.usual_px = tuple(net.whole(one, 416, 1, MAX_SIDE_PX) for one in ("width", "height"))
        self.is_letterboxed = net.whole("letter_box", 0, 0, 1) == 1
        layers: list[_Layer] = []
        with torch.device("meta"):
            for section in rest:
                layers.append(_BUILDERS[section.name](section, _Built(layers)))
                channels, stride = layers[-1].place
                if channels > MAX_CHANNELS or stride > MAX_SIDE_PX:
                    raise section.refusal(
                        f"gives {channels} channels of 1/{stride}: at most {MAX_CHANNELS} of 1/{MAX_SIDE_PX}"
                    )
        heads = [one.module for one in layers if isinstance(one.module, Yolo)]
        if len({one.num_classes for one in heads}) != 1:
            raise net.refusal("needs one or several [yolo], all with the same classes")
        self.num_classes = heads[0].num_classes
        self.multiple_px = lcm(*(one.place.stride for one in layers))
        self.layers = nn.ModuleList(one.module for one in layers)
        self._sources = [one.sources for one in layers]
        last_use = {one: number for number, every in enumerate(self._sources) for one in every}
        self._done = [
            tuple(one for one in set(every) if last_use[one] == number)
            for number, every in enumerate(self._sources)
        ]

    @property
    def convolutions(self) -> list[Convolution]:
        """Those layers that have weights, in the file's order."""
        return [one for one in self.layers if isinstance(one, Convolution)]

    @property
    def num_weights(self) -> int:
        """Numbers in a file of its weights, those of normalisations included."""
        return sum(
            prod(one.conv.weight.shape) + (4 if one.is_normalised else 1) * one.conv.out_channels
            for one in self.convolutions
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Gives the raw outputs of each [yolo], [b, anchors x (5 + classes), cells, cells].

        Args:
            images: RGB, [b, 3, side, side], 0 to 1.
        """
        known = {-1: images}
        found: list[Tensor] = []
        for number, (layer, sources) in enumerate(zip(self.layers, self._sources, strict=True)):
            known[number] = layer(*(known[one] for one in sources))
            if isinstance(layer, Yolo):
                found.append(known[number])
            for one in self._done[number]:
                del known[one]
        return tuple(found)

    def condenser(self, side_px: int, device: torch.device | str = "cpu") -> Condenser:
        """As `AnsweringNetwork`; each [yolo] gives its own cells."""
        if side_px < self.multiple_px or side_px % self.multiple_px:
            raise ValueError(
                f"side_px is {side_px}: it must be a positive multiple of {self.multiple_px}"
            )
        heads = [one for one in self.layers if isinstance(one, Yolo)]
        anchors = [torch.tensor(one.anchors, device=device) / side_px for one in heads]

        def condense(outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
            scales = [
                head.condense(raw, own)
                for head, raw, own in zip(heads, outputs, anchors, strict=True)
            ]
            return tuple(torch.cat(one, dim=1) for one in zip(*scales, strict=True))

        return condense
