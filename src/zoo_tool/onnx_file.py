"""Reads an ONNX file: whole, and what it says of its network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_model,
    uses_external_data,
)

from ..core.errors import UsageError
from ..vision.heads.recognition import NetworkFacts, Shape, TensorFacts

MOST_BYTES = 2**31 - 1  # of one file without data beside it
CODE_BEGINNINGS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

EXPORT = "export it: torch.onnx.export(network, picture, 'network.onnx', dynamic_axes={'images': {0: 'batch'}, ...})"


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A network's file.

    Attributes:
        content: all of it, data that lay beside it included.
        facts: what it says.
    """

    content: bytes
    facts: NetworkFacts


def read_onnx(path: Path) -> OnnxFile:
    """Reads a file; nothing in it is run.

    Raises:
        UsageError: naming the file, what is wrong, and what can be done.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if content.startswith(CODE_BEGINNINGS):
        raise UsageError(f"{path}: is a PyTorch file, which is code and is not run here: {EXPORT}")
    if path.suffix == ".weights":
        raise UsageError(f"{path}: needs its cfg before it, as in {path.stem}.cfg {path.name}")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own
        raise UsageError(f"{path}: is no ONNX file, or was cut off") from error
    if not model.graph.node or not model.graph.input:
        raise UsageError(f"{path}: is no ONNX file, or was cut off")
    if _take_in_data(path, model):
        content = model.SerializeToString()
    held = {one.name for one in model.graph.initializer}
    return OnnxFile(
        content,
        NetworkFacts(
            tuple(_facts(one) for one in model.graph.input if one.name not in held),
            tuple(_facts(one) for one in model.graph.output),
            {one.key: one.value for one in model.metadata_props},
        ),
    )


def _take_in_data(path: Path, model: onnx.ModelProto) -> bool:
    """Loads data that lies beside the file into the model; returns whether there is any."""
    folder = path.resolve().parent
    names = {
        ExternalDataInfo(one).location for one in model.graph.initializer if uses_external_data(one)
    }
    total = 0
    for name in sorted(names):
        beside = folder / name
        if Path(name).is_absolute() or not beside.resolve().is_relative_to(folder):
            raise UsageError(f"{path}: its data {name} must lie in its own folder")
        try:
            total += beside.stat().st_size
        except OSError as error:
            raise UsageError(
                f"{path}: its data {name} must lie beside it: {error.strerror}"
            ) from None
    if total + path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path}: has {total} bytes of data: must be below 2 GiB")
    if names:
        try:
            load_external_data_for_model(model, os.fspath(folder))
        except Exception as error:  # a class of the library's own for each flaw
            raise UsageError(f"{path}: its data {', '.join(sorted(names))} are cut off") from error
    return bool(names)


def _facts(value: onnx.ValueInfoProto) -> TensorFacts:
    tensor = value.type.tensor_type
    shape: Shape = tuple(
        one.dim_value if one.HasField("dim_value") and one.dim_value > 0 else None
        for one in tensor.shape.dim
    )
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    except (KeyError, TypeError):
        dtype = "no tensor"
    return TensorFacts(value.name, shape, dtype)
