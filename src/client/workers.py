"""The threads that keep pictures off the event loop."""

from __future__ import annotations

from .one_thread import OneThread


class Workers:
    """Two threads: one reads ahead, the other resizes and encodes what is about to be sent.

    Apart, because a frame that is to be sent must not wait for pictures that are not due yet.

    Attributes:
        reader: for sources that read at once; others have threads of their own.
        encoder: for resizing and encoding.
    """

    def __init__(self) -> None:
        self.reader = OneThread("moonjelly-read")
        self.encoder = OneThread("moonjelly-encode")

    def close(self) -> None:
        """Ends the threads after what they have been given; does not wait for it."""
        self.reader.shutdown(wait=False)
        self.encoder.shutdown(wait=False)
