"""The zoo as one server serves it: its variants, and their latency on each of its devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import UsageError
from ..core.mode import ModeTable
from ..core.profile import BatchLatency, LatencyProfile
from ..core.quality import JpegQuality
from ..core.variant import Variant
from ..core.zoo import Fit, Runtime, Task
from ..devices.config import DeviceConfig, DeviceKind
from ..zoos import (
    AUTO,
    Fingerprint,
    LatencyFile,
    LearnedFile,
    OpenedZoo,
    cpu_fingerprint,
    cuda_fingerprint,
    find_profile,
    learned_file,
    modes_of,
    open_zoo,
    read_latency_file,
    usual_zoo,
)
from .config import ServerConfig

LEAST_REPLAY_RATIO = 0.001  # planning needs latencies above 0


@dataclass(frozen=True, slots=True)
class ServedZoo:
    """What is served, and how fast.

    Attributes:
        opened: the zoo that it comes from.
        variants: least accurate first.
        profiles: device id to latency, of at least these variants; of replayed devices, scaled as
            the options say.
        qualities: JPEG qualities below the default whose effect is known, best first.
        runtimes: device id to what runs networks there whose zoo leaves the choice, by name.
        files: device id to what its profile comes from, scaled likewise.
    """

    opened: OpenedZoo
    variants: tuple[Variant, ...]
    profiles: Mapping[str, LatencyProfile]
    qualities: tuple[JpegQuality, ...] = ()
    runtimes: Mapping[str, Mapping[str, Runtime]] = field(default_factory=dict)
    files: Mapping[str, LatencyFile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """That of the zoo."""
        return self.opened.name

    @property
    def class_names(self) -> tuple[str, ...]:
        """By class id."""
        return self.opened.zoo.class_names

    @property
    def task(self) -> Task:
        """What its networks do."""
        return self.opened.zoo.task

    @property
    def fit(self) -> Fit:
        """How a picture fills the squares of its networks."""
        return self.opened.zoo.fit

    def latency(self, device_id: str, variant: str) -> BatchLatency:
        """Latency of a variant on a device.

        Raises:
            KeyError: if one of them is not known.
        """
        return self.profiles[device_id].by_variant[variant]

    def modes(self, device_id: str) -> ModeTable | None:
        """What the modes of a device cost by clock, with energy; None where its profile has neither. Takes a while."""
        return modes_of(self.files[device_id], self.variants)


def zoo_for(zoo: str, devices: Iterable[DeviceConfig]) -> str:
    """The zoo that is meant by a name, which may be `auto`, on some devices."""
    if zoo != AUTO:
        return zoo
    return usual_zoo(on_cpu=all(device.kind is DeviceKind.CPU for device in devices))


def fingerprint_of(device: DeviceConfig, zoo: OpenedZoo) -> Fingerprint | None:
    """What a profile of that device must have been measured on; None where any will do."""
    if device.kind is DeviceKind.REPLAYED:
        return None
    if device.gpu is not None:
        return cuda_fingerprint(device.gpu, zoo.digest, zoo.libraries)
    return cpu_fingerprint(len(device.cores), zoo.digest, zoo.libraries)


def find_device_profile(zoo: OpenedZoo, device: DeviceConfig) -> Path | None:
    """The latency profile for a device; None if it has to be measured first.

    Raises:
        UsageError: if a table of the zoo is broken.
    """
    return find_profile(zoo, device.device_type, fingerprint_of(device, zoo))


def learned_of(zoo: OpenedZoo, device: DeviceConfig) -> LearnedFile | None:
    """Where a device's executor keeps what it learns beside its profile; None where nothing is kept.

    Raises:
        UsageError: if a table of the zoo is broken.
    """
    profile, fingerprint = find_device_profile(zoo, device), fingerprint_of(device, zoo)
    if profile is None or fingerprint is None:
        return None
    return learned_file(zoo.name, device.device_id, device.device_type, fingerprint, profile)


def load_served_zoo(config: ServerConfig) -> ServedZoo:
    """Reads the tables of the options' zoo and devices.

    Raises:
        UsageError: if one of them is missing or broken, or a variant does not exist.
    """
    opened = open_zoo(zoo_for(config.zoo, config.devices))
    every = opened.variants
    known = [variant.name for variant in every]
    for name in config.variants:
        if name not in known:
            raise UsageError(f"variants={name!r}: zoo {opened.name} has {', '.join(known)}")
    variants = tuple(v for v in every if not config.variants or v.name in config.variants)
    profiles: dict[str, LatencyProfile] = {}
    files: dict[str, LatencyFile] = {}
    for device in config.devices:
        path = find_device_profile(opened, device)
        if path is None:
            raise UsageError(
                f"devices={device.device_id}: zoo {opened.name} has no latency profile "
                f"{device.device_type} that fits it; measure one with `moonjelly profile`"
            )
        file = read_latency_file(path, every)
        if device.kind is DeviceKind.REPLAYED:
            file = _scaled(file, max(config.replay_latency_ratio, LEAST_REPLAY_RATIO))
        files[device.device_id], profiles[device.device_id] = file, file.profile()
    runtimes = {device_id: file.runtimes for device_id, file in files.items()}
    return ServedZoo(opened, variants, profiles, opened.qualities, runtimes, files)


def _scaled(file: LatencyFile, ratio: float) -> LatencyFile:
    """So many times as slow, at the same power."""
    rows = tuple(
        replace(
            row,
            p50_ms=ratio * row.p50_ms,
            p99_ms=ratio * row.p99_ms,
            energy_mj=None if row.energy_mj is None else ratio * row.energy_mj,
        )
        for row in file.rows
    )
    return replace(file, rows=rows)
