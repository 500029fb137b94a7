"""Makes int8 networks of float ones: a third of the time on a CPU that multiplies bytes, for some thousandths of accuracy.

Weights and activations are bytes with a scale each, which is calibrated on pictures (static, QDQ, weights per channel). What
comes last, where boxes are read off to the pixel, stays in floats.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from ..core.errors import RunError
from ..core.zoo import Network
from ..devices.executors import onnx_session  # noqa: F401 - first of all, so that the library keeps what it sees to itself
from ..devices.executors.session import in_one_line
from ..vision.fits import Image
from ..vision.network_input import input_shape, write_input
from ..vision.preprocessing import decode_frame, encode_frame

SUFFIX = "-int8"
NUM_PICTURES = 24
HEAVY = ("Conv", "MatMul", "Gemm")


def quantise(content: bytes, network: Network, pictures: Sequence[Image]) -> bytes:
    """Returns an int8 file of a float one.

    Args:
        content: of an ONNX file.
        network: how it is run, and at which sides.
        pictures: to calibrate on, BGR, such as it will see; some two dozen.

    Raises:
        RunError: if the library cannot do it.
    """
    from onnxruntime.quantization import (  # noqa: PLC0415 - takes a second, for this alone
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    class Reader(CalibrationDataReader):  # type: ignore[misc] # has no types
        """Gives the pictures one by one, as the network takes them."""

        def __init__(self, name: str) -> None:
            self._feeds = ({name: one} for one in _inputs(network, pictures))

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            return next(self._feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        given, prepared, made = (
            Path(folder, f"{name}.onnx") for name in ("given", "prepared", "made")
        )
        given.write_bytes(content)
        try:
            quant_pre_process(given, prepared, skip_symbolic_shape=True)
            model = onnx.load(prepared)
            quantize_static(
                prepared,
                made,
                Reader(model.graph.input[0].name),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=last_nodes(model),
            )
        except Exception as error:  # whatever the library fails with
            raise RunError(f"{network.name}: cannot be quantised: {in_one_line(error)}") from error
        return made.read_bytes()


def last_nodes(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes behind the last heavy ones, and those themselves."""
    maker = {name: node for node in model.graph.node for name in node.output}
    names, found = [one.name for one in model.graph.output], set()
    while names:
        node = maker.get(names.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            if node.op_type not in HEAVY:
                names += node.input
    return sorted(found)


def _inputs(network: Network, pictures: Sequence[Image]) -> Iterator[npt.NDArray[np.float32]]:
    """The pictures along the true path, at the smallest, the middle and the largest side."""
    form, every = network.input, network.sides_px
    for side_px in sorted({every[0], every[len(every) // 2], every[-1]}):
        for image in pictures:
            fitted = decode_frame(encode_frame(image, side_px, fit=form.fit), side_px, form.fit)
            batch = np.empty((1, *input_shape(side_px, form)), np.float32)
            write_input(fitted.picture, form, batch[0])
            yield batch
