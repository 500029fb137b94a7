"""A real endpoint in this process, with peers that behave, for fuzz targets that shoot at it."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc

from moonjelly.protos import serving_pb2

SOURCES = Path(__file__).parents[2] / "src"
MOST_LINES_A_SHOT = 30
REOPENING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def _harness_module() -> ModuleType:
    path = Path(__file__).parents[1] / "server" / "endpoint" / "conftest.py"
    spec = importlib.util.spec_from_file_location("endpoint_harness", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


harness_module = _harness_module()


class _Counter(logging.Handler):
    """Counts what is logged, and keeps what went wrong inside."""

    def __init__(self) -> None:
        super().__init__()
        self.num_lines = 0
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.num_lines += 1
        if record.levelno >= logging.ERROR and record.name.startswith("moonjelly"):
            self.errors.append(self.format(record))


class EndpointUnderFire:
    """Runs shots at the endpoint, and holds it to what it promises after each.

    Attributes:
        harness: the endpoint and its peers.
    """

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._log = _Counter()
        self._loop_errors: list[str] = []
        self.harness: Any = None

    async def _start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        self.harness = harness_module.Harness(
            harness_module.make_config(max_sessions=64, address_registers_per_s=1e6)
        )
        await self.harness.start()

    def shoot(self, shot: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Runs one shot, then looks whether everything is as before."""
        self._runner.run(self._shoot(shot))

    async def _shoot(self, shot: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        self._log.num_lines = 0
        async with asyncio.timeout(60):
            await shot(self.harness)
            await self._serves_an_honest_camera()
            await self.harness.until(lambda: len(self.harness.endpoint.sessions) == 0)
        assert self.harness.num_free_slots == self.harness.config.frame_slots
        assert self.harness.endpoint.core.num_held == 0
        assert not self._log.errors, self._log.errors
        assert not self._loop_errors, self._loop_errors
        assert self._log.num_lines <= MOST_LINES_A_SHOT
        await self.harness.channels.aclose()

    def _on_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keeps what went wrong in code of ours; what ends a task of the library is logged, and mended."""
        error = context.get("exception")
        frames = traceback.extract_tb(error.__traceback__) if error is not None else ()
        if error is None or any(str(SOURCES) in frame.filename for frame in frames):
            self._loop_errors.append(str(context))

    async def _serves_an_honest_camera(self) -> None:
        """Asks again while the port is being opened anew."""
        while True:
            try:
                client = await self.harness.stream("honest")
                result = await client.result_of(self.harness.frame(0))
                break
            except asyncio.InvalidStateError:  # its call is over
                pass
            except grpc.aio.AioRpcError as error:
                if error.code() not in REOPENING:
                    raise
            await asyncio.sleep(0.05)
        assert result.verdict == serving_pb2.ANSWERED
        await client.goodbye()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[EndpointUnderFire]:
        """An endpoint from its start to its end."""
        with asyncio.Runner() as runner:
            under_fire = cls(runner)
            logger = logging.getLogger()
            level = logger.level
            logger.addHandler(under_fire._log)
            logger.setLevel(logging.INFO)
            try:
                runner.run(under_fire._start())
                yield under_fire
                runner.run(under_fire.harness.stop())
            finally:
                under_fire.harness = None  # hypothesis remembers the check, and the check us
                logger.removeHandler(under_fire._log)
                logger.setLevel(level)
