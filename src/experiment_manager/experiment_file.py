"""Reads an experiment from a YAML file; docs/experiments.md describes it."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from ..adapting.estimators import check_estimator
from ..adapting.policies.registry import check_policy
from ..core.checks import echo, is_number, require_positive
from ..core.errors import UsageError
from ..core.limits import FPS, SLO_MS, WIRE_MS, Range
from ..core.options import check_ranges, option
from ..core.zoo import Task
from ..devices.discovery import parse_devices
from ..files.document import Document, Place, ReadBy
from ..files.yaml_file import read_yaml
from ..links.shapers import SHAPERS
from ..links.traces import LinkTrace, read_trace
from ..live_run.cameras import TRACES_DIR
from ..live_run.making import Facts, maker_of
from ..scheduling.serving_options import ONLY_WITH_OBJECTIVE
from ..server.config import ServerConfig
from ..zoos import open_zoo, zoo_beside
from .listed_cameras import (
    NUM_CAMERAS,
    OWN_TRACE,
    START_S,
    ListedCamera,
    read_camera_list,
    with_suffix,
)
from .matrix import ALIKE_FACTORS, ONE_ROUND, USUAL_ZOO, WHOLE_VIDEO, Experiment, Value

SHIPPED_DIR = Path(__file__).with_name("experiments")
MAX_RUNS = 10_000
MAX_SECONDS = 3600.0
SET_BY_US = ("host", "port", "insecure", "out_dir", "no_logs", "seed")


def _refuse(_: object) -> None:
    raise ValueError("is set by the experiment itself")


def _check_option(name: str, value: Any) -> Any:  # noqa: ANN401 as the option has it
    if name != "objective" and name not in ONLY_WITH_OBJECTIVE:  # which are looked at together
        ServerConfig(**{name: value})
    return value


def _check_shaper(name: str) -> str:
    if name not in SHAPERS:
        raise ValueError(f"{echo(name)}: must be one of {', '.join(SHAPERS)}")
    return name


def _seconds(value: object) -> float | str:
    if value in (ONE_ROUND, WHOLE_VIDEO):
        return str(value)
    if not is_number(value):
        rule = f"must be a number, {ONE_ROUND} or {WHOLE_VIDEO}"
        raise ValueError(f"{echo(value)}: {rule}")
    return require_positive("seconds", float(value), MAX_SECONDS)


def _distinct(values: tuple[Value, ...]) -> tuple[Value, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{echo(value)}: is listed twice")
    if not values:
        raise ValueError("must be a list of at least one value")
    return values


def _factor(read: Any) -> Any:  # noqa: ANN401 types
    return Annotated[tuple[read, ...], ReadBy(_distinct)]


def _numbers(kind: type, name: str, limits: Range) -> Any:  # noqa: ANN401 types
    return _factor(Annotated[kind, ReadBy(functools.partial(limits.require, name))])


def _names(check: Callable[[str], str]) -> Any:  # noqa: ANN401 types
    return _factor(Annotated[str, ReadBy(check)])


_DEVICES = Annotated[tuple[str, ...], ReadBy(tuple, takes_one=True)]  # as a person writes them
_OPTIONS = {
    name: Annotated[hint, ReadBy(functools.partial(_check_option, name))]
    for name, hint in get_type_hints(ServerConfig, include_extras=True).items()
} | {"devices": _DEVICES}
_REFUSED = dict.fromkeys(SET_BY_US, Annotated[Any, ReadBy(_refuse)])

_Server = make_dataclass(
    "_Server", [(name, hint, field(default=None)) for name, hint in (_OPTIONS | _REFUSED).items()]
)
_Matrix = make_dataclass(
    "_Matrix",
    [
        (name, factor, field(default=None))
        for name, factor in {
            **{name: _factor(hint) for name, hint in _OPTIONS.items()},
            **_REFUSED,
            "cameras": _factor(str),
            "clients": _numbers(int, "clients", NUM_CAMERAS),
            "slo_ms": _numbers(float, "slo_ms", SLO_MS),
            "fps": _numbers(float, "fps", FPS),
            "trace": _factor(str),
            "seed": _numbers(int, "seed", Range(0, 2**31 - 1)),
            "policy": _names(check_policy),
            "estimator": _names(check_estimator),
            "shaper": _names(_check_shaper),
            "source": _factor(str),
        }.items()
    ],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExperimentFile:
    """What a file says."""

    matrix: _Matrix  # type: ignore[valid-type]  # made of the server's options
    server: _Server = field(default_factory=_Server)  # type: ignore[valid-type]
    seconds: Annotated[float | str, ReadBy(_seconds, given=Any)] = 10.0
    iterations: int = option(1, limits=Range(1, 1000))
    wire_ms: float = option(0.0, limits=WIRE_MS)
    trace_scale_ratio: float = 1.0
    detections_zoo: str = ""
    start_spread_s: float = option(0.0, limits=START_S)

    def __post_init__(self) -> None:
        check_ranges(self)
        require_positive("trace_scale_ratio", self.trace_scale_ratio, 1000)


def find_experiment(name: Path) -> Path:
    """The file that a person means: a path, or the name of an experiment that is shipped.

    Raises:
        UsageError: if there is neither.
    """
    if name.is_file():
        return name
    shipped = SHIPPED_DIR / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(path.stem for path in SHIPPED_DIR.glob("*.yaml")))
    raise UsageError(f"{name}: is neither a file nor an experiment that is shipped: {known}")


def read_experiment(path: Path, *, is_elsewhere: bool = False) -> Experiment:
    """Reads and checks an experiment; a server elsewhere alone knows its devices.

    Raises:
        UsageError: naming file, line, key and rule.
    """
    document = read_yaml(path)
    file = document.read(_ExperimentFile)
    given = {"server": {}, "matrix": {}, **document.data}
    server = {name: getattr(file.server, name) for name in given["server"]}
    matrix = {name: getattr(file.matrix, name) for name in given["matrix"]}
    for name in server.keys() & matrix.keys():
        raise document.error(("matrix", name), "stands under server too")
    _check_whole(document, matrix)
    files = _Files(document, path.parent, file)
    for number, name in enumerate(matrix.get("trace", ())):
        files.read_trace(document, ("matrix", "trace", number), name)
    for number, name in enumerate(matrix.get("source", ())):
        files.read_video(document, ("matrix", "source", number), name)
    for number, name in enumerate(matrix.get("cameras", ())):
        files.read_camera_list(number, name, matrix)
    matrix.setdefault("trace", (OWN_TRACE,))
    for place, name, value in _values(server, matrix):
        with document.blamed(place):
            _check_place(name, value, is_elsewhere=is_elsewhere)
        if name == "zoo":
            with _blamed(document, place):
                open_zoo(zoo_beside(str(value), path)).variants  # noqa: B018 - read to be checked
    if "zoo" in server:
        server["zoo"] = zoo_beside(server["zoo"], path)
    if "zoo" in matrix:
        matrix["zoo"] = tuple(zoo_beside(one, path) for one in matrix["zoo"])
    detections_zoo = zoo_beside(file.detections_zoo, path)
    if detections_zoo:
        with _blamed(document, ("detections_zoo",)):
            _check_detections(detections_zoo, matrix.get("zoo") or (server.get("zoo", USUAL_ZOO),))
    matrix.setdefault("seed", (0,))
    num_runs = file.iterations * math.prod(len(values) for values in matrix.values())
    if num_runs > MAX_RUNS:
        raise document.error((), f"is {num_runs} runs: must be at most {MAX_RUNS}")
    experiment = Experiment(
        name=path.stem,
        seconds=file.seconds,
        iterations=file.iterations,
        wire_ms=file.wire_ms,
        server=server,
        matrix=matrix,
        traces=files.traces,
        detections_zoo=detections_zoo,
        camera_lists=files.camera_lists,
        start_spread_s=file.start_spread_s,
        videos=files.videos,
    )
    _check_together(document, experiment)
    return experiment


def _check_together(document: Document, experiment: Experiment) -> None:
    """Checks that the server's options of each run go together; raises UsageError."""
    for options in {tuple(sorted(run.server.items())) for run in experiment.runs()}:
        with document.blamed(("matrix",)):
            mixed: dict[str, Any] = {name: value for name, value in options if name != "devices"}
            ServerConfig(**mixed)
    for name, some in ONLY_WITH_OBJECTIVE.items():
        if name in experiment.matrix and not set(some) & {
            *experiment.matrix.get("objective", some)
        }:
            rule = f"only with objective {' or '.join(some)}"
            raise document.error(("matrix", name), rule)


