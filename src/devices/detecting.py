"""Makes networks of a zoo ready, each with the library that runs it, and runs them on single pictures."""

from __future__ import annotations

from ..core.answers import Answer
from ..core.zoo import Runtime
from ..vision.fits import Fitted
from ..zoos import OpenedZoo
from .executors.local_executor import LocalExecutor
from .executors.session import Session


class SessionOpener:
    """Opens the variants of a zoo on one device."""

    def __init__(self, zoo: OpenedZoo, gpu: int | None = None, num_threads: int = 1) -> None:
        """Loads nothing yet; without a GPU the networks run on that many cores.

        ONNX Runtime runs those whose zoo leaves the choice, where none was made (`OpenedZoo.run_with`).
        """
        self._zoo = zoo
        self._gpu = gpu
        self._num_threads = num_threads

    @property
    def depth(self) -> int:
        """How many batches may be under way: one more than runs, where all sessions only begin a batch."""
        is_torch = all(one.runtime is Runtime.TORCH for one in self._zoo.zoo.networks)
        return 2 if is_torch and self._gpu is not None else 1

    def __call__(self, name: str) -> Session:
        """Makes a variant ready.

        Raises:
            UsageError: if the zoo has no such variant.
            RunError: if it cannot be loaded.
        """
        variant = self._zoo.network_variant(name)
        if variant.network.runtime is Runtime.TORCH and self._gpu is not None:
            from .executors.cuda import cuda_session  # noqa: PLC0415 - torch takes seconds

            # cuDNN's search for the fastest algorithm stays off: it stops the first batch of each size for long
            return cuda_session(self._zoo, variant, self._gpu)
        if variant.network.runtime is Runtime.TORCH:
            import torch  # noqa: PLC0415

            from .executors.torch_session import torch_session  # noqa: PLC0415

            torch.set_num_threads(self._num_threads)
            return torch_session(self._zoo, variant)
        from .executors.onnx_session import onnx_session  # noqa: PLC0415

        return onnx_session(self._zoo, variant, self._num_threads, self._gpu)


class PictureRunner:
    """A variant that looks at pictures on one core, one at a time: more wait for each other where cores are busy."""

    def __init__(self, zoo: OpenedZoo, name: str) -> None:
        """Loads it; errors as `SessionOpener`."""
        self.side_px = zoo.network_variant(name).side_px
        self.fit = zoo.zoo.fit
        self._name = name
        self._executor = LocalExecutor(SessionOpener(zoo), zoo.zoo.fit)
        self._executor.load(name, 1)

    def __call__(self, fitted: Fitted) -> Answer:
        """Says what is in a picture; boxes are fractions of what was sent."""
        running = self._executor.start(self._name, [self._executor.prepare(fitted)])
        return self._executor.finish(running)[0]
