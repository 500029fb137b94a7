"""Every option of the server: one frozen value, checked, with each default written once."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Annotated, Self

from ..core.addresses import is_loopback
from ..core.checks import echo, require_id
from ..core.limits import Range
from ..core.options import option
from ..devices.config import DeviceConfig
from ..devices.discovery import parse_devices
from ..files.document import ReadBy
from ..scheduling.serving_options import ServingOptions
from ..zoos import AUTO, is_folder

HOST_PATTERN = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
KIB = 1024
MESSAGE_LIMIT_BYTES = 4 * KIB * KIB
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(ServingOptions):
    """The server's options.

    Raises:
        ValueError: naming option, value and rule.
    """

    host: str = option(
        "127.0.0.1", "address to listen on; other than loopback needs TLS and tenants, or insecure"
    )
    port: int = option(10001, "port to listen on; 0 takes a free one", Range(0, 65535))
    insecure: bool = option(
        False, "allow a host that others can reach without TLS, or without tenants"
    )
    tls_certificate: str = option(
        "", "certificate of this server, in PEM; read again when it changes", metavar="FILE"
    )
    tls_key: str = option("", "its key, in PEM", metavar="FILE")
    tls_client_ca: str = option(
        "",
        "certificates that may vouch for those of clients, in PEM; clients need one then",
        metavar="FILE",
    )
    tenants: str = option(
        "", "who may stream, each with a token; read again at SIGHUP", metavar="FILE"
    )
    endpoints: int = option(1, "endpoint processes that share the port", Range(1, 64))
    zoo: str = option(
        AUTO,
        "what to serve: a zoo, its folder, or auto: traffic, in int8 where the processor is good at that",
        metavar="NAME|FOLDER",
    )
    variants: tuple[str, ...] = option((), "serve only these variants of the zoo; none for all")
    devices: Annotated[
        tuple[DeviceConfig, ...], ReadBy(parse_devices, tuple[str, ...], takes_one=True)
    ] = option(
        (),
        "devices, each cpu:CORES, cuda:GPU or replayed:PROFILE[@SLOWDOWN]; none for what is found",
        metavar="DEVICE",
    )
    seed: int = option(0, "seed of the planner", Range(0, 2**63 - 1))
    decode_threads: int = option(2, "threads per device that decode frames", Range(1, 64))
    frame_slots: int = option(
        64,
        "frames in the shared memory of an endpoint; each takes max_frame_bytes, reserved",
        Range(2, 4096),
    )
    max_frame_bytes: int = option(
        2 * KIB * KIB, "largest encoded frame", Range(4 * KIB, MESSAGE_LIMIT_BYTES - 64 * KIB)
    )
    max_sessions: int = option(1024, "streams per endpoint", Range(1, 100_000))
    max_connections: int = option(
        1280, "connections per endpoint, with or without calls on them", Range(16, 100_000)
    )
    connection_idle_ms: float = option(
        60_000.0, "how long a connection may be without calls", Range(1000, 86_400_000)
    )
    session_idle_ms: float = option(
        60_000.0,
        "how long a stream may send no frame, but for ten of its periods",
        Range(1000, 86_400_000),
    )
    address_connections: int = option(
        1024, "connections with calls, of one address and tenant at an endpoint", Range(1, 100_000)
    )
    address_unopened_calls: int = option(
        256, "calls of Stream that are not opened yet, likewise", Range(1, 100_000)
    )
    address_health_calls: int = option(16, "calls of health at a time, likewise", Range(1, 100_000))
    address_registers_per_s: float = option(
        50.0, "registrations a second, likewise; two seconds' worth at once", Range(0.1, 1e6)
    )
    address_sessions: int = option(512, "registered streams, likewise", Range(1, 100_000))
    address_silent_sessions: int = option(
        128, "registered streams that send nothing, likewise", Range(1, 100_000)
    )
    address_mbits_per_s: float = option(
        2000.0, "Mbit/s of encoded frames, likewise; a second's worth at once", Range(40, 1e6)
    )
    address_mpixels_per_s: float = option(
        2000.0, "million pixels/s of frames, likewise; a second's worth at once", Range(10, 1e6)
    )
    session_grace_ms: float = option(
        5000.0, "how long a registered stream may take to open", Range(100, 60_000)
    )
    drain_grace_ms: float = option(
        5000.0, "how long frames under way may take after SIGTERM", Range(0, 60_000)
    )
    replay_latency_ratio: float = option(
        1.0, "latency of replayed devices over their profile's; 0 answers at once", Range(0, 1000)
    )
    replay_load_ms: float = option(
        0.0, "what loading a variant takes a replayed device, beside its batches", Range(0, 60_000)
    )
    replay_clock_ms: float = option(
        0.0, "what changing its clock takes a replayed device", Range(0, 60_000)
    )
    out_dir: str = option(
        "",
        "folder for the run logs (default moonjelly/PORT below $XDG_STATE_HOME, ~/.local/state)",
        metavar="FOLDER",
    )
    no_logs: bool = option(False, "write no run logs")
    log_level: str = option("info", f"one of {', '.join(LOG_LEVELS)}")

    def __post_init__(self) -> None:
        ServingOptions.__post_init__(self)
        self._check_host()
        ids = [device.device_id for device in self.devices]
        for device_id in ids:
            if ids.count(device_id) > 1:
                raise ValueError(f"devices={device_id!r}: listed twice")
        if not is_folder(self.zoo):
            require_id("zoo", self.zoo)
        for name in self.variants:
            require_id("variants", name)
        if self.log_level not in LOG_LEVELS:
            raise ValueError(
                f"log_level={echo(self.log_level)}: must be one of {', '.join(LOG_LEVELS)}"
            )
        for name in ("zoo", "out_dir", "tls_certificate", "tls_key", "tls_client_ca", "tenants"):
            path = getattr(self, name)
            if "\0" in path or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
                raise ValueError(f"{name}={echo(path)}: must be a path of this machine")
        if self.no_logs and self.out_dir:
            raise ValueError(f"out_dir={echo(self.out_dir)}: nothing is written there with no_logs")

    @property
    def unprotected(self) -> str:
        """What is not given that would protect a host that others can reach; empty if nothing is needed."""
        wanted = () if is_loopback(self.host) else ("tls_certificate", "tenants")
        return " and ".join(name for name in wanted if not getattr(self, name))

    def _check_host(self) -> None:
        if not HOST_PATTERN.fullmatch(self.host):
            raise ValueError(f"host={echo(self.host)}: must be a host name or an address")
        if re.fullmatch(r"[0-9.]+", self.host) or ":" in self.host:
            try:
                ipaddress.ip_address(self.host)
            except ValueError:
                raise ValueError(f"host={echo(self.host)}: is no address") from None
        for given, other in (
            ("tls_certificate", "tls_key"),
            ("tls_key", "tls_certificate"),
            ("tls_client_ca", "tls_certificate"),
        ):
            if getattr(self, given) and not getattr(self, other):
                raise ValueError(f"{other}: must be given with {given}")
        if self.unprotected and not self.insecure:
            raise ValueError(
                f"host={echo(self.host)}: others can reach it; give {self.unprotected}, or say insecure to serve "
                f"there all the same"
            )

    def to_json(self) -> str:
        """Writes the options for a child process."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote."""
        values = json.loads(text)
        devices = tuple(DeviceConfig(**device) for device in values.pop("devices"))
        return cls(devices=devices, variants=tuple(values.pop("variants")), **values)
