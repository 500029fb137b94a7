"""Reads a scenario from YAML; docs/simulation.md shows every key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ..adapting.estimators import DEFAULT_ESTIMATOR
from ..adapting.policies.registry import DEFAULT_POLICY
from ..adapting.policies.rungs import DEFAULT_LADDER
from ..core.checks import echo, require_positive
from ..core.device import Device
from ..core.errors import UsageError
from ..core.profile import LatencyProfile
from ..core.variant import Variant
from ..devices.slowdown_script import SlowdownScript
from ..files.shipped import shipped_folder
from ..links.traces import LinkTrace, constant_trace, read_trace
from ..zoos import (
    find_profile,
    load_latency_profile,
    load_qualities,
    load_variants,
    variants_path,
)
from .frame_sizes import FrameSizes, read_frame_sizes
from .scenario import Sampling, Scenario, ServerModel, SimulatedStream, StreamKind

MAX_FILE_BYTES = 1_000_000
MAX_COUNT = 10_000
_KEYS = ("seconds", "seed", "zoo", "profiles_dir", "devices", "slowdowns", "server", "streams")
_LINK_KEYS = ("mbps", "trace", "offset", "offset_step", "scale_ratio", "wire_ms")
_MODELLED_SIZES = ("frame_size_ratio", "frame_size_spread")
_STREAM_OPTIONS = (
    "phase_s",
    "leave_s",
    "first_kbps",
    "encode_ms",
    "jitter_p50_ms",
    "jitter_p99_ms",
    *_MODELLED_SIZES,
)
_STREAM_KEYS = (
    *("name", "count", "fps", "slo_ms", "link", "join_s", "join_step_s", "frame_sizes"),
    *("policy", "ladder", "estimator"),
    *_STREAM_OPTIONS,
)

Built = TypeVar("Built")


class _Place:
    """A mapping of the file, and where it stands."""

    def __init__(self, file: Path, at: str, values: object, known: tuple[str, ...]) -> None:
        self._file = file
        self._at = at
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise self.error("", "must be a mapping of names to values")
        for key in values:
            if key not in known:
                raise self.error(key, f"is unknown; known are {', '.join(known)}")
        self.values: Mapping[str, Any] = values

    def error(self, key: str, rule: str) -> UsageError:
        """What is wrong, and where."""
        where = ".".join(part for part in (self._at, echo(key)[1:-1]) if part)
        return UsageError(f"{self._file}: {where + ': ' if where else ''}{rule}")

    def number(self, key: str, default: float | None = None) -> float:
        """A number.

        Raises:
            UsageError: if it is none, or is missing and has no default.
        """
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(key, f"{echo(value)}: must be a number")
        try:
            return float(value)
        except OverflowError:
            raise self.error(key, f"{echo(value)}: must be a finite number") from None

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        """A whole number; raises UsageError as `number`."""
        value = self.number(key, default)
        if not (value.is_integer() and least <= value <= MAX_COUNT**2):
            raise self.error(key, f"{value:g}: must be a whole number of at least {least}")
        return int(value)

    def text(self, key: str, default: str | None = None) -> str:
        """Text; raises UsageError as `number`."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        if not isinstance(value, str) or not value:
            raise self.error(key, f"{echo(value)}: must be text")
        return value

    def build(self, make: Callable[..., Built], **values: object) -> Built:
        """Calls `make`, and says where its complaints belong."""
        try:
            return make(**values)
        except ValueError as error:
            raise self.error("", str(error)) from None


def read_scenario(
    path: Path, seed: int | None = None, devices: Mapping[str, int] | None = None
) -> Scenario:
    """Reads a scenario; paths in it count from its own folder.

    Args:
        path: the file.
        seed: in place of the file's.
        devices: device type to how many there are, likewise.

    Raises:
        UsageError: naming file, place, value and rule.
    """
    top = _Place(path, "", _load(path), _KEYS)
    zoo = top.text("zoo", "replayed-gpu")
    profiles_dir = None
    if "profiles_dir" in top.values:
        profiles_dir = path.parent / top.text("profiles_dir")
    variants = load_variants(variants_path(zoo, profiles_dir))
    kinds = top.values.get("devices") if devices is None else devices
    all_devices, profiles = _read_devices(path, top, kinds, zoo, variants, profiles_dir)
    streams = tuple(stream for kind in _read_kinds(path, top) for stream in kind.streams())
    return top.build(
        Scenario,
        seconds=top.number("seconds"),
        seed=top.whole("seed", 0) if seed is None else seed,
        zoo=zoo,
        variants=variants,
        devices=all_devices,
        profiles=profiles,
        streams=streams,
        slowdowns=_read_slowdowns(path, top),
        qualities=load_qualities(zoo, profiles_dir),
        server=_read_server(path, top.values.get("server", {})),
    )


def read_stream_kinds(path: Path) -> list[StreamKind]:
    """Reads the streams of a scenario, kind by kind; raises UsageError as `read_scenario`."""
    return _read_kinds(path, _Place(path, "", _load(path), _KEYS))


def _read_kinds(path: Path, top: _Place) -> list[StreamKind]:
    entries = top.values.get("streams")
    if not isinstance(entries, list) or not entries:
        raise top.error("streams", "must be a list of at least one kind of stream")
    return [_read_kind(path, f"streams[{number}]", entry) for number, entry in enumerate(entries)]


