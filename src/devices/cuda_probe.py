"""Which CUDA devices torch can run networks on here, and why not on others."""

from __future__ import annotations

import ctypes
import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_log = logging.getLogger(__name__)

PROBE_LIMIT_S = 60.0
_PROBE = """
import json, torch
found = {"version": torch.__version__, "cuda": torch.version.cuda, "trouble": "", "kernels": [], "gpus": []}
try:
    if torch.version.cuda:
        torch.cuda.init()
        found["kernels"] = torch.cuda.get_arch_list()
        for gpu in range(torch.cuda.device_count()):
            found["gpus"].append([torch.cuda.get_device_name(gpu), torch.cuda.get_device_capability(gpu)])
except Exception as error:
    found["trouble"] = " ".join(str(error).split())[:300]
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device.

    Attributes:
        name: its product name.
        trouble: why torch cannot run networks there; empty if it can.
    """

    name: str
    trouble: str = ""


def cuda_gpus() -> list[Gpu]:
    """The CUDA devices in their order. Where there is a driver and torch finds none, a warning says why."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []  # no driver, so no need to load torch
    try:
        probe = subprocess.run(  # of its own: the process that asks must hold no CUDA context
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT_S,
            check=True,
        )
        gpus, trouble = read_probe(probe.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        gpus, trouble = [], f"cannot ask for CUDA devices: {error}"
    if trouble:
        _log.warning("there is an NVIDIA driver, but no CUDA device can be used: %s", trouble)
    return gpus


def read_probe(text: str) -> tuple[list[Gpu], str]:
    """What the probe printed last: the devices, and why there are none."""
    found = json.loads(text.splitlines()[-1])
    torch = f"torch {found['version']}"
    if not found["cuda"]:
        return [], f"{torch} is built without CUDA: install a build with it from pytorch.org"
    if found["trouble"]:
        return [], found["trouble"]
    gpus = [
        Gpu(name, "" if has_kernels(found["kernels"], capability) else
            f"{torch} has no kernels for compute capability {capability[0]}.{capability[1]}, only {', '.join(found['kernels'])}")
        for name, capability in found["gpus"]
    ]  # fmt: skip
    return gpus, "" if gpus else "it shows none; is CUDA_VISIBLE_DEVICES right?"


def has_kernels(kernels: Sequence[str], capability: Sequence[int]) -> bool:
    """Whether a build has kernels for a device: binary ones of its generation, or code that its driver compiles.

    Args:
        kernels: as in `sm_86` or `compute_90`.
        capability: of the device, as in (8, 9).
    """
    major, minor = capability
    for one in kernels:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", one)
        if match is None:
            continue
        kind, own_major, own_minor = match[1], int(match[2]), int(match[3])
        if kind == "sm" and own_major == major and own_minor <= minor:
            return True
        if kind == "compute" and (own_major, own_minor) <= (major, minor):
            return True
    return False