def _values(
    server: Mapping[str, Value], matrix: Mapping[str, tuple[Value, ...]]
) -> Iterator[tuple[Place, str, Value]]:
    """All values of options and factors, and where they stand."""
    for name, value in server.items():
        yield ("server", name), name, value
    for name, values in matrix.items():
        for number, value in enumerate(values):
            yield ("matrix", name, number), name, value


def _check_place(name: str, value: Any, *, is_elsewhere: bool) -> None:  # noqa: ANN401
    """Checks what hangs on the machine that the server runs on; raises ValueError."""
    if name == "devices" and not is_elsewhere:
        parse_devices(value)


def _check_detections(name: str, served: Iterable[str]) -> None:
    """Checks that a zoo can look at frames as they are sent for those that are served; raises UsageError."""
    zoo = open_zoo(name)
    zoo.variants  # noqa: B018 - read to be checked
    without = [one.name for one in zoo.zoo.networks if not one.file]
    if without or zoo.zoo.task is not Task.DETECTION:
        raise UsageError(f"zoo {zoo.name}: must hold networks that detect, with their weights")
    for other in map(open_zoo, served):
        if (other.zoo.task, other.zoo.fit) != (zoo.zoo.task, zoo.zoo.fit):
            raise UsageError(
                f"zoo {zoo.name}: must be of the same task and fit as {other.name}, which is served: "
                f"{other.zoo.task}, {other.zoo.fit}"
            )


