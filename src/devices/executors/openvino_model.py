"""An ONNX file as OpenVINO runs it on CPU cores."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

# Loading the library would else tell its maker, and keep a number by which that knows this user again.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402

_SINK = "/sink_port_0"
_IMAGE_RANK = 4

_core = ov.Core()


class OpenVinoModel:
    """A file compiled for one side: once for single pictures, which are faster so, once for any batch.

    Attributes:
        inputs: kind of numbers by name.
    """

    def __init__(self, content: bytes, side_px: int, num_threads: int) -> None:
        """Compiles it; whatever the library fails with is raised."""
        model = _core.read_model(content)
        self.inputs = {one.any_name: one.element_type.to_dtype() for one in model.inputs}
        self._outputs = [_name(one) for one in model.outputs]
        options: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": num_threads,
            "ENABLE_CPU_PINNING": False,  # the process is, to its device's cores
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._requests: dict[int, ov.InferRequest] = {}
        is_batched = any(one.partial_shape[0].is_dynamic for one in model.inputs)
        for size in (1, -1) if is_batched else (1,):
            model.reshape({one.any_name: _shape(one, size, side_px) for one in model.inputs})
            self._requests[size] = _core.compile_model(model, "CPU", options).create_infer_request()

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Runs a batch, here and now."""
        size = len(next(iter(feeds.values())))
        request = self._requests.get(size) or self._requests[-1]
        found = request.infer(dict(feeds), share_inputs=True)
        return {name: found[number] for number, name in enumerate(self._outputs)}


def _shape(tensor: ov.Output, size: int, side_px: int) -> ov.PartialShape:
    """The shape of an input for a batch (-1: of any size) of squares."""
    lengths = [side_px if one.is_dynamic else one.get_length() for one in tensor.partial_shape]
    if len(lengths) == _IMAGE_RANK and tensor.partial_shape[1].is_dynamic:  # channels last, or any
        lengths[1] = lengths[1] if lengths[3] != side_px else 3
    return ov.PartialShape([size, *lengths[1:]])


def _name(output: ov.Output) -> str:
    """As the file calls it; one that is also an inner result has more names."""
    name: str = output.node.get_friendly_name()  # of what takes the output
    return name.removesuffix(_SINK) if name.endswith(_SINK) else output.any_name
