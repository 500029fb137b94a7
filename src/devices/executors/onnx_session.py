"""Runs networks of ONNX files; here with ONNX Runtime, on CPU cores or on a CUDA device."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from ...core.answers import Answer
from ...core.errors import RunError
from ...core.zoo import Network, NetworkVariant, Runtime
from ...vision.heads.port import only
from ...vision.heads.recognition import SIZES_INPUT
from ...vision.heads.registry import head_named
from ...vision.network_input import input_shape, write_input
from ...vision.postprocessing import DEFAULT_MIN_SCORE, select, select_labels
from ...zoos import OpenedZoo, WeightsError
from .port import DeviceLostError
from .session import Array, DeviceMemoryError, Picture, in_one_line, run_blank

# Read when the library is loaded, which else keeps what it sees and sends it to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

Outputs: TypeAlias = Mapping[str, npt.NDArray[Any]]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_SILENT = 4  # its errors reach us as exceptions


class Model(Protocol):
    """A file as a library has loaded it."""

    @property
    def inputs(self) -> Mapping[str, np.dtype[Any]]:
        """Kind of numbers by name."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> Outputs:
        """Runs a batch, here and now.

        Raises:
            DeviceMemoryError: if it is too large for the device.
            DeviceLostError: if the device is lost.
        """
        ...


_loaded: WeakValueDictionary[Hashable, Model] = WeakValueDictionary()
_loading = threading.Lock()


class OnnxSession:
    """A network of an ONNX file at one side."""

    def __init__(self, network: Network, side_px: int, model: Model) -> None:
        """Takes what may serve other sides as well.

        Raises:
            ValueError: if there is no such head.
        """
        self.side_px = side_px
        self.max_batch_size = network.max_batch_size
        form = network.input
        self._head = head_named(network.head) if network.head else None
        self._model = model
        inputs = dict(model.inputs)
        self._asks_sizes = inputs.pop(SIZES_INPUT, None) is not None
        ((self._input, dtype),) = inputs.items()
        shape = input_shape(side_px, form)
        self.input_kind: Hashable = (form, dtype)
        self.places: Callable[[int], Array] = lambda number: np.empty((number, *shape), dtype)
        self.write: Callable[[Picture, Array], None] = lambda picture, place: write_input(
            picture, form, place
        )

    def warm_up(self, max_batch_size: int) -> None:
        """First runs choose algorithms and take memory."""
        del max_batch_size
        run_blank(self)

    def infer(self, batch: Array) -> Outputs:
        """Runs the network, here and now."""
        feeds: dict[str, Array] = {self._input: batch}
        if self._asks_sizes:
            feeds[SIZES_INPUT] = np.full((len(batch), 2), self.side_px, np.int64)
        return {
            name: one.astype(np.float32) if one.dtype == np.float16 else one
            for name, one in self._model.run(feeds).items()
        }

    def answers(self, outputs: Outputs, min_score: float = DEFAULT_MIN_SCORE) -> Sequence[Answer]:
        """Decodes and selects; a network without a head classifies."""
        if self._head is None:
            return select_labels(only(outputs))
        return select(self._head.decode(outputs, self.side_px), self._head, min_score)


class OrtModel:
    """A file that ONNX Runtime has loaded, for any side.

    Attributes:
        inputs: kind of numbers by name.
        provider: what runs it.
    """

    def __init__(self, session: ort.InferenceSession) -> None:
        """Takes what was loaded."""
        self.provider = session.get_providers()[0]
        self.inputs = {one.name: _dtype(one.type) for one in session.get_inputs()}
        self._session = session
        self._outputs = [one.name for one in session.get_outputs()]

    def run(self, feeds: Mapping[str, Array]) -> Outputs:
        """Runs a batch; errors as those of `Model`."""
        try:
            found = self._session.run(None, feeds)
        except Exception as error:
            text = str(error)
            if "out of memory" in text or "Failed to allocate memory" in text:
                raise DeviceMemoryError(in_one_line(error)) from error
            if "CUDA failure" in text or "CUDNN failure" in text:
                raise DeviceLostError(in_one_line(error)) from error
            raise
        return dict(zip(self._outputs, found, strict=True))


def onnx_session(
    zoo: OpenedZoo, variant: NetworkVariant, num_threads: int = 1, gpu: int | None = None
) -> OnnxSession:
    """Makes a variant of a zoo ready; all sides of a network share what was loaded.

    Raises:
        WeightsError: if the file is not what the zoo says, or the library cannot run it, or not where it should.
    """
    network = variant.network
    is_openvino = network.runtime is Runtime.OPENVINO
    key = (zoo.folder, network.sha256, is_openvino and variant.side_px, num_threads, gpu)
    with _loading:
        model = _loaded.get(key)
        if model is None:
            content = zoo.read_weights(network)
            try:
                model = load_with(network.runtime, content, variant.side_px, num_threads, gpu)
            except RunError as error:
                raise WeightsError(f"{zoo.folder / network.file}: {error}") from error
            _loaded[key] = model
    return OnnxSession(network, variant.side_px, model)


def load_with(
    runtime: Runtime, content: bytes, side_px: int, num_threads: int = 1, gpu: int | None = None
) -> Model:
    """Loads a file's content with one of the libraries, for one side at least.

    Raises:
        RunError: if the library is not there, cannot run it, or runs it elsewhere.
    """
    if runtime is Runtime.OPENVINO:
        return load_openvino(content, side_px, num_threads, gpu)
    return load_onnx(content, num_threads, gpu)


def load_onnx(content: bytes, num_threads: int = 1, gpu: int | None = None) -> OrtModel:
    """Loads a file's content on CPU cores, or on a GPU.

    Raises:
        RunError: if the library cannot run it, or runs it elsewhere.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need cores
    options.enable_mem_pattern = False  # sides and batch sizes change
    options.log_severity_level = _SILENT
    provider, facts = CPU, {}
    if gpu is not None:
        if CUDA not in ort.get_available_providers():
            raise RunError(
                "ONNX Runtime has no CUDA here: install onnxruntime-gpu in place of onnxruntime"
            )
        # A search for the best algorithm would stop the first batch of each size for long.
        provider, facts = CUDA, {"device_id": gpu, "cudnn_conv_algo_search": "HEURISTIC"}
    try:
        session = ort.InferenceSession(content, options, providers=[(provider, facts)])
    except Exception as error:
        raise RunError(f"ONNX Runtime cannot load it: {in_one_line(error)}") from error
    model = OrtModel(session)
    if model.provider != provider:
        raise RunError(f"ONNX Runtime runs it with {model.provider}, not {provider}")
    return model


def _dtype(kind: str) -> np.dtype[Any]:
    """As in `tensor(float)`, which has 32 bits."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))


def load_openvino(
    content: bytes, side_px: int, num_threads: int = 1, gpu: int | None = None
) -> Model:
    """Loads a file's content on CPU cores, for one side, with OpenVINO.

    Raises:
        RunError: if the library is not there, or cannot run it, or not there.
    """
    if gpu is not None:
        raise RunError("OpenVINO does not run on CUDA devices: say runtime: onnx, or auto")
    try:
        from .openvino_model import OpenVinoModel  # noqa: PLC0415 - an extra
    except ImportError:
        raise RunError("OpenVINO is not installed: pip install openvino") from None
    try:
        return OpenVinoModel(content, side_px, num_threads)
    except Exception as error:
        raise RunError(f"OpenVINO cannot load it: {in_one_line(error)}") from error
