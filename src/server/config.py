"""Every option of the server: one frozen value, checked, with each default written once."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from ..core.budget_rules import DEFAULT_BUDGET_RULE, check_budget_rule
from ..core.checks import echo, require_id
from ..core.errors import ConfigError
from ..devices.config import DeviceConfig
from ..scheduling.batching.registry import batcher
from ..scheduling.planning.registry import DEFAULT_PLANNER, check_planner
from ..scheduling.planning.switching import DEFAULT_COST_RATIO

Value = TypeVar("Value")

HOST_PATTERN = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
KIB = 1024
MESSAGE_LIMIT_BYTES = 4 * KIB * KIB
LOG_LEVELS = ("debug", "info", "warning", "error")


def option(default: Value, text: str, *, least: float = -math.inf, most: float = math.inf) -> Value:
    """A dataclass field with its default, its line of help and its range."""
    metadata = {"help": text, "least": least, "most": most}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The server's options.

    Raises:
        ConfigError: naming option, value and rule.
    """

    host: str = option("127.0.0.1", "address to listen on; other than loopback needs insecure")
    port: int = option(10001, "port to listen on; 0 takes a free one", least=0, most=65535)
    insecure: bool = option(
        False, "allow a host that others can reach, although nothing is encrypted or authenticated"
    )
    endpoints: int = option(1, "endpoint processes that share the port", least=1, most=64)
    zoo: str = option("traffic", "variants to serve")
    variants: tuple[str, ...] = option((), "serve only these variants of the zoo; none for all")
    profiles_dir: str = option("", "folder of the profiles; empty for the one in the repository")
    devices: tuple[DeviceConfig, ...] = option(
        (),
        "devices, each cpu:CORES, cuda:GPU or replayed:PROFILE[@SLOWDOWN]; none for what is found",
    )
    max_batch_size: int = option(12, "largest batch that is planned (frames)", least=1, most=256)
    planner: str = option(DEFAULT_PLANNER, "planning algorithm")
    switching_cost_ratio: float = option(
        DEFAULT_COST_RATIO,
        "what loading a variant costs, relative to the accuracy its device then serves; a plan must gain more",
        least=0, most=1,
    )  # fmt: skip
    budget_rule: str = option(
        DEFAULT_BUDGET_RULE,
        "frames that planning reckons with: full (as the variant takes them), elastic:PERCENT (of their "
        "encoded size), fixed:SIDE, split (the server has 75 % of the SLO)",
    )
    plan_period_ms: float = option(500.0, "time between plans", least=50, most=60_000)
    seed: int = option(0, "seed of the planner", least=0, most=2**63 - 1)
    batcher: str = option(
        "deadline", "how a device forms its batches: deadline, fixed:FRAMES, interval:MS"
    )
    loaded_variants: int = option(5, "variants that a device keeps loaded", least=1, most=256)
    decode_threads: int = option(2, "threads per device that decode frames", least=1, most=64)
    frame_slots: int = option(
        64, "frames in the shared memory of an endpoint; each takes max_frame_bytes, reserved",
        least=2, most=4096,
    )  # fmt: skip
    max_frame_bytes: int = option(
        2 * KIB * KIB, "largest encoded frame", least=4 * KIB, most=MESSAGE_LIMIT_BYTES - 64 * KIB
    )
    max_sessions: int = option(1024, "streams per endpoint", least=1, most=100_000)
    max_waiting_frames: int = option(
        32, "frames of one stream under way in the server at most", least=1, most=4096
    )
    rate_tolerance_ratio: float = option(
        1.2, "frames a stream may send, over what it declared", least=1, most=1e12
    )
    session_grace_ms: float = option(
        5000.0, "how long a registered stream may take to open", least=100, most=60_000
    )
    drain_grace_ms: float = option(
        5000.0, "how long frames under way may take after SIGTERM", least=0, most=60_000
    )
    replay_latency_ratio: float = option(
        1.0, "latency of replayed devices over their profile's; 0 answers at once", least=0, most=1000
    )  # fmt: skip
    out_dir: str = option("", "folder for the run logs; empty for none")
    log_level: str = option("info", f"one of {', '.join(LOG_LEVELS)}")

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            self._check(item)
        self._check_host()
        object.__setattr__(self, "devices", tuple(self.devices))
        ids = [device.device_id for device in self.devices]
        for device_id in ids:
            if ids.count(device_id) > 1:
                raise ConfigError("devices", f"{device_id!r}: listed twice")
        object.__setattr__(self, "variants", tuple(self.variants))
        checks: list[tuple[str, Callable[[], object]]] = [
            ("zoo", lambda: require_id("zoo", self.zoo)),
            ("variants", lambda: [require_id("variants", one) for one in self.variants]),
            ("planner", lambda: check_planner(self.planner)),
            ("batcher", lambda: batcher(self.batcher)),
            ("budget_rule", lambda: check_budget_rule(self.budget_rule)),
            ("log_level", lambda: _check_log_level(self.log_level)),
        ]
        for name, check in checks:
            try:
                check()
            except ValueError as error:
                raise ConfigError(name, str(error).partition("=")[2]) from None
        for name in ("profiles_dir", "out_dir"):
            path = getattr(self, name)
            if "\0" in path or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
                raise ConfigError(name, f"{echo(path)}: must be a path of this machine")

    def _check(self, item: dataclasses.Field[Any]) -> None:
        """Checks type and range; an integer is taken for a float, never the reverse."""
        value = getattr(self, item.name)
        wanted = {"str": str, "int": int, "float": float, "bool": bool}.get(str(item.type))
        if wanted is None:
            return
        if wanted is float and type(value) is int:
            value = float(value)
            object.__setattr__(self, item.name, value)
        if type(value) is not wanted:
            names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
            raise ConfigError(item.name, f"{echo(value)}: must be {names[wanted]}")
        if isinstance(value, (int, float)):
            least, most = item.metadata["least"], item.metadata["most"]
            if not (math.isfinite(value) and least <= value <= most):
                raise ConfigError(item.name, f"{echo(value)}: must be {least:.12g} to {most:.12g}")

    def _check_host(self) -> None:
        if not HOST_PATTERN.fullmatch(self.host):
            raise ConfigError("host", f"{echo(self.host)}: must be a host name or an address")
        if re.fullmatch(r"[0-9.]+", self.host) or ":" in self.host:
            try:
                ipaddress.ip_address(self.host)
            except ValueError:
                raise ConfigError("host", f"{echo(self.host)}: is no address") from None
        if not self.is_loopback and not self.insecure:
            raise ConfigError(
                "host",
                f"{echo(self.host)}: others can reach it, and nothing is encrypted or "
                f"authenticated; say insecure to serve there all the same",
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the host."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def to_json(self) -> str:
        """Writes the options for a child process."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote."""
        values = json.loads(text)
        devices = tuple(DeviceConfig(**device) for device in values.pop("devices"))
        return cls(devices=devices, **values)


def _check_log_level(name: str) -> None:
    if name not in LOG_LEVELS:
        raise ValueError(f"log_level={echo(name)}: must be one of {', '.join(LOG_LEVELS)}")
