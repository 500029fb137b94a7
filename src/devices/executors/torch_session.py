"""Runs the shipped networks with torch, on CPU cores or on a CUDA device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import nn

from ...core.answers import Answer, Detections, Labels
from ...core.zoo import Network, NetworkVariant, Task
from ...vision.classifier import CLASSIFIERS, Classifier
from ...vision.detector import ARCHITECTURES, build_network, cells, decode_boxes, fuse
from ...vision.postprocessing import DEFAULT_MIN_SCORE, select_detections, select_labels
from ...vision.weight_files import read_state
from ...zoos import OpenedZoo, WeightsError
from .port import DeviceLostError
from .session import Array, DeviceMemoryError, Picture

Outputs: TypeAlias = Any
"""What a network says of a batch: a detector raw boxes and logits of the classes, a classifier logits."""

Decode: TypeAlias = Callable[[Outputs, float], Sequence[Answer]]

BRIGHTEST: Final = np.float32(255)


class TorchSession:
    """One of our networks at one side; rows are NHWC, as 0 to 1 on a CPU, as bytes for a GPU, since a link carries those faster."""

    max_batch_size: int | None = None

    def __init__(self, network: nn.Module, side_px: int, device: str = "cpu") -> None:
        """Takes a network in evaluation mode, which may serve other sides as well.

        Raises:
            ValueError: If the side is none for a detector, which takes multiples of 32.
        """
        self.side_px = side_px
        self._network = network
        self._device = torch.device(device)
        self._is_cuda = self._device.type == "cuda"
        self.input_kind: Hashable = self._device.type
        is_classifier = isinstance(network, Classifier)
        self._decode: Decode = _labels if is_classifier else _boxes(side_px, self._device)

    def places(self, number: int) -> Array:
        """Memory for pictures; on the host, what is not written to takes none."""
        kind = torch.uint8 if self._is_cuda else torch.float32
        shape = (number, self.side_px, self.side_px, 3)
        return torch.empty(shape, dtype=kind, pin_memory=self._is_cuda).numpy()

    def write(self, picture: Picture, place: Array) -> None:
        """Writes a picture as the device wants it."""
        if self._is_cuda:
            place[:] = picture
        else:
            np.divide(picture, BRIGHTEST, out=place)

    @torch.inference_mode()
    def infer(self, batch: Array) -> Outputs:
        """Runs the network on [b, side, side, 3], bytes or 0 to 1, in memory that can be written to."""
        try:
            frames = torch.from_numpy(batch).to(self._device, non_blocking=True).permute(0, 3, 1, 2)
            images = frames.float().div_(255) if batch.dtype == np.uint8 else frames
            return self._network(images.contiguous(memory_format=torch.channels_last))
        except RuntimeError as error:
            raise self._named(error) from error

    @torch.inference_mode()
    def answers(self, outputs: Outputs, min_score: float = DEFAULT_MIN_SCORE) -> Sequence[Answer]:
        """Selects what the network says, once."""
        try:
            return self._decode(outputs, min_score)
        except RuntimeError as error:
            raise self._named(error) from error

    def _named(self, error: RuntimeError) -> Exception:
        """Out of memory is no reason to leave; any other CUDA error spoils the whole process."""
        if isinstance(error, torch.OutOfMemoryError):
            torch.cuda.empty_cache()
            return DeviceMemoryError(str(error))
        is_lost = self._is_cuda and "CUDA" in str(error)
        return DeviceLostError(str(error)) if is_lost else error


def _boxes(side_px: int, device: torch.device) -> Decode:
    """How a detector's outputs are read at a side."""
    middles, strides = cells(side_px, device)

    def decode(outputs: tuple[torch.Tensor, torch.Tensor], min_score: float) -> list[Detections]:
        raw, logits = outputs
        scores = logits.float().sigmoid().cpu().numpy()
        corners = decode_boxes(raw, middles, strides).div_(side_px).cpu().numpy()
        return [
            select_detections(one, score, min_score)
            for one, score in zip(corners, scores, strict=True)
        ]

    return decode


def _labels(logits: torch.Tensor, min_score: float) -> list[Labels]:
    del min_score  # the likeliest are told, however likely
    return select_labels(logits.float().cpu().numpy())


@lru_cache(maxsize=8)
def load_network(zoo: OpenedZoo, network: Network, device: str = "cpu") -> nn.Module:
    """Returns one of our networks, fused and in evaluation mode; the same object each time.

    Raises:
        WeightsError: If there is no such network, or its weights are missing or not what its zoo says.
    """
    known = CLASSIFIERS if zoo.zoo.task is Task.CLASSIFICATION else ARCHITECTURES
    if network.name not in known:
        raise WeightsError(
            f"network {network.name}: torch runs {', '.join(known)} alone; others come as ONNX"
        )
    build = Classifier if zoo.zoo.task is Task.CLASSIFICATION else build_network
    built = build(network.name, len(zoo.zoo.class_names))
    try:
        built.load_state_dict(read_state(zoo.read_weights(network)))
    except RuntimeError as error:
        raise WeightsError(
            f"{network.file} does not fit network {network.name}: {error}"
        ) from error
    return fuse(built).requires_grad_(requires_grad=False).to(device)


def torch_session(zoo: OpenedZoo, variant: NetworkVariant, device: str = "cpu") -> TorchSession:
    """Makes a variant of a zoo ready; `device` is cpu, cuda, cuda:1 and so on.

    Raises:
        WeightsError: as above.
    """
    return TorchSession(load_network(zoo, variant.network, device), variant.side_px, device)
