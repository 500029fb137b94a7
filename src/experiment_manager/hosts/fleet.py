"""The hosts of an experiment while it runs: has runs made there, and does without hosts that are lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from ...core.checks import echo
from ...core.errors import RunError, UsageError
from ...live_run.cameras import LiveCamera
from ...reporting.run_folder import describe_host
from ..live import finish_run, zoo_of
from ..matrix import RunConfig
from ..running_all import CannotGoOnError, OnProgress
from .agent import Request
from .agent_call import AgentCall
from .host import Host, Role
from .over_ssh import SshConnection
from .playing import play_run
from .port import Connection, HereConnection, HostError, Share
from .zoo_copies import ZooCopies

DEFAULT_LEASE_S = 20.0
DESCRIBE_LIMIT_S = 60.0
RETURN_LIMIT_S = 120.0
_ASK_AGAIN_S = 5.0


async def connect(host: Host) -> Connection:
    """Makes a host usable.

    Raises:
        HostError: if it cannot be used.
        UsageError: if it needs SSH and that is not there, or a key file cannot be used.
    """
    return HereConnection(host) if host.is_here else await SshConnection.open(host)


def spread_cameras(run: RunConfig, clients: Sequence[Connection]) -> list[Share]:
    """Divides a run's cameras: each to the host that it names, the others in turn."""
    shares: dict[str, list[LiveCamera]] = {client.host.name: [] for client in clients}
    turns = itertools.cycle(shares)
    for one, camera in zip(run.listed, run.cameras(), strict=True):
        shares[one.host or next(turns)].append(camera)
    return [Share(client, cameras) for client in clients if (cameras := shares[client.host.name])]


def _check_named(hosts: Sequence[Host], runs: Sequence[RunConfig]) -> None:
    playing = [host.name for host in hosts if host.role is Role.CLIENTS]
    for run in runs:
        for number, one in enumerate(run.listed):
            if one.host and one.host not in playing:
                raise UsageError(
                    f"--hosts: camera {number} of {run.camera_list} has host {echo(one.host)}: "
                    f"must be one of role clients: {', '.join(playing)}"
                )


class Fleet:
    """The hosts of an experiment, as far as they can be used."""

    def __init__(
        self,
        hosts: Sequence[Host],
        experiment: str,
        console: Console,
        runs: Sequence[RunConfig] = (),
        *,
        lease_s: float = DEFAULT_LEASE_S,
        return_limit_s: float = RETURN_LIMIT_S,
    ) -> None:
        """Connects nothing yet; hosts keep files under the experiment's id, which stays when it is resumed.

        Raises:
            UsageError: if a zoo that the runs need cannot be copied, or a camera names a host that plays none.
        """
        _check_named(hosts, runs)
        self._hosts = tuple(hosts)
        self._experiment = experiment
        self._console = console
        self._lease_s = lease_s
        self._return_limit_s = return_limit_s
        self._connections: dict[str, Connection] = {}
        self._machines: dict[str, dict[str, str]] = {}
        self._zoos = ZooCopies(runs)
        self._kernel_wire_ms = max(
            (one.wire_ms for one in runs if one.shaper == "kernel"), default=None
        )

    @property
    def machine(self) -> dict[str, str]:
        """The machines and releases of all hosts; names begin with the host's."""
        return {
            f"{name}: {fact}": value
            for name, facts in sorted(self._machines.items())
            for fact, value in facts.items()
        }

    async def open(self) -> None:
        """Connects to all hosts, removes what an earlier session left there, and copies zoos to the server's.

        Raises:
            HostError: if a host cannot be used.
            RunError: if zoos cannot be copied.
            UsageError: if the way to it is not complete.
        """
        for host in self._hosts:  # one after the other: two of them may be one machine
            await self._open_host(host)
        there = self._connections.values()
        server = next(one for one in there if one.host.role is Role.SERVER)
        await self._zoos.keep(server, self._request)

    async def close(self) -> None:
        """Gives all hosts up; what still runs there stops itself."""
        await self._zoos.close()
        for name in list(self._connections):
            await self._let_go(name)

    async def make_run(self, run: RunConfig, folder: Path, on_progress: OnProgress) -> list[str]:
        """Makes a run and scores it; as `run_live`, on the hosts.

        Raises:
            CannotGoOnError: if too few hosts are left, and do not come back.
            RunError: if a host is lost meanwhile, or its part of the run fails.
        """
        server, clients = await self._await_enough({one.host for one in run.listed if one.host})
        shares = spread_cameras(run, clients)
        try:
            await self._zoos.keep(server, self._request)
            zoo = self._zoos.there(zoo_of(run))
            reports, status = await play_run(
                run, folder, server, shares, self._request, on_progress, zoo
            )
        except HostError as error:
            self._console.print(f"{error}; it is left out until it is back", markup=False)
            await self._let_go(error.host.name)
            raise
        spread = {
            f"{share.connection.host.name}: plays": ", ".join(
                camera.stream_id for camera in share.cameras
            )
            for share in shares
        }
        machine = {**self.machine, **spread}
        return await asyncio.to_thread(finish_run, run, folder, reports, status, machine)

    def _request(
        self, connection: Connection, action: str, run_id: str = "", **details: object
    ) -> Request:
        return Request(
            action=action,
            root=connection.host.root,
            experiment=self._experiment,
            run=run_id,
            host=connection.host.name,
            lease_s=self._lease_s,
            details=details,
        )

    async def _await_enough(
        self, named: Collection[str]
    ) -> tuple[Connection, Sequence[Connection]]:
        """Asks for lost hosts, for a while if the run, whose cameras name some, cannot be made without them."""
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
            if servers and clients and self._connections.keys() >= set(named):
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
        shapes = host.role is Role.CLIENTS
        request = self._request(
            connection, "describe", kernel_wire_ms=self._kernel_wire_ms if shapes else None
        )
        try:
            async with AgentCall(connection, request) as call:
                told = await call.expect("done", DESCRIBE_LIMIT_S)
        except BaseException as error:
            await connection.close()
            if isinstance(error, RunError) and not isinstance(error, HostError):
                raise HostError(host, str(error).removeprefix(f"{host}: ")) from None
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
