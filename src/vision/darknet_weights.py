"""The weights of Darknet's networks: its own files, state dicts of the same network in torch, and the one file that a zoo keeps."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..core.checks import echo
from ..core.errors import UsageError
from ..files.text_file import read_whole
from .darknet import Convolution, Darknet
from .darknet_cfg import read_sections

NORM_EPSILON = 1e-5
MAGIC_TORCH = (b"PK\x03\x04", b"\x80\x02")  # a zip archive, a pickle
TORCH_NAMES_BYTES = 2**22  # beside the numbers
CFG = "darknet_cfg"

_Parts: TypeAlias = tuple[Tensor, Tensor, Sequence[Tensor]]
"""Of a convolution: kernel, bias, and weight, mean and variance of its normalisation, if it has one."""

_COUNTER = "num_batches_tracked"
_NORM = ("weight", "bias", "running_mean", "running_var")


def read_weights(path: Path, network: Darknet) -> None:
    """Loads a file's weights into a network, with its normalisations moved into the convolutions.

    Args:
        path: Of Darknet's `.weights`, or of a plain state dict that torch has saved, in the network's order.
        network: Built, without weights; nothing as large as them is read or made before the file's size is right.

    Raises:
        UsageError: Naming the file, what it has and what the network needs.
    """
    wanted = 4 * network.num_weights
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no path"
        raise UsageError(f"{path}: cannot be read: {reason}") from None
    if size > 2 * wanted + TORCH_NAMES_BYTES:
        raise UsageError(f"{path}: has {size} bytes: its cfg needs {wanted} and a header")
    content = read_whole(path, size)
    read = _read_torch if content.startswith(MAGIC_TORCH) else _read_darknet
    state: dict[str, Tensor] = {}
    for (name, layer), parts in zip(_named(network), read(path, content, network), strict=True):
        kernel, bias = _fused(*parts)
        if not (kernel.isfinite().all() and bias.isfinite().all()):
            raise UsageError(
                f"{path}: has numbers that are none, of the section in line {layer.line}"
            )
        state[f"{name}.conv.weight"], state[f"{name}.conv.bias"] = kernel, bias
    _load(network, state)


def write_network(network: Darknet, cfg: str) -> bytes:
    """The content of one file that is a network and its weights, as a zoo keeps it; `cfg` is the text that it was built from."""
    state = {name: one.contiguous() for name, one in network.state_dict().items()}
    return save(state, {CFG: cfg})


def read_network(file: str, content: bytes) -> Darknet:
    """The network of such a file, ready to run.

    Raises:
        UsageError: If it is none.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        cfg = json.loads(content[8 : 8 + length])["__metadata__"][CFG]
        state = load(content)
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise UsageError(f"{file}: is no file of a Darknet network") from error
    network = Darknet(read_sections(file, cfg))
    try:
        _load(network, state)
    except RuntimeError as error:
        raise UsageError(f"{file}: its weights are not those of its cfg") from error
    return network


def _load(network: Darknet, state: dict[str, Tensor]) -> None:
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(requires_grad=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _named(network: Darknet) -> list[tuple[str, Convolution]]:
    """The convolutions, in the order of files, with their names in a state."""
    return [(name, one) for name, one in network.named_modules() if isinstance(one, Convolution)]


def _fused(kernel: Tensor, bias: Tensor, norm: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
    """The kernel and bias that do what a convolution and its normalisation (weight, mean, variance) do."""
    if norm:
        weight, mean, variance = norm
        factor = weight / (variance + NORM_EPSILON).sqrt()
        kernel, bias = kernel * factor[:, None, None, None], bias - mean * factor
    return kernel.clone(), bias.clone()


def _read_darknet(path: Path, content: bytes, network: Darknet) -> Iterator[_Parts]:
    """Of each convolution bias, then weight, mean and variance of its normalisation, then the kernel."""
    header = content[:12].ljust(12, b"\0")
    major, minor, _ = struct.unpack("<3i", header)
    start = 20 if 10 * major + minor >= 2 and major < 1000 and minor < 1000 else 16  # noqa: PLR2004 as Darknet tells
    wanted = start + 4 * network.num_weights
    if len(content) != wanted:
        raise UsageError(f"{path}: has {len(content)} bytes: its cfg needs {wanted}")
    numbers = torch.from_numpy(np.frombuffer(content, "<f4", offset=start).astype(np.float32))
    for _, layer in _named(network):
        shape = layer.conv.weight.shape
        lengths = [shape[0]] * (4 if layer.is_normalised else 1) + [shape.numel()]
        *vectors, kernel, numbers = torch.split(numbers, [*lengths, len(numbers) - sum(lengths)])
        yield kernel.reshape(shape), vectors[0], vectors[1:]


def _read_torch(path: Path, content: bytes, network: Darknet) -> Iterator[_Parts]:
    """Of each convolution the kernel, then weight, bias, mean and variance of its normalisation, or its bias."""
    tensors = _tensors(path, content, 2 * 4 * network.num_weights + TORCH_NAMES_BYTES)
    wanted: list[tuple[str, torch.Size, int]] = []
    for _, layer in _named(network):
        shape = layer.conv.weight.shape
        wanted.append(("weight", shape, layer.line))
        names = _NORM if layer.is_normalised else ("bias",)
        wanted += [(one, shape[:1], layer.line) for one in names]
    if len(tensors) != len(wanted):
        raise UsageError(f"{path}: has {len(tensors)} tensors: its cfg needs {len(wanted)}")
    for (name, tensor), (suffix, shape, line) in zip(tensors, wanted, strict=True):
        if not name.endswith(suffix) or tensor.shape != shape:
            needed = f"the section in line {line} of its cfg needs {suffix} {list(shape)}"
            raise UsageError(f"{path}: {echo(name)} is {list(tensor.shape)}: {needed}")
    found = iter(one.float() for _, one in tensors)
    for _, layer in _named(network):
        kernel = next(found)
        weight, bias = (next(found), next(found)) if layer.is_normalised else (kernel, next(found))
        yield kernel, bias, (weight, next(found), next(found)) if layer.is_normalised else ()


def _tensors(path: Path, content: bytes, most_bytes: int) -> list[tuple[str, Tensor]]:
    """The tensors of a state dict, without the counters of batches; no code in it is run."""
    try:
        size = _unpacked_bytes(content)
        found = (
            {} if size > most_bytes else torch.load(io.BytesIO(content), "cpu", weights_only=True)
        )
        tensors = [(name, one) for name, one in found.items() if not name.endswith(_COUNTER)]
        are_plain = all(
            one.is_floating_point() and one.layout is torch.strided for _, one in tensors
        )
    except Exception as error:  # whatever unpacking fails with
        raise UsageError(f"{path}: is no plain state dict that torch has saved") from error
    if size > most_bytes:
        raise UsageError(f"{path}: unpacks to {size} bytes: must be at most {most_bytes}")
    if not are_plain:
        raise UsageError(f"{path}: must hold tensors of floats alone")
    return tensors


def _unpacked_bytes(content: bytes) -> int:
    """What all of a zip archive takes; older files are no archives and unpack to their own size."""
    if not content.startswith(MAGIC_TORCH[0]):
        return len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return sum(one.file_size for one in archive.infolist())
