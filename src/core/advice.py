"""What a server tells a client about the sides of its frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SideAdvice:
    """Goes with every answer.

    Attributes:
        side_px: to be sent next, by the server's view of the link; 0 for none.
        served_px: of the variant that runs for the stream, to which larger frames would be reduced; 0 if
            it is not known, or nothing runs.
    """

    side_px: int = 0
    served_px: int = 0


NO_ADVICE = SideAdvice()
