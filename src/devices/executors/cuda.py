"""Runs networks with torch on a GPU: half precision, one recorded graph for each batch size, one batch ahead.

Pictures are written as bytes to pinned memory, which the GPU reads by itself. Everything until a few hundred boxes are left of each picture
happens there, and only these come back.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor

from ...core.answers import Answer
from ...core.zoo import NetworkVariant
from ...vision.answering import AnsweringNetwork
from ...vision.postprocessing import DEFAULT_MIN_SCORE
from ...zoos import OpenedZoo, WeightsError
from .cuda_edge import CudaEdge, Lane, TorchCuda, Wait
from .port import DeviceLostError
from .session import Array, DeviceMemoryError, Picture, in_one_line
from .torch_session import load_network

EVERY_SIZE_TO: Final = 8  # above it, graphs are kept for every fourth size
NUM_TRIES: Final = 3
_RECORDING: Final = "captur"  # in what CUDA says of recordings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Graph:
    """A batch of one size that can be repeated: from `frames` [size, side, side, 3], bytes, to `found`."""

    frames: Tensor
    repeat: Callable[[], None]
    found: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A batch that was begun: where its results will be, and how to wait for them."""

    found: tuple[Tensor, ...]
    wait: Wait


def graph_sizes(max_batch_size: int) -> list[int]:
    """The batch sizes that graphs are kept for: each up to 8, every fourth above it, and the largest."""
    sizes = range(1, max_batch_size + 1)
    return [one for one in sizes if one <= EVERY_SIZE_TO or one % 4 == 0 or one == max_batch_size]


class CudaSession:
    """A network at one side; rows are NHWC, as bytes, which a link carries faster.

    Attributes:
        graphs: what was recorded, by batch size; to be read.
    """

    max_batch_size: int | None = None
    input_kind: Hashable = "cuda"

    def __init__(self, network: AnsweringNetwork, side_px: int, edge: CudaEdge) -> None:
        """Takes a network in evaluation mode on the GPU, which may serve other sides as well.

        Raises:
            ValueError: If the network takes no squares of this side.
        """
        self.side_px = side_px
        self._network = network
        self._edge = edge
        self.places: Callable[[int], Array] = lambda number: edge.pinned(
            (number, side_px, side_px, 3), torch.uint8
        ).numpy()
        self._pool = edge.new_pool()
        self._dtype = next(network.parameters()).dtype
        self._condense = network.condenser(side_px, edge.device)
        self.graphs: dict[int, Graph] = {}
        self._larger: dict[int, int] = {}  # the graph that runs a size without one of its own

    @staticmethod
    def write(picture: Picture, place: Array) -> None:
        """Writes a picture; the GPU divides it."""
        place[:] = picture

    @torch.inference_mode()
    def warm_up(self, max_batch_size: int) -> None:
        """Records a graph for each size that is kept, largest first, since smaller ones then fit into its memory.

        No batch waits for it: it has a lane of its own. Sizes between run without a graph unless the next larger one turns
        out faster. Where there is no memory for more graphs, or one cannot be recorded, there are fewer.
        """
        with self._named_errors(), self._edge.on(Lane.LOADS):
            try:
                for size in sorted(graph_sizes(max_batch_size), reverse=True):
                    self._record(size)
                self._choose(max_batch_size)
            except torch.OutOfMemoryError:
                self._edge.forget()
                _log.warning(
                    "side %d: no memory for more than %d graphs", self.side_px, len(self.graphs)
                )
            self._edge.mark()()

    def _record(self, size: int) -> None:
        frames = torch.zeros(
            (size, self.side_px, self.side_px, 3), dtype=torch.uint8, device=self._edge.device
        )
        self._run(frames)  # chooses algorithms, which a recording may not
        try:
            repeat, found = self._edge.record(lambda: self._run(frames), self._pool)
        except RuntimeError as error:
            if _RECORDING not in str(error):
                raise
            problem = in_one_line(error)  # what cannot be recorded can be run
            _log.warning("side %d: no graph for batches of %d: %s", self.side_px, size, problem)
        else:
            self.graphs[size] = Graph(frames, repeat, found)

    def _choose(self, max_batch_size: int) -> None:
        """Finds which sizes between have the next larger graph run them."""
        for size in range(1, max_batch_size + 1):
            larger = min((one for one in self.graphs if one >= size), default=size)
            if larger != size and self._is_faster(larger, size):
                self._larger[size] = larger

    def _is_faster(self, larger: int, size: int) -> bool:
        graph = self.graphs[larger]
        alone_s = self._timed(lambda: self._run(graph.frames[:size]))
        return self._timed(graph.repeat) < alone_s

    def _timed(self, work: Callable[[], object]) -> float:
        took_s = []
        for _ in range(NUM_TRIES):
            self._edge.mark()()
            start_s = time.monotonic()
            work()
            self._edge.mark()()
            took_s.append(time.monotonic() - start_s)
        return statistics.median(took_s)

    def _run(self, frames: Tensor) -> tuple[Tensor, ...]:
        """From bytes [b, side, side, 3] to what answers are made of."""
        images = frames.permute(0, 3, 1, 2).to(self._dtype).div_(255)  # channels are last already
        return self._condense(self._network(images))

    @torch.inference_mode()
    def infer(self, batch: Array) -> Pending:
        """Begins a batch of bytes [b, side, side, 3], which stay as they are until it has ended."""
        number = len(batch)
        with self._named_errors(), self._edge.on(Lane.BATCHES):
            given = torch.from_numpy(batch)
            graph = self.graphs.get(self._larger.get(number, number))
            if graph is None:
                found = self._run(given.to(self._edge.device, non_blocking=True))
            else:
                graph.frames[:number].copy_(given, non_blocking=True)
                graph.repeat()
                found = tuple(one[:number] for one in graph.found)
            return Pending(tuple(map(self._fetch, found)), self._edge.mark())

    def _fetch(self, found: Tensor) -> Tensor:
        """Has results come back; the next batch may overwrite them on the GPU, but only after that."""
        here = self._edge.pinned(tuple(found.shape), found.dtype)
        return here.copy_(found, non_blocking=True)

    def answers(self, outputs: Pending, min_score: float = DEFAULT_MIN_SCORE) -> Sequence[Answer]:
        """Waits for a batch and selects what the network says."""
        with self._named_errors():
            outputs.wait()
        return self._network.answers([one.numpy() for one in outputs.found], min_score)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Out of memory is no reason to leave; any other CUDA error spoils the whole process."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            self._edge.forget()
            raise DeviceMemoryError(in_one_line(error)) from error
        except RuntimeError as error:
            if "CUDA" in str(error):
                raise DeviceLostError(in_one_line(error)) from error
            raise


@cache
def edge_of(gpu: int) -> CudaEdge:
    """The one edge of a GPU in this process; errors as `TorchCuda`."""
    return TorchCuda(gpu)


def cuda_session(zoo: OpenedZoo, variant: NetworkVariant, gpu: int) -> CudaSession:
    """Makes a variant of a zoo ready on a GPU, in half precision.

    Raises:
        WeightsError: if its weights are missing or not what the zoo says, or do not take its side.
        DeviceLostError: if the GPU is lost.
        RuntimeError: if it cannot be used at all.
    """
    edge = edge_of(gpu)
    with edge.on(Lane.LOADS):
        network = load_network(zoo, variant.network, edge.device, torch.float16)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        return CudaSession(network, variant.side_px, edge)
    except ValueError as error:
        raise WeightsError(f"{variant.name}: {error}") from None
