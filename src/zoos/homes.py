"""Where this user's files go."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path


def user_folder(variable: str, below_home: str) -> Path | None:
    """The folder that a variable of the XDG specification names, or its place below the home; None if there is neither."""
    named, home = os.environ.get(variable, ""), os.environ.get("HOME", "")
    if Path(named).is_absolute():  # else it has to be ignored, says the specification
        return Path(named)
    if not home:
        with suppress(KeyError):  # nobody knows this user
            home = pwd.getpwuid(os.geteuid()).pw_dir
    return Path(home) / below_home if Path(home).is_absolute() and Path(home).is_dir() else None
