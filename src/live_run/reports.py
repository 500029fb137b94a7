"""What came of a camera of a run, as plain data that can travel between machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ..client.emulation import CameraResult
from ..client.errors import Refused
from ..reporting.run_folder import StreamInfo


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What came of a camera.

    Attributes:
        info: the camera as `run.json` describes it.
        is_refused: whether it was not admitted.
        problem: what broke it off; empty if nothing did.
        class_names: of the zoo that answered, by class id.
    """

    info: StreamInfo
    is_refused: bool
    problem: str
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, result: CameraResult, link: str) -> Self:
        """Sums up a camera; `link` tells in words what lay between it and the server."""
        is_refused = isinstance(result.problem, Refused)
        problem = "" if is_refused or result.problem is None else str(result.problem)
        return cls(result.stream_info(link), is_refused, problem, tuple(result.class_names))
