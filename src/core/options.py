"""Fields of options: each has its default, its line of help and its range in one place."""

from __future__ import annotations

import dataclasses
from typing import Any

from .limits import Range


def option(default: Any, text: str = "", limits: Range | None = None, metavar: str = "") -> Any:  # noqa: ANN401 as `field`
    """A field of a dataclass: its default, line of help, the range of a number, and what stands for it in the help.

    `check_ranges` holds it to the range.
    """
    metadata = {"help": text, "limits": limits, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


def required(limits: Range | None = None) -> Any:  # noqa: ANN401 as `field`
    """A field that has no default."""
    return dataclasses.field(metadata={"limits": limits})


def check_ranges(options: Any) -> None:  # noqa: ANN401 any dataclass
    """Checks every number of a dataclass that has a range; None is what is not said.

    Raises:
        ValueError: naming field, value and rule.
    """
    for item in dataclasses.fields(options):
        limits = item.metadata.get("limits")
        value = getattr(options, item.name)
        if limits is not None and not (value is None and item.default is None):
            limits.require(item.name, value)


def same_options(options: Any, shared: type) -> dict[str, Any]:  # noqa: ANN401 as above
    """The values of those fields that a dataclass has from another one."""
    return {item.name: getattr(options, item.name) for item in dataclasses.fields(shared)}
