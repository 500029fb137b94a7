"""Sources of the user's own that raise whatever can be raised: the stream ends and says so, and nothing hangs."""

from __future__ import annotations

import asyncio

import pytest
from fake_server import FakeServer
from streaming import FLAT, check_account, collect

from moonjelly import client as sdk
from moonjelly.client import ArraySource
from moonjelly.core.errors import RunError

NO_ERRORS = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, BaseException)


class Raising(ArraySource):
    """Raises at its fourth picture, or wherever it is told to."""

    def __init__(self, error, where="read", is_live=False):
        super().__init__([FLAT])
        self.is_live = is_live
        self._error = error
        self._where = where
        self._num_read = 0

    def read(self, index):
        self._num_read += 1
        if self._where == "read" and self._num_read == 4:
            raise self._error
        return super().read(index)

    def close(self):
        if self._where == "close":
            raise self._error


class Encoding(Raising):
    def encode(self, image, side_px, quality, fit):
        raise self._error


async def outcome(source):
    """What the user of a stream gets: the answers, and the error at the end."""
    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream = client.stream(source, fps=50, slo_ms=2000)
        answers, error = [], None
        try:
            async with asyncio.timeout(60):
                await collect(stream, answers)
        except Exception as caught:  # noqa: BLE001 the test looks at it
            error = caught
        check_account(stream, answers)
        return answers, error


@pytest.mark.parametrize("is_live", [False, True])
async def test_a_source_that_raises_stop_iteration_has_ended(is_live):
    answers, error = await outcome(Raising(StopIteration(), is_live=is_live))
    assert error is None
    assert len(answers) >= (1 if is_live else 3)  # a live source is read without pause


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize("kind", NO_ERRORS)
async def test_what_is_no_error_becomes_one(kind, is_live):
    answers, error = await outcome(Raising(kind("lens"), is_live=is_live))
    assert isinstance(error, RunError)
    assert f"the source failed: {kind.__name__}" in str(error)
    assert len(answers) >= (1 if is_live else 3)  # a live source is read without pause


@pytest.mark.parametrize("kind", [ValueError, MemoryError, RecursionError, OSError])
async def test_an_error_of_a_source_reaches_its_user_as_it_is(kind):
    error = kind("lens")
    _, caught = await outcome(Raising(error))
    assert caught is error


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, ValueError, *NO_ERRORS])
async def test_an_encoder_that_raises_ends_the_stream(kind):
    _, error = await outcome(Encoding(kind("ink"), where="encode"))
    assert isinstance(error, (RunError, ValueError))
    assert "ink" in str(error) or "must be bytes" in str(error)


@pytest.mark.parametrize("kind", [StopIteration, ValueError, *NO_ERRORS])
async def test_a_source_that_cannot_be_closed_holds_nothing_up(kind):
    class Few(Raising):
        def read(self, index):
            return FLAT if index < 3 else None

    answers, error = await outcome(Few(kind("jammed"), where="close"))
    assert error is None
    assert 1 <= len(answers) <= 3


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, KeyboardInterrupt])
def test_without_async_it_does_not_hang_either(threaded_server, kind):
    with sdk.connect_sync(threaded_server.address) as client:
        stream = client.stream(Raising(kind()), fps=50, slo_ms=2000)
        answers = []
        try:
            with stream:
                answers.extend(stream)
        except RunError as error:
            assert kind.__name__ in str(error)  # noqa: PT017 StopIteration is the end, without an error
        assert len(answers) >= 3
        with client.stream(ArraySource([FLAT], 3), fps=50, slo_ms=2000) as next_one:
            assert len(list(next_one)) == 3, "the client still works"
