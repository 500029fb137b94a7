"""Gets public detectors: their digests are those that their publisher's version control states."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import RunError, UsageError
from ..core.zoo import Colour

_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/966be4cb6eefc2a4f586ed0581bf4bbaa2533070/models"
TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 18
PARTIAL_CONTENT = 206


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """A network that can be fetched, and how it is taken in.

    Attributes:
        address: of the file.
        sha256: of its content.
        num_bytes: of its content.
        layout: of its outputs.
        licence: under which its publisher gives it.
        wishes: fields of its input that are not as its layout usually has them.
    """

    address: str
    sha256: str
    num_bytes: int
    layout: str
    licence: str = "Apache-2.0"
    wishes: Mapping[str, Any] = field(default_factory=dict)


PUBLIC = {
    "yolox-s": PublicNetwork(
        f"{_ZOO}/object_detection_yolox/object_detection_yolox_2022nov.onnx",
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        35858002,
        "yolox",
        wishes={"colour": Colour.RGB},
    ),
    "yolox-s-int8": PublicNetwork(
        f"{_ZOO}/object_detection_yolox/object_detection_yolox_2022nov_int8.onnx",
        "01a3b0f400b30bc1e45230e991b2e499ab42622485a330021947333fbaf03935",
        9079452,
        "yolox",
        wishes={"colour": Colour.RGB},
    ),
    "nanodet-plus": PublicNetwork(
        f"{_ZOO}/object_detection_nanodet/object_detection_nanodet_2022nov.onnx",
        "4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186",
        3800954,
        "nanodet-split",
    ),
}
"""Trained on COCO's 80 classes; digests and sizes as of commit 966be4cb of opencv/opencv_zoo."""


def fetch(network: PublicNetwork, path: Path, on_bytes: Callable[[int], None]) -> None:
    """Gets a network's file, going on where an earlier try was interrupted.

    Raises:
        UsageError: if what came is not what its publisher states.
        RunError: if it cannot be had now.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        _append(network, part, on_bytes)
        content = part.read_bytes()
    except urllib.error.HTTPError as error:
        raise RunError(f"{network.address}: {error.code} {error.reason}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise RunError(
            f"{network.address}: {reason}; the same command goes on where it ended"
        ) from None
    if len(content) < network.num_bytes:
        raise RunError(
            f"{network.address}: ended after {len(content)} of {network.num_bytes} bytes; the same command goes on"
        )
    if hashlib.sha256(content).hexdigest() != network.sha256:
        part.unlink()
        raise UsageError(f"{network.address}: is not what its publisher states; it was thrown away")
    part.replace(path)


def _append(network: PublicNetwork, part: Path, on_bytes: Callable[[int], None]) -> None:
    """Adds what is missing; from the beginning where the server does not do parts."""
    have = part.stat().st_size if part.exists() else 0
    if have >= network.num_bytes:
        on_bytes(have)
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(network.address, headers=headers)  # noqa: S310 - ours, or a test's
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310
        is_rest = reply.status == PARTIAL_CONTENT
        on_bytes(have if is_rest else 0)
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab" if is_rest else "wb") as file:
            while chunk := reply.read(CHUNK_BYTES):
                file.write(chunk)
                on_bytes(len(chunk))
                if file.tell() > network.num_bytes:
                    return  # it cannot be right, and may never end
