"""What networks compute beside the replay of their kernels: tensors in, tensors out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..core.checks import echo
from ..core.codes import Code
from ..core.errors import RunError, UsageError
from ..devices.executors.onnx_session import Model, Outputs, load_onnx
from ..devices.executors.session import Array
from ..protos import efair_pb2 as pb
from ..server.endpoint.problems import SessionError

DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool")
MOST_DIRECTIONS = 16


def read_networks(folder: Path, names: Collection[str]) -> Mapping[str, Model]:
    """Loads the networks that lie beside their profiles as NETWORK.onnx.

    Raises:
        UsageError: naming the file that cannot be read or run.
    """
    models: dict[str, Model] = {}
    for name in names:
        path = folder / f"{name}.onnx"
        if not path.exists():
            continue
        try:
            models[name] = load_onnx(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except RunError as error:
            raise UsageError(f"{path}: {error}") from None
    return models


class Computing:
    """Runs networks one after the other on a thread of its own."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        """Takes networks by name; those of other names cannot compute."""
        self._models = models
        self._thread = ThreadPoolExecutor(1, "computing")

    def start(self, network: str, tensors: Sequence[pb.Tensor]) -> Future[Outputs]:
        """Has a network compute.

        Raises:
            SessionError: if it cannot, or takes other tensors.
        """
        model = self._models.get(network)
        if model is None:
            rule = f"{network} is replayed from its profile alone, and computes nothing"
            raise SessionError(Code.FAILED_PRECONDITION, f"inputs: {rule}")
        try:
            feeds = _feeds(tensors, model)
        except ValueError as error:
            raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
        return self._thread.submit(model.run, feeds)

    async def outputs(self, computed: Future[Outputs]) -> list[pb.Tensor]:
        """Waits for what was started.

        Raises:
            SessionError: if the network failed on it.
        """
        try:
            outputs = await asyncio.wrap_future(computed)
        except Exception:  # noqa: BLE001 whatever the library says of it, it names our files
            words = "inputs: the network fails on them; are their shapes those that it takes?"
            raise SessionError(Code.INVALID_ARGUMENT, words) from None
        return [
            pb.Tensor(name=name, dtype=one.dtype.name, shape=one.shape, data=one.tobytes())
            for name, one in outputs.items()
        ]

    def close(self) -> None:
        """Gives up what has not begun."""
        self._thread.shutdown(cancel_futures=True)


def _feeds(tensors: Sequence[pb.Tensor], model: Model) -> dict[str, Array]:
    """The inputs as arrays; ValueError naming the first that is wrong."""
    names = [one.name for one in tensors]
    if sorted(names) != sorted(model.inputs):
        known = ", ".join(model.inputs)
        raise ValueError(f"inputs.name={echo(names)}: must be {known}, each once")
    return {one.name: _array(one, model.inputs[one.name]) for one in tensors}


def _array(tensor: pb.Tensor, dtype: np.dtype[np.generic]) -> Array:
    where = f"inputs.{tensor.name}"
    if tensor.dtype != dtype.name or tensor.dtype not in DTYPES:
        raise ValueError(f"{where}.dtype={echo(tensor.dtype)}: must be {dtype.name}")
    shape = tuple(tensor.shape)
    if len(shape) > MOST_DIRECTIONS or any(side < 0 for side in shape):
        rule = f"must be 0 or more in each of at most {MOST_DIRECTIONS} directions"
        raise ValueError(f"{where}.shape={echo(shape)}: {rule}")
    num_bytes = math.prod(shape) * dtype.itemsize
    if len(tensor.data) != num_bytes:
        raise ValueError(f"{where}.data: has {len(tensor.data)} bytes, must have {num_bytes}")
    return np.frombuffer(tensor.data, dtype.newbyteorder("<")).reshape(shape)
