"""Where we touch CUDA: streams, graphs, pinned memory. Tests have another one, on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

Wait: TypeAlias = Callable[[], None]
"""Blocks until what was begun before is done."""

Pool: TypeAlias = Any
"""Memory of the GPU, as its library knows it."""


class Lane(Enum):
    """What a piece of work is for. Batches do not wait for loads, nor loads of different threads for each other."""

    BATCHES = "batches"
    LOADS = "loads"


class CudaEdge(Protocol):
    """A GPU.

    Attributes:
        device: as torch knows it.
    """

    device: torch.device

    def on(self, lane: Lane) -> AbstractContextManager[None]:
        """What this thread begins meanwhile goes to a lane, in its order."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Host memory that the GPU reads and writes by itself."""
        ...

    def new_pool(self) -> Pool:
        """Memory for recordings that are never repeated at the same time."""
        ...

    def record(
        self, work: Callable[[], tuple[Tensor, ...]], pool: Pool
    ) -> tuple[Wait, tuple[Tensor, ...]]:
        """Records work that always uses the same memory; what it returns repeats it, into the same tensors.

        Raises:
            RuntimeError: if it cannot be repeated.
        """
        ...

    def mark(self) -> Wait:
        """What waits for all that was begun on the lane of this thread."""
        ...

    def forget(self) -> None:
        """Gives memory back that nobody holds."""
        ...


class TorchCuda:
    """The real one. Batches go before loads, where the GPU has room for one of them alone."""

    def __init__(self, gpu: int) -> None:
        """Begins a CUDA context in this process.

        Raises:
            RuntimeError: if the driver, or this build of torch, does not do.
        """
        self.device = torch.device("cuda", gpu)
        with torch.cuda.device(self.device):
            self._batches = torch.cuda.Stream(self.device, priority=-1)  # type: ignore[no-untyped-call]
        self._own = threading.local()
        self._recording = threading.Lock()  # one at a time, and no cache is emptied meanwhile

    def on(self, lane: Lane) -> AbstractContextManager[None]:
        """As `CudaEdge`; each thread that loads has a stream, as what others begin on it would be recorded, too."""
        if lane is Lane.BATCHES:
            return torch.cuda.stream(self._batches)
        if not hasattr(self._own, "loads"):
            self._own.loads = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._own.loads)

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """As `CudaEdge`; torch keeps what is given back for the next one."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def new_pool(self) -> Pool:
        """As `CudaEdge`."""
        return torch.cuda.graph_pool_handle()

    def record(
        self, work: Callable[[], tuple[Tensor, ...]], pool: Pool
    ) -> tuple[Wait, tuple[Tensor, ...]]:
        """As `CudaEdge`.

        `torch.cuda.graph` would wait for the whole device and give memory back, which stops batches; and other threads go on
        meanwhile, so what they do is not to end the recording.
        """
        graph = torch.cuda.CUDAGraph()
        with self._recording:
            graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                found = work()
            finally:
                graph.capture_end()
        return graph.replay, found

    def mark(self) -> Wait:
        """As `CudaEdge`; the thread sleeps meanwhile."""
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record()
        return event.synchronize

    def forget(self) -> None:
        """As `CudaEdge`."""
        with self._recording:
            torch.cuda.empty_cache()
