"""Addresses as they may stand in files, logs and messages: without what opens the camera.

Hidden are the user and password in front of the host, and in what follows the host the values of all parameters but
a few that are known to be harmless. Where it is not clear where a password ends, too much is hidden rather than too
little. A secret that is a plain part of the path cannot be told from other parts, and stays.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,3}")
_BARE_USER = re.compile(r"[^\s@:/'\"=]+:[^\s@]*@")
_MAY_HIDE = re.compile(r"[=?#]")
_PARTS = re.compile(r"([?&;/#])")
_HARMLESS_NAMES = frozenset((
    "audio", "camera", "ch", "chan", "channel", "codec", "compression", "fps", "framerate", "height", "inst",
    "linktype", "mode", "profile", "quality", "resolution", "stream", "streamtype", "subtype",
    "transportmode", "unicast", "video", "width",
))  # fmt: skip
_HARMLESS_VALUE = re.compile(
    r"\d{1,5}(x\d{1,5}|p)?(\.sdp)?|main|sub|low|high|h26[45]|mjpe?g|tcp|udp|unicast|multicast|on|off|yes|no",
    re.IGNORECASE,
)


def mask_address(text: str) -> str:
    """Returns an address, or what else names a source, without secrets; masked once more it stays the same."""
    scheme = _SCHEME.match(text.lstrip())
    if scheme is not None:
        return scheme[0] + _mask_rest(text.lstrip()[scheme.end() :])
    user, at, rest = text.rpartition("@")
    if at and ":" in user:
        return f"{HIDDEN}@{_mask_parameters(rest)}"
    path, mark, query = text.partition("?")
    return path + _mask_parameters(mark + query) if "=" in query else text


def mask_addresses(text: str) -> str:
    """Returns words for people without the secrets of the addresses that they hold."""
    if not ("@" in text or (":/" in text and _MAY_HIDE.search(text))):
        return text
    starts = [found.start() for found in _SCHEME.finditer(text)]
    if not starts:
        return _BARE_USER.sub(f"{HIDDEN}@", text)
    masked = [_BARE_USER.sub(f"{HIDDEN}@", text[: starts[0]])]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        scheme = _SCHEME.match(text, start)
        rest = text[start:end] if scheme is None else text[scheme.end() : end]
        user, at, rest = rest.rpartition("@")  # with blanks, if there are some in the password
        address, blank, words = _cut(rest if at else user + rest)
        masked += ["" if scheme is None else scheme[0], HIDDEN + "@" if at else ""]
        masked += [_mask_parameters(address), blank, words]
    return "".join(masked)


def _mask_rest(rest: str) -> str:
    """Masks what follows the scheme."""
    _, at, rest = rest.rpartition("@")
    return (HIDDEN + "@" if at else "") + _mask_parameters(rest)


def _mask_parameters(rest: str) -> str:
    """Masks what follows user and password: host, path, parameters."""
    is_query = False
    masked = []
    for part in _PARTS.split(rest):
        name, equals, value = part.partition("=")
        if _PARTS.fullmatch(part):
            is_query = is_query or part in "?#&"
            masked.append(part)
        elif equals:
            is_harmless = unquote(name).lower() in _HARMLESS_NAMES
            is_harmless = is_harmless and _HARMLESS_VALUE.fullmatch(value) is not None
            masked.append(part if is_harmless or not value else f"{name}={HIDDEN}")
        else:
            masked.append(HIDDEN if is_query and part else part)
    return "".join(masked)


def _cut(text: str) -> tuple[str, str, str]:
    """Cuts an address from the words that follow it, and from the marks between."""
    end = re.search(r"[:,.)'\"\]]*(\s|$)", text)
    if end is None:
        return text, "", ""
    return text[: end.start()], text[end.start() : end.end()], text[end.end() :]


def is_loopback(host: str) -> bool:
    """Whether only its own machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
