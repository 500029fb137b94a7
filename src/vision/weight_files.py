"""The traffic detectors' weights: safetensors, kernels in half precision."""

from __future__ import annotations

import torch
from safetensors.torch import load, save
from torch import Tensor


def read_state(content: bytes) -> dict[str, Tensor]:
    """The tensors of a file, floats widened to float32."""
    return {
        name: tensor.float() if tensor.dtype.is_floating_point else tensor
        for name, tensor in load(content).items()
    }


def write_state(state: dict[str, Tensor]) -> bytes:
    """The content of a file, kernels in half precision."""
    return save(
        {
            name: (tensor.to(torch.float16) if tensor.ndim > 1 else tensor).contiguous()
            for name, tensor in state.items()
        }
    )
