"""Links that the kernel shapes: a network namespace and veth pairs for each client; needs root."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

from ...core.errors import RunError, UsageError
from .claims import claim, sweep
from .link import FaultKind, LinkConfig, LinkSchedule, Way
from .namespaces import (
    FAR_DEVICE,
    MAX_LINKS,
    NEAR_DEVICE,
    NUM_BLOCKS,
    LinkPlace,
    build,
    enter_command,
    listener_in,
    remove,
    run_in,
    run_ip,
    server_namespace_of,
)
from .relay import Link
from .replay import OnUplinkRate, Replay, Shaper
from .traffic_control import HandOver, delay_line, root_rate_line, set_now, traffic_control

_SERVER_OPTIONS = ("--host", "0.0.0.0", "--insecure")  # noqa: S104 in a namespace of its own
_TOOLS = ("ip", "tc", "ss", "nsenter", "sysctl")
_DEVICES = {Way.UP: FAR_DEVICE, Way.DOWN: NEAR_DEVICE}  # of the router: where each way leaves it


@contextlib.contextmanager
def kernel_shaper(names: Sequence[str], *, leads_out: bool = False) -> Iterator[Shaper]:
    """Builds a laboratory for links of these names, and removes it at the end.

    If it leads out, the server runs outside of it, on another machine for example: where it would be, each connection is
    passed on to it, as fast as it comes.

    Raises:
        UsageError: if there are no links or too many, or this process may not make namespaces.
        RunError: if a tool is missing, or the kernel refuses.
    """
    if not 1 <= len(names) <= MAX_LINKS:
        raise UsageError(f"links={len(names)}: the kernel shaper takes 1 to {MAX_LINKS}")
    if os.geteuid() != 0:
        raise UsageError("shaper=kernel: needs root, to make network namespaces; or take the relay")
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise RunError(f"shaper=kernel: not installed: {', '.join(missing)}")
    with claim(NUM_BLOCKS, remove) as claimed:
        places = [LinkPlace(claimed.run_id, claimed.block, n) for n in range(len(names))]
        build(places)
        place_of = dict(zip(names, places, strict=True))
        open_link = _link_out if leads_out else _kernel_link
        yield Shaper(
            enter_command(server_namespace_of(claimed.run_id)),
            _SERVER_OPTIONS,
            lambda config, on_rate: open_link(config, place_of[config.name], on_rate),
        )


def remove_dead() -> None:
    """Removes the laboratories whose processes were killed, and nothing else; RunError if that fails."""
    if os.geteuid() == 0:  # only root makes them
        sweep(remove)


@contextlib.asynccontextmanager
async def _link_out(
    config: LinkConfig, place: LinkPlace, on_uplink_rate: OnUplinkRate
) -> AsyncIterator[KernelLink]:
    """Runs a link to a server outside of the laboratory."""
    far_end = (place.server_address, config.server_address[1])
    listener = listener_in(server_namespace_of(place.run_id), far_end)
    async with (
        Link(LinkConfig(config.name, config.server), listener=listener),
        _kernel_link(config, place, on_uplink_rate) as link,
    ):
        yield link


@contextlib.asynccontextmanager
async def _kernel_link(
    config: LinkConfig, place: LinkPlace, on_uplink_rate: OnUplinkRate
) -> AsyncIterator[KernelLink]:
    """Runs a link, its traces and its faults."""
    link = KernelLink(config, place, on_uplink_rate)
    if config.wire_ms or config.jitter_ms:
        link.add_delay()
    replay = Replay(LinkSchedule.of(config), link)
    replay.start()
    with traffic_control(place.namespace) as link.hand_over:
        replaying = asyncio.create_task(replay.run(), name=f"link {config.name} replay")
        try:
            yield link
        finally:
            replaying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await replaying


class KernelLink:
    """A link through a router of its own.

    An outage loses what is sent and what is queued: after it, TCP sends again when its timer says so.

    Attributes:
        hand_over: carries out lines of `tc`; at first at once, before anybody connects.
    """

    def __init__(self, config: LinkConfig, place: LinkPlace, on_uplink_rate: OnUplinkRate) -> None:
        self.config = config
        self.place = place
        self._on_uplink_rate = on_uplink_rate
        self.hand_over: HandOver = partial(set_now, namespace=place.namespace)

    @property
    def address(self) -> str:
        """HOST:PORT where the link's client finds the server."""
        return f"{self.place.server_address}:{self.config.server_address[1]}"

    def set_rate_kbps(self, way: Way, rate_kbps: float) -> None:
        """Sets the rate of one way or both (1000 bit/s) until the trace changes; 0 is an outage."""
        ways = (Way.UP, Way.DOWN) if way is Way.BOTH else (way,)
        lines = [root_rate_line(_DEVICES[one], rate_kbps) for one in ways]
        self.hand_over(lines)
        if Way.UP in ways:
            self._on_uplink_rate(time.monotonic_ns() / 1e6, rate_kbps)

    async def break_connections(self, kind: FaultKind) -> None:
        """Resets the connections that there are, or leaves them half-open; RunError if the kernel refuses."""
        if kind is FaultKind.RESET:
            await asyncio.to_thread(self._server_sockets, "--kill")
        else:
            await asyncio.to_thread(self._leave_half_open)

    def _leave_half_open(self) -> None:
        ports = re.findall(rf"{re.escape(self.place.client_address)}:(\d+)", self._server_sockets())
        rules = [
            f"rule add blackhole ipproto tcp {end} {port}"
            for port in ports
            for end in ("sport", "dport")
        ]
        if rules:
            run_ip(rules, self.place.namespace)

    def _server_sockets(self, *more: str) -> str:
        """The server's connections over this link, as `ss` lists them."""
        server_namespace = server_namespace_of(self.place.run_id)
        wanted = ["dst", self.place.client_address]
        return run_in(server_namespace, ["ss", "-tnH", *more, "state", "connected", *wanted])

    def add_delay(self) -> None:
        """Delays what both ends send; UsageError if this kernel cannot."""
        ends = (
            (None, self.place.client_device),
            (server_namespace_of(self.place.run_id), self.place.server_device),
        )
        try:
            for namespace, device in ends:
                set_now([delay_line(device, self.config.wire_ms, self.config.jitter_ms)], namespace)
        except RunError as error:
            raise UsageError(
                f"{self.config.name}: wire_ms={self.config.wire_ms:g}, "
                f"jitter_ms={self.config.jitter_ms:g}: must be 0 with shaper=kernel where the kernel "
                f"has no netem, or take the relay ({error})"
            ) from None
