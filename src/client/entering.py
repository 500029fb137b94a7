"""Where what others wrote comes in: pictures are checked once, and errors are made fit to travel."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.checks import echo
from ..core.errors import MoonjellyError, RunError
from ..vision.fits import Image
from ..vision.picture_header import check_sides

Value = TypeVar("Value")

_NUM_CHANNELS = 3
_END = (StopIteration, StopAsyncIteration)
# What would end the thread, the event loop or a task in place of the call's own stream.
_UNFIT = (asyncio.CancelledError, concurrent.futures.CancelledError, asyncio.InvalidStateError)


def call_guarded(function: Callable[..., Value], *arguments: object) -> Value | None:
    """Calls a source; an iterator's end is None, and what no future or task can carry is a RunError."""
    try:
        return function(*arguments)
    except _END:
        return None
    except _UNFIT as error:
        raise RunError(describe(error)) from error
    except Exception:
        raise
    except BaseException as error:  # KeyboardInterrupt is for the main thread
        raise RunError(describe(error)) from error


def describe(error: BaseException) -> str:
    """An error of a source in one line."""
    if isinstance(error, MoonjellyError):
        return str(error)
    text = " ".join(str(error).split())
    return f"the source failed: {type(error).__name__}" + (f": {text}" if text else "")


def entered(image: object, may_change: bool) -> Image:
    """Returns a picture as it goes on: a copy, if the source may change it again.

    Raises:
        RunError: naming type, shape and rule.
    """
    if not isinstance(image, np.ndarray):
        raise RunError(f"picture of {echo(type(image).__name__)}: must be a numpy array")
    if image.dtype != np.uint8 or image.ndim != _NUM_CHANNELS or image.shape[2] != _NUM_CHANNELS:
        shape = ", ".join(map(str, image.shape))
        raise RunError(
            f"picture of {image.dtype} [{shape}]: must be uint8 [height, width, 3], blue, green, red"
        )
    try:
        check_sides(image.shape[1], image.shape[0])
    except ValueError as error:
        raise RunError(f"picture of {error}") from None
    if may_change:
        return np.array(image, np.uint8, order="C", subok=False)
    return np.ascontiguousarray(image)


def encoded(data: Any) -> bytes:  # noqa: ANN401 it comes from a stranger
    """Returns an encoded picture; RunError if it is none."""
    if not isinstance(data, bytes):
        raise RunError(f"encoded picture of {echo(type(data).__name__)}: must be bytes")
    if not data:
        raise RunError("encoded picture of 0 bytes: must be a JPEG")
    return data
