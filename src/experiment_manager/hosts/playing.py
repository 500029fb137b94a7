"""Plays one run on hosts: a server on one, the cameras on the others."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ...client.connection import check_address
from ...core.addresses import is_loopback
from ...core.records import FrameRecord
from ...files.csv_log import CsvLog, read_records
from ...files.document import Document
from ...live_run.playing import CameraReport
from ...reporting.load import read_load, worst_load, write_load
from ...reporting.run_folder import ANSWERS_FILE, FRAMES_FILE, link_file
from ...server.config_flags import to_arguments
from ..live import server_options, sides_px, zoo_of
from ..matrix import RunConfig
from ..running_all import OnProgress
from .agent import GO, REMOVE, STOP, Request
from .agent_call import AgentCall, MakeRequest
from .host import Host
from .port import Connection, Share

START_LIMIT_S = 150.0  # a server may have to measure a profile
DRAW_LIMIT_RATIO = 10.0  # to what the video takes: a drawn one is encoded first, in 1.3 s of a core for a second of it
MORE_THAN_VIDEO_S = 30.0
T = TypeVar("T")

HOSTS_DIR = "hosts"


async def play_run(
    run: RunConfig,
    folder: Path,
    server: Connection,
    shares: Sequence[Share],
    make_request: MakeRequest,
    on_progress: OnProgress,
    zoo: str | None,
) -> tuple[list[CameraReport], int]:
    """Starts the server, then the cameras; stops the cameras, then the server; fetches their logs.

    The server's host has the run's zoo in the folder `zoo`, if one is given.

    Returns:
        The cameras' reports in the order of the run, and the server's exit status.

    Raises:
        HostError: if a host is lost.
        RunError: if a part of the run fails.
    """
    options = {**server_options(run), "host": server.host.listen}
    if not is_loopback(server.host.listen):
        options["insecure"] = True
    if zoo is not None:
        options["zoo"] = zoo
    request = make_request(server, "serve", run.run_id, arguments=to_arguments(options))
    async with AgentCall(server, request) as serving:
        address = (await serving.expect("ready", START_LIMIT_S))["address"]
        check_address(address)
        async with _plain_errors(), asyncio.TaskGroup() as group:
            stopping = group.create_task(  # ends everything at once if the server's host is lost
                serving.expect(
                    "done",
                    START_LIMIT_S + run.span_s + DRAW_LIMIT_RATIO * run.seconds + MORE_THAN_VIDEO_S,
                ),
                name="watch the server",
            )
            reports = await _play_cameras(run, folder, address, shares, make_request, on_progress)
            await serving.send(STOP)
            stopped = await stopping
        await serving.fetch(stopped["files"], folder)
        await serving.send(REMOVE)
    await asyncio.to_thread(merge_logs, folder, shares)
    return reports, int(stopped["status"] or 0)


async def _play_cameras(
    run: RunConfig,
    folder: Path,
    address: str,
    shares: Sequence[Share],
    make_request: MakeRequest,
    on_progress: OnProgress,
) -> list[CameraReport]:
    """Plays all cameras at the same time, and fetches what their hosts have logged."""
    async with contextlib.AsyncExitStack() as stack:
        calls = [
            await stack.enter_async_context(
                AgentCall(
                    share.connection, _play_request(run, address, number, share, make_request)
                )
            )
            for number, share in enumerate(shares)
        ]
        ready_s = START_LIMIT_S + DRAW_LIMIT_RATIO * run.seconds
        await _all(call.expect("ready", ready_s) for call in calls)
        await _all(call.send(GO) for call in calls)
        limit_s = run.span_s + MORE_THAN_VIDEO_S
        done = await _all(call.expect("done", limit_s, on_progress) for call in calls)
        for call, fields in zip(calls, done, strict=True):
            target = host_folder(folder, call.host)
            target.mkdir(parents=True)
            await call.fetch(fields["files"], target)
            await call.send(REMOVE)
    told = [one for fields in done for one in fields["reports"]]
    reports = Document(None, told).read(tuple[CameraReport, ...])
    order = {camera.stream_id: number for number, camera in enumerate(run.cameras())}
    return sorted(reports, key=lambda report: order[report.info.stream_id])


def _play_request(
    run: RunConfig, address: str, number: int, share: Share, make_request: MakeRequest
) -> Request:
    links = dict(zip((one.stream_id for one in run.cameras()), run.link_texts(), strict=True))
    return make_request(
        share.connection,
        "play",
        run.run_id,
        server=address,
        cameras=[dataclasses.asdict(camera) for camera in share.cameras],
        links=[links[camera.stream_id] for camera in share.cameras],
        shaper=run.shaper,
        video_digests={one.path: one.digest for one in run.videos.values() if one.path},
        sides_px=sides_px(run),
        fit=zoo_of(run).zoo.fit,
        seconds=run.seconds,
        seed=run.start_seed + number,
    )


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Waits for all; the first that fails ends the others."""
    async with _plain_errors(), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


@contextlib.asynccontextmanager
async def _plain_errors() -> AsyncIterator[None]:
    """Takes the error that ended a task group out of it."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


def merge_logs(folder: Path, shares: Sequence[Share]) -> None:
    """Makes one run's logs of those of its client hosts.

    The times of each host count from when its own links began; only durations are compared.
    """
    places = [host_folder(folder, share.connection.host) for share in shares]
    with CsvLog(folder / FRAMES_FILE, FrameRecord) as log:
        for place in places:
            for record in read_records(place / FRAMES_FILE, FrameRecord):
                log.write(record)
    with (folder / ANSWERS_FILE).open("wb") as whole:
        for place in places:
            with (place / ANSWERS_FILE).open("rb") as part:
                shutil.copyfileobj(part, whole)
    for place, share in zip(places, shares, strict=True):
        for camera in share.cameras:
            (place / link_file(camera.stream_id)).replace(folder / link_file(camera.stream_id))
        for name in (FRAMES_FILE, ANSWERS_FILE):
            (place / name).unlink()
    write_load(folder, worst_load(read_load(place) for place in places))


def host_folder(folder: Path, host: Host) -> Path:
    """What a client host has told of a run, in the run's folder."""
    return folder / HOSTS_DIR / host.name
