"""Checks of single values; every message names the field, the value and the rule."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import TypeGuard

from .addresses import mask_address

ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
ECHO_LIMIT = 64
PLAIN_LIMIT = 512
LARGEST = sys.float_info.max  # finite


def plain(text: str) -> str:
    """Returns a stranger's words as they may stand in one line for people: printable, at most 512 characters."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= PLAIN_LIMIT else line[: PLAIN_LIMIT - 3] + "..."


def echo(value: object) -> str:
    """Returns at most 64 escaped characters of a value that a stranger sent; an address loses its secrets before."""
    if isinstance(value, str):
        value = mask_address(value)
    try:
        text = ascii(value)
    except Exception:  # noqa: BLE001 whatever its repr raises; that of a huge number is a ValueError
        text = f"a {type(value).__name__}"
    if "\n" in text:
        text = " ".join(text.split())
    return text if len(text) <= ECHO_LIMIT else text[: ECHO_LIMIT - 3] + "..."


def require_positive(field: str, value: float, most: float = LARGEST) -> float:
    """Returns `value` if it is finite and in (0, most].

    Raises:
        ValueError: naming field, value and range.
    """
    if type(value) is float and 0.0 < value <= most:
        return value  # as a rule, and for every frame
    if not (is_number(value) and 0 < value <= most):
        limit = f"at most {most:g}" if most < LARGEST else "finite"
        raise ValueError(f"{field}={echo(value)}: must be a number above 0 and {limit}")
    return value


def require_not_negative(field: str, value: float, most: float = LARGEST) -> float:
    """Returns `value` if it is finite and in [0, most].

    Raises:
        ValueError: naming field, value and range.
    """
    if type(value) is float and 0.0 <= value <= most:
        return value  # as above
    if not (is_number(value) and 0 <= value <= most):
        limit = f"at most {most:g}" if most < LARGEST else "finite"
        raise ValueError(f"{field}={echo(value)}: must be a number of at least 0 and {limit}")
    return value


def require_count(field: str, value: int, most: float = LARGEST) -> int:
    """Returns `value` if it is a whole number in [1, most].

    Raises:
        ValueError: naming field, value and range.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not (is_whole and 1 <= value <= most):
        limit = f" and at most {most:g}" if most < LARGEST else ""
        raise ValueError(f"{field}={echo(value)}: must be a whole number of at least 1{limit}")
    return value


def require_flag(field: str, value: bool) -> bool:
    """Returns `value` if it is True or False.

    Raises:
        ValueError: naming field and value.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{field}={echo(value)}: must be True or False")  # noqa: TRY004 as all here
    return value


def is_number(value: object) -> TypeGuard[float]:
    """Whether that is a number; True and False are none."""
    if type(value) is float:  # as nearly all are
        return True
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def require_id(field: str, value: str) -> str:
    """Returns `value` if it is 1 to 64 characters of `[A-Za-z0-9._-]`, not all dots.

    Raises:
        ValueError: naming field, value and rule.
    """
    if not (isinstance(value, str) and _is_id(value)):
        raise ValueError(f"{field}={echo(value)}: must be 1 to 64 characters of [A-Za-z0-9._-]")
    return value


@lru_cache(maxsize=4096)  # the same streams and devices come by for every frame and plan
def _is_id(value: str) -> bool:
    return ID_PATTERN.fullmatch(value) is not None and value.strip(".") != ""
