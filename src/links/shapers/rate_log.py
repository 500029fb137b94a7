"""The log of what a link's uplink was set to."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self


class RateLog:
    """Writes the rates of one uplink to `link-NAME.csv`; a full disk does not stop the link."""

    def __init__(self, out_dir: Path, name: str, zero_ms: float) -> None:
        """Creates the file.

        Args:
            out_dir: existing folder.
            name: of the link.
            zero_ms: time of the monotonic clock from which at_ms counts.

        Raises:
            OSError: if it cannot be created.
        """
        self._file = (out_dir / f"link-{name}.csv").open("w", encoding="utf-8")
        self._zero_ms = zero_ms
        self._write("at_ms,rate_kbps\n")

    def __call__(self, now_ms: float, rate_kbps: float) -> None:
        """Notes a rate (1000 bit/s) that was set at a time of the monotonic clock."""
        self._write(f"{now_ms - self._zero_ms:.3f},{rate_kbps:.3f}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()
