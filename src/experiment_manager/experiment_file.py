"""Reads an experiment from a YAML file; docs/experiments.md describes it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml

from ..adapting.estimators import check_estimator
from ..adapting.policies.registry import check_policy
from ..core.checks import echo, require_positive
from ..core.errors import ConfigError, UsageError
from ..core.limits import FPS, SLO_MS, WIRE_MS, Range
from ..files.yaml_file import (
    entries,
    read_mapping,
    read_number,
    read_text,
    read_texts,
    read_whole,
)
from ..links.shapers import SHAPERS
from ..links.traces import LinkTrace, read_trace
from ..live_run.cameras import TRACES_DIR
from ..server.config import ServerConfig
from ..server.config_file import READERS
from ..zoos import load_variants, variants_path
from .matrix import CAMERA_FACTORS, Experiment, Value

SHIPPED_DIR = Path(__file__).with_name("experiments")
MAX_CLIENTS = 64
MAX_ITERATIONS = 1000
MAX_RUNS = 10_000
MAX_SECONDS = 3600.0
MAX_SEED = 2**31 - 1

SET_BY_US = ("host", "port", "insecure", "out_dir", "seed")
_KINDS = {item.name: str(item.type) for item in dataclasses.fields(ServerConfig)}
_OPTIONS = tuple(name for name in _KINDS if name not in SET_BY_US)
_KEYS = ("seconds", "iterations", "wire_ms", "trace_scale_ratio", "server", "matrix")
_REQUIRED_FACTORS = ("clients", "slo_ms", "fps", "trace")
_FACTORS = (*_REQUIRED_FACTORS, "seed", *CAMERA_FACTORS, *_OPTIONS)


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
    """Reads and checks an experiment.

    Args:
        path: the file.
        is_elsewhere: whether its server will run on another machine, which alone knows its devices.

    Raises:
        UsageError: naming file, line, key and rule.
    """
    return _Reader(path, is_elsewhere=is_elsewhere).read()


T = TypeVar("T")


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, *, is_elsewhere: bool) -> None:
        self._path = path
        self._is_elsewhere = is_elsewhere
        self._numbers = {"seconds": 10.0, "wire_ms": 0.0, "trace_scale_ratio": 1.0}
        self._iterations = 1
        self._server: dict[str, Value] = {}
        self._matrix: dict[str, tuple[Value, ...]] = {}
        self._lines: dict[tuple[str, Value], int] = {}  # of options and factors with their values

    def read(self) -> Experiment:
        root = read_mapping(self._path)
        for key, node, line in entries(self._path, root, _KEYS):
            if key == "server":
                self._read_server(key, node, line)
            elif key == "matrix":
                self._read_matrix(key, node, line)
            elif key == "iterations":
                self._iterations = self._value(key, node, line, _read_iterations)
            else:
                self._numbers[key] = self._value(key, node, line, _NUMBERS[key])
        for name in _REQUIRED_FACTORS:
            if name not in self._matrix:
                raise UsageError(f"{self._path}: matrix: {name}: must be given")
        self._matrix.setdefault("seed", (0,))
        self._check_zoos()
        experiment = Experiment(
            name=self._path.stem,
            seconds=self._numbers["seconds"],
            iterations=self._iterations,
            wire_ms=self._numbers["wire_ms"],
            server=self._server,
            matrix=self._matrix,
            traces=self._read_traces(),
        )
        num_runs = self._iterations
        for values in self._matrix.values():
            num_runs *= len(values)
        if num_runs > MAX_RUNS:
            raise UsageError(f"{self._path}: is {num_runs} runs: must be at most {MAX_RUNS}")
        return experiment

    def _read_server(self, key: str, node: yaml.Node, line: int) -> None:
        for name, value, at in self._entries(key, node, line, _OPTIONS):
            if name in self._matrix:
                self._fail(at, f"server: {name}", "stands in the matrix too")
            read = functools.partial(self._read_option, name)
            self._server[name] = self._value(f"server: {name}", value, at, read)
            self._lines[name, self._server[name]] = at

    def _read_matrix(self, key: str, node: yaml.Node, line: int) -> None:
        for name, values, at in self._entries(key, node, line, _FACTORS):
            if name in self._server:
                self._fail(at, f"matrix: {name}", "stands under server too")
            if not isinstance(values, yaml.SequenceNode) or not values.value:
                self._fail(at, f"matrix: {name}", "must be a list of at least one value")
            found: list[Value] = []
            for one in values.value:
                row = one.start_mark.line + 1
                read = functools.partial(self._read_factor, name)
                value = self._value(f"matrix: {name}", one, row, read)
                if value in found:
                    self._fail(row, f"matrix: {name}", f"{echo(value)}: is listed twice")
                found.append(value)
                self._lines[name, value] = row
            self._matrix[name] = tuple(found)

    def _read_option(self, name: str, node: yaml.Node) -> Value:
        """Reads an option of the server, and checks it alone; devices stay as a person writes them."""
        if name == "devices":
            return self._read_devices(node)
        if name == "profiles_dir" and self._is_elsewhere:
            raise ValueError("is for runs on this machine")
        value: Value = READERS[_KINDS[name]](node)
        ServerConfig(**{name: value})  # type: ignore[arg-type]
        return value

    def _read_devices(self, node: yaml.Node) -> Value:
        texts = read_texts(node) if isinstance(node, yaml.SequenceNode) else (read_text(node),)
        if not self._is_elsewhere:
            READERS[_KINDS["devices"]](node)
        return texts

    def _read_shaper(self, node: yaml.Node) -> Value:
        shaper = read_text(node)
        if shaper not in SHAPERS:
            raise ValueError(f"{echo(shaper)}: must be one of {', '.join(SHAPERS)}")
        if shaper != SHAPERS[0] and self._is_elsewhere:
            raise ValueError(f"{shaper}: is for runs on this machine")
        return shaper

    def _read_factor(self, name: str, node: yaml.Node) -> Value:
        if name == "trace":
            return read_text(node)
        if name == "policy":
            return check_policy(read_text(node))
        if name == "estimator":
            return check_estimator(read_text(node))
        if name == "shaper":
            return self._read_shaper(node)
        if name in _RANGES:
            return _RANGES[name].require(name, read_number(node))
        if name == "clients":
            return _whole_between(name, read_whole(node), 1, MAX_CLIENTS)
        if name == "seed":
            return _whole_between(name, read_whole(node), 0, MAX_SEED)
        return self._read_option(name, node)

    def _check_zoos(self) -> None:
        folder = Path(str(self._server["profiles_dir"])) if "profiles_dir" in self._server else None
        for where, zoos in (
            ("server", (self._server.get("zoo"),)),
            ("matrix", self._matrix.get("zoo", ())),
        ):
            for zoo in zoos:
                if zoo is None:
                    continue
                try:
                    load_variants(variants_path(str(zoo), folder))
                except UsageError as error:
                    self._fail(self._lines["zoo", zoo], f"{where}: zoo", str(error))

    def _read_traces(self) -> dict[str, LinkTrace]:
        traces: dict[str, LinkTrace] = {}
        for value in self._matrix["trace"]:
            name, line = str(value), self._lines["trace", value]
            path = TRACES_DIR / f"{name}_mbps.txt"
            if Path(name).suffix:
                path = self._path.parent / name
            elif not path.is_file():
                known = sorted(
                    one.name.removesuffix("_mbps.txt") for one in TRACES_DIR.glob("*_mbps.txt")
                )
                rule = f"must be one of {', '.join(known)}, or a file with a suffix"
                self._fail(line, "matrix: trace", f"{echo(name)}: {rule}")
            scale_ratio = self._numbers["trace_scale_ratio"]
            try:
                traces[name] = read_trace(path, scale_ratio=scale_ratio)
            except UsageError as error:
                self._fail(line, "matrix: trace", str(error))
        return traces

    def _entries(
        self, key: str, node: yaml.Node, line: int, known: tuple[str, ...]
    ) -> list[tuple[str, yaml.Node, int]]:
        if not isinstance(node, yaml.MappingNode):
            self._fail(line, key, "must be a mapping of options to values")
        for key_node, _ in node.value:
            name = str(key_node.value)
            if name in SET_BY_US and name not in known:
                at = key_node.start_mark.line + 1
                self._fail(at, f"{key}: {name}", "is set by the experiment itself")
        return list(entries(self._path, node, known))

    def _value(self, key: str, node: yaml.Node, line: int, read: Callable[[yaml.Node], T]) -> T:
        try:
            return read(node)
        except ConfigError as error:
            self._fail(line, key, error.problem)
        except ValueError as error:
            self._fail(line, key, str(error))

    def _fail(self, line: int, key: str, problem: str) -> NoReturn:
        raise UsageError(f"{self._path}:{line}: {key}: {problem}") from None


def _read_iterations(node: yaml.Node) -> int:
    return _whole_between("iterations", read_whole(node), 1, MAX_ITERATIONS)


def _whole_between(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"{name}={value}: must be {least} to {most}")
    return value


_RANGES: Mapping[str, Range] = {"fps": FPS, "slo_ms": SLO_MS}
_NUMBERS: Mapping[str, Callable[[yaml.Node], float]] = {
    "seconds": lambda node: require_positive("seconds", read_number(node), MAX_SECONDS),
    "wire_ms": lambda node: WIRE_MS.require("wire_ms", read_number(node)),
    "trace_scale_ratio": lambda node: require_positive(
        "trace_scale_ratio", read_number(node), 1000
    ),
}