def _load(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path}: must be at most {MAX_FILE_BYTES} bytes")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{path}{line}: is no YAML") from None


def _read_devices(
    path: Path,
    top: _Place,
    kinds: object,
    zoo: str,
    variants: tuple[Variant, ...],
    profiles_dir: Path | None,
) -> tuple[tuple[Device, ...], dict[str, LatencyProfile]]:
    """`kinds` maps device types to how many of them there are."""
    if not isinstance(kinds, dict) or not kinds:
        raise top.error("devices", "must map device types to how many there are")
    place = _Place(path, "devices", kinds, tuple(str(kind) for kind in kinds))
    devices: list[Device] = []
    profiles: dict[str, LatencyProfile] = {}
    for kind in kinds:
        count = place.whole(kind, least=1)
        if count > MAX_COUNT:
            raise place.error(kind, f"{count}: must be at most {MAX_COUNT}")
        devices += [
            place.build(Device, device_id=f"{kind}-{k}", device_type=kind) for k in range(count)
        ]
        table = find_profile(zoo, kind, None, profiles_dir)
        if table is None:
            raise place.error(kind, f"zoo {zoo} has no latency profile of that device type")
        profiles[kind] = load_latency_profile(table, variants)
    return tuple(devices), profiles


def _read_slowdowns(path: Path, top: _Place) -> dict[str, SlowdownScript]:
    """`slowdowns` maps devices to their scripts; that they are there is checked with the rest."""
    values = top.values.get("slowdowns", {})
    known = tuple(map(str, values)) if isinstance(values, dict) else ()
    place = _Place(path, "slowdowns", values, known)
    scripts: dict[str, SlowdownScript] = {}
    for device_id in place.values:
        try:
            scripts[device_id] = SlowdownScript.parse(place.text(device_id))
        except ValueError as error:
            raise place.error(device_id, str(error)) from None
    return scripts


def _read_server(path: Path, values: object) -> ServerModel:
    fields = {field.name: field for field in dataclasses.fields(ServerModel)}
    place = _Place(path, "server", values, tuple(fields))
    options: dict[str, object] = {}
    for name in place.values:
        kind = str(fields[name].type)
        if kind == "float":
            options[name] = place.number(name)
        elif kind == "int":
            options[name] = place.whole(name, least=1)
        else:
            options[name] = place.text(name)
    if "sampling" in options:
        try:
            options["sampling"] = Sampling(str(options["sampling"]))
        except ValueError:
            raise place.error("sampling", f"must be one of {', '.join(Sampling)}") from None
    return place.build(ServerModel, **options)


def _read_kind(path: Path, at: str, entry: object) -> StreamKind:
    """One entry of `streams`."""
    place = _Place(path, at, entry, _STREAM_KEYS)
    name, count = place.text("name"), place.whole("count", 1, least=1)
    if count > MAX_COUNT:
        raise place.error("count", f"{count}: must be at most {MAX_COUNT}")
    link = _Place(path, f"{at}.link", place.values.get("link", {}), _LINK_KEYS)
    given = {key: place.number(key) for key in _STREAM_OPTIONS if key in place.values}
    if "wire_ms" in link.values:
        given["wire_ms"] = link.number("wire_ms")
    kind = StreamKind(
        name=name,
        count=count,
        first=place.build(
            SimulatedStream,
            stream_id=name,
            fps=place.number("fps"),
            slo_ms=place.number("slo_ms"),
            link=_read_link(path, link),
            join_s=place.number("join_s", 0.0),
            frame_sizes=_read_frame_sizes(path, place),
            policy=place.text("policy", DEFAULT_POLICY),
            ladder=tuple(place.text("ladder", ",".join(DEFAULT_LADDER)).split(",")),
            estimator=place.text("estimator", DEFAULT_ESTIMATOR),
            **given,
        ),
        offset_step=link.whole("offset_step", 0),
        join_step_s=place.number("join_step_s", 0.0),
        link_name=_link_name(link),
    )
    place.build(kind.streams)  # the last may leave before it joins
    return kind


def _read_frame_sizes(path: Path, place: _Place) -> FrameSizes | None:
    if "frame_sizes" not in place.values:
        return None
    for key in _MODELLED_SIZES:
        if key in place.values:
            raise place.error(key, "must not stand beside frame_sizes, which says it")
    return read_frame_sizes(path.parent / place.text("frame_sizes"))


def _read_link(path: Path, link: _Place) -> LinkTrace:
    if ("mbps" in link.values) == ("trace" in link.values):
        raise link.error("", "must have either mbps, a rate, or trace, a file of rates")
    try:
        if "mbps" in link.values:
            return constant_trace(require_positive("mbps", link.number("mbps")))
        return read_trace(
            _trace_file(path.parent, link.text("trace")),
            link.whole("offset", 0),
            link.number("scale_ratio", 1.0),
        )
    except ValueError as error:
        raise link.error("", str(error)) from None


def _trace_file(folder: Path, name: str) -> Path:
    """A file beside the scenario; without a suffix, a trace that comes with the program."""
    if Path(name).suffix:
        return folder / name
    return shipped_folder("network_shaping") / f"{name}_mbps.txt"


def _link_name(link: _Place) -> str:
    if "mbps" in link.values:
        return ""
    scale_ratio = link.number("scale_ratio", 1.0)
    scale = f", times {scale_ratio:g}," if scale_ratio != 1 else ""
    return _trace_file(Path(), link.text("trace")).name + scale
