"""The zoo as one server serves it: its variants, and their latency on each of its devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.profile import BatchLatency, LatencyProfile
from ..core.quality import JpegQuality
from ..core.variant import Variant
from ..devices.config import DeviceConfig, DeviceKind
from ..vision.classes import TRAFFIC_CLASSES
from ..vision.manifest import weights_digest
from ..zoos import (
    Fingerprint,
    LearnedFile,
    cpu_fingerprint,
    cuda_fingerprint,
    find_profile,
    learned_file,
    load_latency_profile,
    load_qualities,
    load_variants,
    variants_path,
)
from .config import ServerConfig

LEAST_REPLAY_RATIO = 0.001  # planning needs latencies above 0
CLASS_NAMES = {"traffic": TRAFFIC_CLASSES}


@dataclass(frozen=True, slots=True)
class ServedZoo:
    """What is served, and how fast.

    Attributes:
        variants: least accurate first.
        class_names: by class id; empty where the zoo says none.
        profiles: device id to latency, of at least these variants; of replayed devices, scaled as
            the options say.
        qualities: JPEG qualities below the default whose effect is known, best first.
    """

    name: str
    variants: tuple[Variant, ...]
    class_names: tuple[str, ...]
    profiles: Mapping[str, LatencyProfile]
    qualities: tuple[JpegQuality, ...] = ()

    def latency(self, device_id: str, variant: str) -> BatchLatency:
        """Latency of a variant on a device.

        Raises:
            KeyError: if one of them is not known.
        """
        return self.profiles[device_id].by_variant[variant]


def fingerprint_of(device: DeviceConfig) -> Fingerprint | None:
    """What a profile of that device must have been measured on; None where any will do."""
    if device.kind is DeviceKind.REPLAYED:
        return None
    if device.gpu is not None:
        return cuda_fingerprint(device.gpu, weights_digest())
    return cpu_fingerprint(len(device.cores), weights_digest())


def find_device_profile(config: ServerConfig, device: DeviceConfig) -> Path | None:
    """The latency profile for a device; None if it has to be measured first.

    Raises:
        UsageError: if the zoo does not exist, or a table is broken.
    """
    folder = Path(config.profiles_dir) if config.profiles_dir else None
    return find_profile(config.zoo, device.device_type, fingerprint_of(device), folder)


def learned_of(config: ServerConfig, device: DeviceConfig) -> LearnedFile | None:
    """Where a device's executor keeps what it learns beside its profile; None where nothing is kept.

    Raises:
        UsageError: if the zoo does not exist, or a table is broken.
    """
    profile, fingerprint = find_device_profile(config, device), fingerprint_of(device)
    if profile is None or fingerprint is None:
        return None
    return learned_file(config.zoo, device.device_id, device.device_type, fingerprint, profile)


def load_served_zoo(config: ServerConfig) -> ServedZoo:
    """Reads the tables of the options' zoo and devices.

    Raises:
        UsageError: if one of them is missing or broken, or a variant does not exist.
    """
    folder = Path(config.profiles_dir) if config.profiles_dir else None
    every = load_variants(variants_path(config.zoo, folder))
    known = [variant.name for variant in every]
    for name in config.variants:
        if name not in known:
            raise UsageError(f"variants={name!r}: zoo {config.zoo} has {', '.join(known)}")
    variants = tuple(v for v in every if not config.variants or v.name in config.variants)
    profiles: dict[str, LatencyProfile] = {}
    for device in config.devices:
        path = find_device_profile(config, device)
        if path is None:
            raise UsageError(
                f"devices={device.device_id}: zoo {config.zoo} has no latency profile "
                f"{device.device_type} that fits it; measure one with `moonjelly profile`"
            )
        profile = load_latency_profile(path, every)
        if device.kind is DeviceKind.REPLAYED:
            profile = _scaled(profile, max(config.replay_latency_ratio, LEAST_REPLAY_RATIO))
        profiles[device.device_id] = profile
    qualities = load_qualities(config.zoo, folder)
    return ServedZoo(config.zoo, variants, CLASS_NAMES.get(config.zoo, ()), profiles, qualities)


def _scaled(profile: LatencyProfile, ratio: float) -> LatencyProfile:
    return LatencyProfile(
        profile.device_type,
        {
            variant: BatchLatency(
                tuple(ratio * p50 for p50 in latency.p50_ms),
                tuple(ratio * p99 for p99 in latency.p99_ms),
            )
            for variant, latency in profile.by_variant.items()
        },
    )
