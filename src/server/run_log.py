"""Run logs of the server's processes: a process that is restarted goes on in a file beside."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from ..core.errors import RunError
from ..reporting.csv_log import CsvLog, Record


def open_log(folder: str, name: str, record_class: type[Record]) -> CsvLog[Record] | None:
    """Creates `name.csv`, or `name-2.csv` and so on where that exists; None where none is wanted.

    Raises:
        RunError: if it cannot be created.
    """
    if not folder:
        return None
    for number in itertools.count(1):
        path = Path(folder) / (f"{name}.csv" if number == 1 else f"{name}-{number}.csv")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            return CsvLog(path, record_class)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"out_dir={folder}: {error.strerror}") from error
    return None