@contextlib.contextmanager
def _blamed(document: Document, place: Place) -> Iterator[None]:
    """Names the place that names a file that is wrong."""
    try:
        yield
    except UsageError as error:
        raise document.error(place, str(error)) from None


def _check_whole(document: Document, matrix: Mapping[str, tuple[Value, ...]]) -> None:
    """Checks that cameras are described, and in one way; raises UsageError."""
    for name in ALIKE_FACTORS:
        if "cameras" in matrix and name in matrix:
            raise document.error(("matrix", name), "must not stand beside cameras, which say it")
    for name in () if "cameras" in matrix else (*ALIKE_FACTORS, "trace"):
        if name not in matrix:
            raise document.error(("matrix", name), "is missing")


class _Files:
    """The traces, videos and camera lists that an experiment names, as they are read; methods raise UsageError."""

    def __init__(self, document: Document, folder: Path, file: _ExperimentFile) -> None:
        self.traces: dict[str, LinkTrace] = {}
        self.videos: dict[str, Facts] = {}
        self.camera_lists: dict[str, tuple[ListedCamera, ...]] = {}
        self._document = document
        self._folder = folder
        self._file = file

    def read_trace(self, document: Document, place: Place, name: str) -> None:
        """Reads a trace that a document names, of those that are shipped or beside the experiment."""
        if name in self.traces:
            return
        path = TRACES_DIR / f"{name}_mbps.txt"
        if Path(name).suffix:
            path = self._folder / name
        elif not path.is_file():
            known = [one.name.removesuffix("_mbps.txt") for one in TRACES_DIR.glob("*_mbps.txt")]
            raise document.error(place, f"{echo(name)}: must be {with_suffix(known)}")
        with _blamed(document, place):
            trace = read_trace(path, scale_ratio=self._file.trace_scale_ratio)
        if self._file.seconds == ONE_ROUND and trace.round_s > MAX_SECONDS:
            rule = f"is {trace.round_s:g} s long: must be at most {MAX_SECONDS:g} for seconds: {ONE_ROUND}"
            raise document.error(place, rule)
        self.traces[name] = trace

    def read_video(self, document: Document, place: Place, name: str) -> None:
        """Finds out about a video that a document names: drawn, or a file beside the experiment with its truth beside it."""
        if name not in self.videos:
            with _blamed(document, place), document.blamed(place):
                self.videos[name] = maker_of(name, self._folder).facts

    def read_camera_list(self, number: int, name: str, matrix: Mapping[str, object]) -> None:
        """Reads the list of that number in the matrix, and the traces and videos of its cameras."""
        place = ("matrix", "cameras", number)
        with _blamed(self._document, place):
            document, cameras = read_camera_list(name, self._folder)
            for index, one in enumerate(cameras):
                if one.trace:
                    self.read_trace(document, ("cameras", index, "trace"), one.trace)
                if one.source:
                    self.read_video(document, ("cameras", index, "source"), one.source)
        without = [index for index, one in enumerate(cameras) if not one.trace]
        if without and "trace" not in matrix:
            rule = f"is missing, and camera {without[0]} of {name} names none"
            raise self._document.error(("matrix", "trace"), rule)
        for key in ("trace", "source"):
            if key in matrix and all(getattr(one, key) for one in cameras):
                rule = f"names a {key} for each camera: must not stand beside {key}"
                raise self._document.error(place, f"{echo(name)}: {rule}")
        self.camera_lists[name] = cameras
