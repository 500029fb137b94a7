"""Addresses of network sources: which schemes there are, and what names a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...core.checks import echo
from ...core.errors import UsageError

CAMERA_SCHEMES = ("rtp", "srt", "tcp", "udp")
WEB_SCHEMES = ("http", "https")
_EITHER_SCHEMES = (*WEB_SCHEMES, "rtmp", "rtmps", "rtsp", "rtsps")  # a camera or a recording


def scheme_of(text: str) -> str | None:
    """The scheme of an address, in small letters; None if that is no address that we know."""
    scheme, colon, _ = text.partition("://")
    is_known = colon and scheme.lower() in (*CAMERA_SCHEMES, *_EITHER_SCHEMES, "file")
    return scheme.lower() if is_known else None


def checked_address(text: str) -> str:
    """Returns an address as decoders take it: its scheme in small letters.

    Raises:
        UsageError: if no address looks like that.
    """
    scheme, _, rest = text.partition("://")
    if not rest or not (text.isascii() or text.isprintable()) or any(c <= " " for c in text):
        raise UsageError(f"source={echo(text)}: must be an address without blanks")
    return f"{scheme.lower()}://{rest}"


def path_of(text: str) -> Path:
    """The path that a `file://` address names.

    Raises:
        UsageError: if it names another machine.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        raise UsageError(f"source={echo(text)}: must be file:///PATH") from None
    if parts.netloc.lower() not in ("", "localhost"):
        raise UsageError(f"source={echo(text)}: must be file:///PATH, of this machine")
    path = text[len("file://") + len(parts.netloc) :]
    return Path(unquote(path, errors="surrogateescape"))


def shown(path: str | Path) -> str:
    """A path as it may stand in a line of text, whatever its name is."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))
