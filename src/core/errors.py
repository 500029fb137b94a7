"""Errors that reach a person.

    MoonjellyError
    +-- UsageError   the request was wrong: option, configuration, file. Exit status 2.
    +-- RunError     the request was right and could not be carried out. Exit status 1.

Values refuse bad input with `ValueError`; whoever knows the option, or file and line, turns that
into a `UsageError`.
"""

from __future__ import annotations

from .addresses import mask_addresses


class MoonjellyError(Exception):
    """Base of the errors whose message is meant for a person; one line, no traceback, no password."""

    exit_status = 1

    def __init__(self, text: str = "") -> None:
        """Takes the message; addresses in it lose what opens the camera."""
        super().__init__(mask_addresses(text))


class UsageError(MoonjellyError):
    """The request was wrong; the message names field, value and rule."""

    exit_status = 2


class RunError(MoonjellyError):
    """The request was right, and carrying it out failed."""
