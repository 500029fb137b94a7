"""Runs a zoo's networks on a device of this machine, whatever library runs them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from ...core.answers import Answer, Detections
from ...core.errors import RunError
from ...core.zoo import Fit
from ...vision.fits import Fitted, in_picture
from .input_ring import InputRing, Prepared
from .port import DeviceLostError
from .session import Array, DeviceMemoryError, Outputs, Session, in_one_line

DECODED_BATCHES = 2  # decoded ahead, beside those under way

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Input:
    """A picture that waits to be run.

    Attributes:
        prepared: its row, as sessions of one kind take it.
        kind: the kind.
        fitted: the picture and whence its boxes come.
    """

    prepared: Prepared
    kind: Hashable
    fitted: Fitted


@dataclass(frozen=True, slots=True)
class _Running:
    """A batch under way: what the network gives, which input each row is of, and the inputs, which must stay as long."""

    session: Session
    parts: list[Outputs]
    order: list[int]
    inputs: Sequence[_Input]


class LocalExecutor:
    """The networks of a zoo on one device."""

    needs_pictures = True

    def __init__(self, open_session: Callable[[str], Session], fit: Fit, depth: int = 1) -> None:
        """Loads nothing yet; a session is opened for each variant by its name.

        More than one batch may be under way where sessions only begin a batch when they are told to infer.
        """
        self.fit = fit
        self.depth = depth
        self._open = open_session
        self._loaded: dict[str, Session] = {}
        self._rings: dict[tuple[int, Hashable], InputRing] = {}
        self._kinds: dict[int, Hashable] = {}  # by side, of the variant that ran last

    def load(self, variant: str, max_batch_size: int) -> None:
        """Opens a variant's session and runs it on blank pictures."""
        if variant in self._loaded:
            return
        start_s = time.monotonic()
        try:
            session = self._open(variant)
            self._make_ring(session, max_batch_size)
            session.warm_up(max_batch_size)
        except (RunError, DeviceLostError):
            raise
        except Exception as error:  # whatever a library fails with
            raise RunError(f"variant {variant} cannot be loaded: {in_one_line(error)}") from error
        self._loaded[variant] = session
        _log.debug("loaded %s in %.0f ms", variant, 1000 * (time.monotonic() - start_s))

    def _make_ring(self, session: Session, max_batch_size: int) -> None:
        """Makes room for the batches under way and those that wait."""
        key = (session.side_px, session.input_kind)
        if key not in self._rings:
            number = (self.depth + DECODED_BATCHES) * max_batch_size
            self._rings[key] = InputRing(number, session.places, session.write)
            self._kinds.setdefault(session.side_px, session.input_kind)

    def unload(self, variant: str) -> None:
        """Drops a variant; weights stay for the network's other sides as long as one is loaded."""
        self._loaded.pop(variant, None)

    def prepare(self, fitted: Fitted) -> _Input:
        """Writes a picture to where networks of its side can read it, as the one that ran last does."""
        side_px = len(fitted.picture)
        return self._put(fitted, self._kinds[side_px])

    def _put(self, fitted: Fitted, kind: Hashable) -> _Input:
        return _Input(self._rings[len(fitted.picture), kind].put(fitted.picture), kind, fitted)

    def start(self, variant: str, inputs: Sequence[_Input]) -> _Running:
        """Runs the network, on a CPU here and now; in two halves if the device is short of memory."""
        session = self._loaded[variant]
        side_px, kind = session.side_px, session.input_kind
        self._kinds[side_px] = kind
        fit = [one if one.kind == kind else self._put(one.fitted, kind) for one in inputs]
        batch, order = self._rings[side_px, kind].gather([one.prepared for one in fit])
        return _Running(session, _infer_within_memory(session, batch), order, fit)

    def finish(self, running: _Running) -> list[Answer]:
        """Selects what was found; boxes are fractions of the pictures that were sent."""
        found = [one for part in running.parts for one in running.session.answers(part)]
        return [
            self._undo(found[running.order.index(k)], one.fitted)
            for k, one in enumerate(running.inputs)
        ]

    def _undo(self, found: Answer, fitted: Fitted) -> Answer:
        if not isinstance(found, Detections):
            return found
        return in_picture(found, fitted.source_size_px, len(fitted.picture), self.fit)


def _infer_within_memory(session: Session, batch: Array) -> list[Outputs]:
    try:
        return [session.infer(batch)]
    except DeviceMemoryError:
        half = len(batch) // 2
        if half == 0:
            raise
        _log.warning("out of memory with %d frames; running them in two halves", len(batch))
    return [session.infer(part) for part in (batch[:half], batch[half:])]
