"""Runs networks with torch, the shipped ones and Darknet's, on CPU cores or on a CUDA device."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import torch

from ...core.answers import Answer
from ...core.errors import UsageError
from ...core.zoo import Network, NetworkVariant, Task
from ...vision.answering import AnsweringNetwork
from ...vision.classifier import CLASSIFIERS, Classifier
from ...vision.darknet_weights import read_network
from ...vision.detector import ARCHITECTURES, build_network, fuse
from ...vision.postprocessing import DEFAULT_MIN_SCORE
from ...vision.weight_files import read_state
from ...zoos import OpenedZoo, WeightsError
from .port import DeviceLostError
from .session import Array, DeviceMemoryError, Outputs, Picture

BRIGHTEST: Final = np.float32(255)
DARKNET: Final = "darknet"  # the head of networks whose file holds their architecture, too


class TorchSession:
    """A network at one side; rows are NHWC, as 0 to 1 on a CPU, as bytes for a GPU, since a link carries those faster."""

    max_batch_size: int | None = None

    def __init__(self, network: AnsweringNetwork, side_px: int, device: str = "cpu") -> None:
        """Takes a network in evaluation mode, which may serve other sides as well.

        Raises:
            ValueError: If the network takes no squares of this side.
        """
        self.side_px = side_px
        self._network = network
        self._device = torch.device(device)
        self._is_cuda = self._device.type == "cuda"
        self.input_kind: Hashable = self._device.type
        self._read = network.reader(side_px, self._device)

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
            return self._read(outputs, min_score)
        except RuntimeError as error:
            raise self._named(error) from error

    def _named(self, error: RuntimeError) -> Exception:
        """Out of memory is no reason to leave; any other CUDA error spoils the whole process."""
        if isinstance(error, torch.OutOfMemoryError):
            torch.cuda.empty_cache()
            return DeviceMemoryError(str(error))
        is_lost = self._is_cuda and "CUDA" in str(error)
        return DeviceLostError(str(error)) if is_lost else error


@lru_cache(maxsize=8)
def load_network(zoo: OpenedZoo, network: Network, device: str = "cpu") -> AnsweringNetwork:
    """Returns a network, fused and in evaluation mode; the same object each time.

    Raises:
        WeightsError: If there is no such network, or its weights are missing or not what its zoo says.
    """
    if network.head == DARKNET:
        try:
            found = read_network(network.file, zoo.read_weights(network))
        except UsageError as error:
            raise WeightsError(f"{error}") from error
        if found.num_classes != len(zoo.zoo.class_names):
            raise WeightsError(
                f"{network.file}: has {found.num_classes} classes, its zoo names {len(zoo.zoo.class_names)}"
            )
        return found.to(device)
    is_classifier = zoo.zoo.task is Task.CLASSIFICATION
    known = CLASSIFIERS if is_classifier else ARCHITECTURES
    if network.name not in known:
        raise WeightsError(
            f"network {network.name}: torch runs {', '.join(known)} and those with head: {DARKNET}; others come as ONNX"
        )
    built: AnsweringNetwork = (Classifier if is_classifier else build_network)(
        network.name, len(zoo.zoo.class_names)
    )
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
    network = load_network(zoo, variant.network, device)
    try:
        return TorchSession(network, variant.side_px, device)
    except ValueError as error:
        raise WeightsError(f"{variant.name}: {error}") from None
