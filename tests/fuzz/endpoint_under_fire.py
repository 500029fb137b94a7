"""A real endpoint in this process, with peers that behave, for fuzz targets that shoot at it."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from moonjelly.protos import serving_pb2

MOST_LINES_A_SHOT = 30


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
        if record.levelno >= logging.ERROR:
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
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self._loop_errors.append(str(context))
        )
        self.harness = harness_module.Harness(harness_module.make_config(max_sessions=64))
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
        assert self.harness.endpoint.dispatcher.num_held == 0
        assert self._log.errors == []
        assert self._loop_errors == []
        assert self._log.num_lines <= MOST_LINES_A_SHOT
        await self.harness.channels.aclose()

    async def _serves_an_honest_camera(self) -> None:
        client = await self.harness.stream("honest")
        result = await client.result_of(self.harness.frame(0))
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
                logger.removeHandler(under_fire._log)
                logger.setLevel(level)
