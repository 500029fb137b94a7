"""A GPU that is a CPU: keeps the order of what it is told, per lane, and repeats recorded work into the same tensors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from moonjelly.devices.executors.cuda_edge import Lane, Wait


class FakeCuda:
    """See `CudaEdge`.

    Attributes:
        told: lane and what was done there, in order.
        most_recordings: that there is memory for.
        failure: what waits fail with.
        refusal: what recordings fail with.
    """

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.told: list[tuple[Lane | None, str]] = []
        self.most_recordings = 1000
        self.pools: list[object] = []  # of the recordings
        self.failure: RuntimeError | None = None
        self.refusal: RuntimeError | None = None
        self._here = threading.local()

    @contextmanager
    def on(self, lane: Lane) -> Iterator[None]:
        before = getattr(self._here, "lane", None)
        self._here.lane = lane
        try:
            yield
        finally:
            self._here.lane = before

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype)

    def new_pool(self) -> object:
        return object()

    def record(
        self, work: Callable[[], tuple[Tensor, ...]], pool: object
    ) -> tuple[Wait, tuple[Tensor, ...]]:
        self.pools.append(pool)
        if self.most_recordings == 0:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.most_recordings -= 1
        if self.refusal is not None:
            raise self.refusal
        found = tuple(one.clone() for one in work())
        size = len(found[0])
        self._tell(f"record {size}")

        @torch.inference_mode()
        def repeat() -> None:
            self._tell(f"repeat {size}")
            for same, new in zip(found, work(), strict=True):
                same.copy_(new)

        return repeat, found

    def mark(self) -> Wait:
        self._tell("mark")

        def wait() -> None:
            self.told.append((None, "wait"))
            if self.failure is not None:
                raise self.failure

        return wait

    def forget(self) -> None:
        self._tell("forget")

    def _tell(self, what: str) -> None:
        self.told.append((getattr(self._here, "lane", None), what))
