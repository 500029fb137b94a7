"""The hosts of an experiment while it runs: makes each run there, and does without hosts that are lost."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from ...client.connection import check_address
from ...core.errors import RunError
from ...core.records import FrameRecord
from ...files.csv_log import CsvLog, read_records
from ...live_run.cameras import LiveCamera
from ...live_run.load import read_load, worst_load, write_load
from ...live_run.reports import CameraReport
from ...reporting.run_folder import DETECTIONS_FILE, FRAMES_FILE, describe_host, link_file
from ...server.config_flags import to_arguments
from ..campaign import CannotGoOnError, OnProgress
from ..finishing import Played, finish_run, server_options, sides_px
from ..matrix import RunConfig
from .agent import GO, REMOVE, STOP, Request
from .connection import AgentCall, Connection, HostError, connect
from .host import Host, Role, is_loopback

HOSTS_DIR = "hosts"  # in a run's folder: what is told by each client host
DEFAULT_LEASE_S = 20.0
DESCRIBE_LIMIT_S = 60.0
START_LIMIT_S = 150.0  # a server may have to measure a profile
STOP_LIMIT_S = 30.0
MORE_THAN_VIDEO_S = 30.0
RETURN_LIMIT_S = 120.0
_ASK_AGAIN_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """The cameras of a run that one host plays."""

    connection: Connection
    cameras: Sequence[LiveCamera]


class HostsSession:
    """Connections to all hosts of an experiment. An asynchronous context manager."""

    def __init__(
        self,
        hosts: Sequence[Host],
        experiment: str,
        console: Console,
        *,
        lease_s: float = DEFAULT_LEASE_S,
        return_limit_s: float = RETURN_LIMIT_S,
    ) -> None:
        """Prepares the session.

        Args:
            hosts: one server, and at least one for cameras.
            experiment: id under which hosts keep its files; the same when it is resumed.
            console: for a line when a host is lost, or is back.
            lease_s: how long an agent works without a word from here.
            return_limit_s: how long to wait for hosts without which no run can be made.
        """
        self._hosts = tuple(hosts)
        self._experiment = experiment
        self._console = console
        self._lease_s = lease_s
        self._return_limit_s = return_limit_s
        self._connections: dict[str, Connection] = {}
        self._machines: dict[str, dict[str, str]] = {}

    @property
    def machine(self) -> dict[str, str]:
        """The machines and releases of all hosts; names begin with the host's."""
        return {
            f"{name}: {fact}": value
            for name, facts in sorted(self._machines.items())
            for fact, value in facts.items()
        }

    async def open(self) -> None:
        """Connects to all hosts, and removes what an earlier session left there.

        Raises:
            HostError: if a host cannot be used.
            UsageError: if the way to it is not complete.
        """
        for host in self._hosts:  # one after the other: two of them may be one machine
            await self._open_host(host)

    async def close(self) -> None:
        """Gives all hosts up; what still runs there stops itself."""
        for name in list(self._connections):
            await self._let_go(name)

    async def make_run(self, run: RunConfig, folder: Path, on_progress: OnProgress) -> list[str]:
        """Makes a run and scores it; as `run_live`, on the hosts.

        Raises:
            CannotGoOnError: if too few hosts are left, and do not come back.
            RunError: if a host is lost meanwhile, or its part of the run fails.
        """
        server, shares = await self._divide(run.cameras())
        try:
            played = await self._play(run, folder, server, shares, on_progress)
        except HostError as error:
            self._console.print(f"{error}; it is left out until it is back", markup=False)
            await self._let_go(error.host.name)
            raise
        return await asyncio.to_thread(finish_run, run, folder, played)

    async def _play(
        self,
        run: RunConfig,
        folder: Path,
        server: Connection,
        shares: Sequence[Share],
        on_progress: OnProgress,
    ) -> Played:
        """Starts the server, then the cameras; stops the cameras, then the server."""
        options = {**server_options(run), "host": server.host.listen}
        if not is_loopback(server.host.listen):
            options["insecure"] = True
        request = self._request(server, "serve", run, arguments=to_arguments(options))
        async with AgentCall(server, request) as serving:
            address = (await serving.expect("ready", START_LIMIT_S))["address"]
            check_address(address)
            async with _plain_errors(), asyncio.TaskGroup() as group:
                stopping = (
                    group.create_task(  # ends everything at once if the server's host is lost
                        serving.expect("done", START_LIMIT_S + run.seconds + MORE_THAN_VIDEO_S),
                        name="watch the server",
                    )
                )
                reports = await self._play_cameras(run, folder, address, shares, on_progress)
                await serving.send(STOP)
                stopped = await stopping
            await serving.fetch(stopped["files"], folder)
            await serving.send(REMOVE)
        await asyncio.to_thread(_merge, folder, shares)
        spread = {
            f"{share.connection.host.name}: plays": ", ".join(
                camera.stream_id for camera in share.cameras
            )
            for share in shares
        }
        return Played(reports, int(stopped["status"] or 0), {**self.machine, **spread})

    async def _play_cameras(
        self,
        run: RunConfig,
        folder: Path,
        address: str,
        shares: Sequence[Share],
        on_progress: OnProgress,
    ) -> list[CameraReport]:
        """Plays all cameras at the same time, and fetches what their hosts have logged."""
        async with contextlib.AsyncExitStack() as stack:
            calls = [
                await stack.enter_async_context(self._play_call(run, address, number, share))
                for number, share in enumerate(shares)
            ]
            await _all(call.expect("ready", START_LIMIT_S) for call in calls)
            await _all(call.send(GO) for call in calls)
            limit_s = run.seconds + MORE_THAN_VIDEO_S
            done = await _all(call.expect("done", limit_s, on_progress) for call in calls)
            for call, fields in zip(calls, done, strict=True):
                target = folder / HOSTS_DIR / call.host.name
                target.mkdir(parents=True)
                await call.fetch(fields["files"], target)
                await call.send(REMOVE)
        reports = [CameraReport.from_json(one) for fields in done for one in fields["reports"]]
        order = {camera.stream_id: number for number, camera in enumerate(run.cameras())}
        return sorted(reports, key=lambda report: order[report.info.stream_id])

    def _play_call(self, run: RunConfig, address: str, number: int, share: Share) -> AgentCall:
        request = self._request(
            share.connection,
            "play",
            run,
            server=address,
            cameras=[dataclasses.asdict(camera) for camera in share.cameras],
            links=[run.link_text(camera) for camera in share.cameras],
            sides_px=sides_px(run),
            seconds=run.seconds,
            seed=run.start_seed + number,
        )
        return AgentCall(share.connection, request)

    def _request(
        self, connection: Connection, action: str, run: RunConfig | None = None, **details: object
    ) -> Request:
        return Request(
            action=action,
            root=connection.host.root,
            experiment=self._experiment,
            run="" if run is None else run.run_id,
            host="" if run is None else connection.host.name,
            lease_s=self._lease_s,
            details=details,
        )

    async def _divide(self, cameras: Sequence[LiveCamera]) -> tuple[Connection, Sequence[Share]]:
        """The server, and the cameras in turn over the hosts that are there."""
        server, clients = await self._await_enough()
        return server, [
            Share(client, cameras[number :: len(clients)])
            for number, client in enumerate(clients)
            if number < len(cameras)
        ]

    async def _await_enough(self) -> tuple[Connection, Sequence[Connection]]:
        """Asks for lost hosts, for a while if no run can be made without them."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._return_limit_s
        while True:
            problems = await self._ask_lost_hosts()
            there = list(self._connections.values())
            servers = [one for one in there if one.host.role is Role.SERVER]
            # in the order of the file, so that runs divide their cameras alike
            clients = [
                self._connections[host.name]
                for host in self._hosts
                if host.role is Role.CLIENTS and host.name in self._connections
            ]
            if servers and clients:
                return servers[0], clients
            if loop.time() >= end_s:
                raise CannotGoOnError(
                    f"{'; '.join(problems)}; the same command goes on when it is back"
                )
            await asyncio.sleep(min(_ASK_AGAIN_S, max(0.0, end_s - loop.time())))

    async def _ask_lost_hosts(self) -> list[str]:
        problems: list[str] = []
        for name, connection in list(self._connections.items()):
            if not connection.is_open:
                await self._let_go(name)
        for host in self._hosts:
            if host.name in self._connections:
                continue
            try:
                await self._open_host(host)
                self._console.print(f"{host} is back", markup=False)
            except HostError as error:
                problems.append(str(error))
        return problems

    async def _open_host(self, host: Host) -> None:
        connection = await connect(host)
        try:
            async with AgentCall(connection, self._request(connection, "describe")) as call:
                told = await call.expect("done", DESCRIBE_LIMIT_S)
        except BaseException as error:
            await connection.close()
            if isinstance(error, RunError) and not isinstance(error, HostError):
                raise HostError(host, str(error)) from None
            raise
        machine = dict(told["machine"])
        own = describe_host()["moonjelly"]
        if machine.get("moonjelly") != own:
            await connection.close()
            raise HostError(host, f"has release {machine.get('moonjelly')}, this machine {own}")
        self._machines[host.name] = machine
        self._connections[host.name] = connection
        if told["num_ended"]:
            self._console.print(
                f"{host}: ended {told['num_ended']} processes of an earlier session", markup=False
            )

    async def _let_go(self, name: str) -> None:
        connection = self._connections.pop(name, None)
        if connection is not None:
            await connection.close()


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


def _merge(folder: Path, shares: Sequence[Share]) -> None:
    """Makes one run's logs of those of its client hosts.

    The times of each host count from when its own links began; only durations are compared.
    """
    places = [folder / HOSTS_DIR / share.connection.host.name for share in shares]
    with CsvLog(folder / FRAMES_FILE, FrameRecord) as log:
        for place in places:
            for record in read_records(place / FRAMES_FILE, FrameRecord):
                log.write(record)
    with (folder / DETECTIONS_FILE).open("wb") as whole:
        for place in places:
            with (place / DETECTIONS_FILE).open("rb") as part:
                shutil.copyfileobj(part, whole)
    for place, share in zip(places, shares, strict=True):
        for camera in share.cameras:
            (place / link_file(camera.stream_id)).replace(folder / link_file(camera.stream_id))
        for name in (FRAMES_FILE, DETECTIONS_FILE):
            (place / name).unlink()
    write_load(folder, worst_load(read_load(place) for place in places))
