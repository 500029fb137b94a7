"""The port of frame sources: what a stream asks of whatever gives it pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from ...core.checks import echo
from ...core.zoo import Fit
from ...vision.fits import Image

Source = TypeVar("Source")


class NoPicture(Exception):  # noqa: N818 - named for what it says
    """There is no picture for this frame: it is dropped as `source_lost`, and the stream goes on."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a live source that knows when it was captured.

    Attributes:
        captured_ms: when, on the machine's monotonic clock.
        image: the picture, or a function that gives it, called only if the picture is wanted.
    """

    captured_ms: float
    image: Image | Callable[[], Image]


class FrameSource(Protocol):
    """Gives pictures, one after the other.

    All calls come from one thread at a time, never from the event loop's. A source may raise what it
    likes: only its own stream ends by it.

    A source may also have `reads_at_once = True`, if reading never waits for anything outside the program: such
    sources share a thread, all others have one of their own. And `pictures_stay = True`, if it never writes into
    a picture again: others' pictures are copied.

    Attributes:
        is_live: pictures come at the source's own pace and `read` waits for a new one. Otherwise they
            can be had in advance, and again by opening the source anew.
    """

    is_live: bool

    def read(self, index: int) -> Image | Picture | None:
        """Returns a picture [height, width, 3] of uint8, blue, green, red; None when there are no more.

        Args:
            index: number of the frame in the stream; rises, gaps are skipped. Live sources give the
                newest picture whatever the index.

        Raises:
            NoPicture: if there is none for this frame.
            RunError: if the source fails for good.
        """
        ...

    def close(self) -> None:
        """Lets go of what the source holds; may be called twice."""
        ...


@runtime_checkable
class EncodingSource(FrameSource, Protocol):
    """A source that encodes its pictures itself, perhaps in advance; they must stay as they are."""

    def encode(self, image: Image, side_px: int, quality: int, fit: Fit) -> bytes:
        """Does what `vision.preprocessing.encode_frame` does, of a picture that it gave."""
        ...


def check_source(source: Source) -> Source:
    """Returns what may be a source, as far as can be seen: text, a path, or an object with the members of one.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(source, (str, os.PathLike)):
        return source
    is_made = not isinstance(source, type)
    has_methods = all(callable(getattr(source, name, None)) for name in ("read", "close"))
    if not (is_made and has_methods and isinstance(getattr(source, "is_live", None), bool)):
        raise ValueError(
            f"source={echo(source)}: must be text, a path, or an object with is_live (True or False), read and close"
        )
    return source


def reads_at_once(source: FrameSource) -> bool:
    """Whether the source may share a thread with others."""
    return not source.is_live and bool(getattr(source, "reads_at_once", False))


def pictures_stay(source: FrameSource) -> bool:
    """Whether pictures of the source need not be copied."""
    return isinstance(source, EncodingSource) or bool(getattr(source, "pictures_stay", False))
