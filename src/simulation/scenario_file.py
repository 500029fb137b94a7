"""Reads a scenario from YAML; docs/simulation.md shows every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ..core.checks import echo, require_positive
from ..core.device import Device
from ..core.limits import WIRE_MS, Range
from ..core.mode import ModeTable, PowerTable
from ..core.options import check_ranges, option, same_options
from ..core.profile import LatencyProfile
from ..devices.replay import SlowdownScript
from ..files.document import Document, ReadBy
from ..files.shipped import shipped_folder
from ..files.yaml_file import read_yaml
from ..links.traces import LinkTrace, constant_trace, read_trace
from ..scheduling.sharing.entitlements import Entitlement
from ..zoos import find_profile, modes_of, open_zoo, power_table, read_latency_file, zoo_beside
from .absences import Absences
from .recorded_sizes import read_frame_sizes
from .scenario import (
    DEFAULT_WIRE_MS,
    CameraOptions,
    Scenario,
    ServerModel,
    SimulatedStream,
    StreamKind,
)

MAX_COUNT = 10_000
COUNT = Range(1, MAX_COUNT)
STEPS = Range(0, MAX_COUNT**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """What a file says of a link: a rate, or a trace and how it is used."""

    mbps: float | None = None
    trace: str = ""
    offset: int = option(0, limits=STEPS)
    offset_step: int = option(0, limits=STEPS)
    scale_ratio: float = 1.0
    wire_ms: float = option(DEFAULT_WIRE_MS, limits=WIRE_MS)

    def __post_init__(self) -> None:
        check_ranges(self)
        if (self.mbps is None) == (not self.trace):
            raise ValueError("must have either mbps, a rate, or trace, a file of rates")
        if self.mbps is not None:
            require_positive("mbps", self.mbps)

    def rates(self, folder: Path) -> LinkTrace:
        """Its rates over time; a trace without a suffix comes with the program."""
        if self.mbps is not None:
            return constant_trace(self.mbps)
        path = folder / self.trace
        if not path.suffix:
            path = shipped_folder("network_shaping") / f"{self.trace}_mbps.txt"
        return read_trace(path, self.offset, self.scale_ratio)

    @property
    def name(self) -> str:
        """Of its trace, with the scale."""
        path = Path(self.trace)
        scale = f", times {self.scale_ratio:g}," if self.scale_ratio != 1 else ""
        return (
            f"{path.name if path.suffix else f'{path.name}_mbps.txt'}{scale}" if self.trace else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams(CameraOptions):
    """One entry of `streams`."""

    name: str
    link: _Link
    count: int = option(1, limits=COUNT)
    join_step_s: float = 0.0
    frame_sizes: str = ""

    def __post_init__(self) -> None:
        CameraOptions.__post_init__(self)
        is_modelled = self.frame_size_ratio != 1 or self.frame_size_spread != 0
        if self.frame_sizes and is_modelled:
            raise ValueError(
                f"frame_sizes={echo(self.frame_sizes)}: must not stand beside frame_size_ratio and "
                f"frame_size_spread, in whose place it is"
            )

    def kind(self, folder: Path) -> StreamKind:
        """These streams, with the files that they name read."""
        sizes = read_frame_sizes(folder / self.frame_sizes) if self.frame_sizes else None
        kind = StreamKind(
            name=self.name,
            count=self.count,
            first=SimulatedStream(
                **same_options(self, CameraOptions),
                stream_id=self.name,
                link=self.link.rates(folder),
                wire_ms=self.link.wire_ms,
                frame_sizes=sizes,
            ),
            offset_step=self.link.offset_step,
            join_step_s=self.join_step_s,
            link_name=self.link.name,
        )
        kind.streams()  # the last may leave before it joins
        return kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScenarioFile:
    """What a file says."""

    seconds: float
    streams: tuple[_Streams, ...]
    seed: int = option(0, limits=STEPS)
    zoo: str = "replayed-gpu"
    devices: Mapping[str, int] = field(default_factory=dict)
    slowdowns: Mapping[str, Annotated[SlowdownScript, ReadBy(SlowdownScript.parse, str)]] = field(
        default_factory=dict
    )
    absences: Mapping[str, Annotated[Absences, ReadBy(Absences.parse, str)]] = field(
        default_factory=dict
    )
    tenants: Mapping[str, Entitlement] = field(default_factory=dict)
    server: ServerModel = field(default_factory=ServerModel)

    def __post_init__(self) -> None:
        check_ranges(self)


def read_scenario(
    path: Path, seed: int | None = None, devices: Mapping[str, int] | None = None
) -> Scenario:
    """Reads a scenario; paths in it count from its own folder.

    Args:
        path: the file.
        seed: in place of the file's.
        devices: device type to how many there are, likewise.

    Raises:
        UsageError: naming file, line, place, value and rule.
    """
    document = read_yaml(path)
    file = document.read(_ScenarioFile)
    with document.blamed(("zoo",)):
        zoo = open_zoo(zoo_beside(file.zoo, path))
    counts = file.devices if devices is None else devices
    profiles: dict[str, LatencyProfile] = {}
    modes: dict[str, ModeTable] = {}
    powers: dict[str, PowerTable] = {}
    for kind, count in counts.items():
        with document.blamed(("devices", kind)):
            COUNT.require(kind, count)
            found = find_profile(zoo, kind, None)
            if found is None:
                raise ValueError(f"zoo {zoo.name} has no latency profile of that device type")
            profile = read_latency_file(found, zoo.variants)
            profiles[kind] = profile.profile()
            if (table := modes_of(profile, zoo.variants)) is not None:
                modes[kind] = table
                if (power := power_table(profile, table)) is not None:
                    powers[kind] = power
    kinds = _kinds(path.parent, document, file)
    with document.blamed():
        return Scenario(
            seconds=file.seconds,
            seed=file.seed if seed is None else seed,
            zoo=zoo.name,
            variants=zoo.variants,
            devices=tuple(
                Device(f"{kind}-{number}", kind)
                for kind, count in counts.items()
                for number in range(count)
            ),
            profiles=profiles,
            streams=tuple(stream for kind in kinds for stream in kind.streams()),
            slowdowns=file.slowdowns,
            absences=file.absences,
            modes=modes,
            powers=powers,
            tenants=file.tenants,
            qualities=zoo.qualities,
            server=file.server,
        )


def read_stream_kinds(path: Path) -> list[StreamKind]:
    """Reads the streams of a scenario, kind by kind; raises UsageError as `read_scenario`."""
    document = read_yaml(path)
    return _kinds(path.parent, document, document.read(_ScenarioFile))


def _kinds(folder: Path, document: Document, file: _ScenarioFile) -> list[StreamKind]:
    kinds = []
    for number, streams in enumerate(file.streams):
        with document.blamed(("streams", number)):
            kinds.append(streams.kind(folder))
    return kinds
