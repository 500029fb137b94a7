"""An experiment: its factors, and the runs that they multiply to."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..adapting.estimators import DEFAULT_ESTIMATOR
from ..adapting.policies.registry import DEFAULT_POLICY, budget_rule
from ..core.budget_rules import DEFAULT_BUDGET_RULE
from ..links.shapers import SHAPERS
from ..links.traces import LinkTrace
from ..live_run.cameras import LiveCamera
from ..live_run.making import DRAWN_S, SCENE, Facts
from ..scheduling.serving_options import ONLY_WITH_OBJECTIVE
from .listed_cameras import ListedCamera, alike, common

Value = str | int | float | bool | tuple[str, ...]
USUAL_ZOO = "traffic"  # the same on every machine
ALIKE_FACTORS = ("clients", "slo_ms", "fps")  # of cameras that do not differ
_OWN_FACTORS = (*ALIKE_FACTORS, "trace")
CAMERA_FACTORS = ("policy", "estimator", "shaper", "source")  # of cameras and their links
REPEATS = ("seed", "iteration")  # what a cell's mean is taken over
WHOLE_VIDEO, ONE_ROUND = "source", "trace"  # in place of seconds
_DIGEST_LENGTH = 12
_ID_LENGTH = 160  # of at most 255 bytes that a file system takes


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that fixes one run, but the machine and the releases.

    Attributes:
        seconds: how long each camera captures.
        listed: its cameras.
        camera_list: name of the list that they are of; empty where all are alike, as in the published matrix.
        trace: of cameras that have none of their own.
        links: its cameras' traces, scaled; each camera begins at a place of its own in its trace.
        seed: of the drawn scene, the places in it and in the traces, when cameras start, and the planner.
        iteration: from 0; repeats with other places in the trace.
        server: options of the server that are not at their defaults.
        varied: options of server and cameras that differ between the runs of the experiment.
        detections_zoo: whose networks look at what devices were sent that run none; empty for nobody's.
        start_spread_s: cameras that name no start draw one from 0 to that.
        source: video of cameras that have none of their own, as the experiment names it; empty for the street of the seed.
        videos: what is known of those that are named; of files the bytes are part of the digest, the places are not.
    """

    seconds: float
    listed: tuple[ListedCamera, ...]
    trace: str
    links: Mapping[str, LinkTrace]
    wire_ms: float
    seed: int
    iteration: int
    server: Mapping[str, Value]
    policy: str = DEFAULT_POLICY
    estimator: str = DEFAULT_ESTIMATOR
    shaper: str = SHAPERS[0]
    varied: tuple[str, ...] = ()
    detections_zoo: str = ""
    camera_list: str = ""
    start_spread_s: float = 0.0
    source: str = ""
    videos: Mapping[str, Facts] = field(default_factory=dict)

    @property
    def clients(self) -> int:
        """How many cameras it has."""
        return len(self.listed)

    @property
    def slo_ms(self) -> float | None:
        """The SLO of all cameras; None if they differ."""
        return common(one.slo_ms for one in self.listed)

    @property
    def fps(self) -> float | None:
        """The frame rate of all cameras; None if they differ."""
        return common(one.fps for one in self.listed)

    def factors(self) -> dict[str, Value | None]:
        """What tells the run from the others of its experiment, as columns of the tables; None where its cameras differ, or its objective has no use for it."""
        named: dict[str, Value | None] = {"cameras": self.camera_list} if self.camera_list else {}
        own = (*_OWN_FACTORS, *CAMERA_FACTORS, *REPEATS)
        return named | {
            name: getattr(self, name) if name in own else self.server.get(name)
            for name in (*_OWN_FACTORS, *self.varied, *REPEATS)
        }

    def factor_texts(self) -> dict[str, str]:
        """The factors in words, without those in which its cameras differ."""
        return {
            name: value_text(value) for name, value in self.factors().items() if value is not None
        }

    def cell(self) -> dict[str, Value | None]:
        """The factors without those that only repeat."""
        return {name: value for name, value in self.factors().items() if name not in REPEATS}

    def as_json(self) -> dict[str, object]:
        """All of it, for `config.json`."""
        values = dataclasses.asdict(self)
        values["videos"] = {name: one.digest for name, one in self.videos.items() if one.path}
        del values["varied"]  # which says something about the other runs
        return values

    @property
    def digest(self) -> str:
        """Differs between different configurations."""
        whole = json.dumps(self.as_json(), sort_keys=True).encode()
        return hashlib.sha256(whole).hexdigest()[:_DIGEST_LENGTH]

    @property
    def run_id(self) -> str:
        """Names the run's folder: what tells it from the others of its experiment, and the digest."""
        text = "_".join(f"{name}-{value}" for name, value in self.factor_texts().items())
        kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in text)
        return f"{kept[:_ID_LENGTH]}_{self.digest}"

    @property
    def start_seed(self) -> int:
        """Fixes the moments at which cameras start: others in each iteration."""
        return self.seed + 1000 * self.iteration

    def cameras(self) -> tuple[LiveCamera, ...]:
        """The run's cameras: a place in its video and in its trace and a start for each."""
        places = random.Random(f"{self.seed} {self.iteration}")  # noqa: S311 no secret
        starts = random.Random(f"{self.seed} {self.iteration} starts")  # noqa: S311
        video_start_s = random.Random(f"{self.seed} video").uniform(0, DRAWN_S)  # noqa: S311
        cameras: list[LiveCamera] = []
        for number, one in enumerate(self.listed):
            link = self.links[one.trace or self.trace]
            start_s = starts.uniform(0.0, self.start_spread_s)
            cameras.append(
                LiveCamera(
                    stream_id=f"camera-{number}",
                    source=self._source_of(one),
                    fps=one.fps,
                    slo_ms=one.slo_ms,
                    trace=dataclasses.replace(link, offset=places.randrange(len(link.values_mbps))),
                    wire_ms=self.wire_ms,
                    policy=self.policy,
                    estimator=self.estimator,
                    start_s=start_s if one.start_s is None else one.start_s,
                    source_start_s=video_start_s,  # the same pictures for all: few are drawn, and looked at
                )
            )
        return tuple(cameras)

    def _source_of(self, listed: ListedCamera) -> str:
        """What a camera looks at, as `live_run.making.maker_of` takes it."""
        name = listed.source or self.source or f"{SCENE}{self.seed}"
        return self.videos[name].path or name if name in self.videos else name

    @property
    def span_s(self) -> float:
        """From when the links start until the last camera has captured its last frame."""
        return self.seconds + max(camera.start_s for camera in self.cameras())

    def link_texts(self) -> list[str]:
        """The link of each of its cameras in words."""
        return [
            f"{one.trace or self.trace} from value {camera.trace.offset}"
            + (f", starts at {camera.start_s:.2f} s" if camera.start_s else "")
            for one, camera in zip(self.listed, self.cameras(), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A matrix of runs.

    Attributes:
        seconds: how long each camera captures: `ONE_ROUND` of the longest trace of its cameras, or `WHOLE_VIDEO` for as long as
            their longest video.
        iterations: how often each combination is run.
        server: options of the server that all runs share.
        matrix: factor to its values: cameras, or clients, slo_ms and fps; trace, seed, policy,
            estimator, shaper, source, and
            options of the server.
        traces: name to trace, of those in the matrix and in camera lists.
        detections_zoo, start_spread_s: as of its runs.
        camera_lists: name to cameras, of those in the matrix.
        videos: source to what is known of it.
    """

    name: str
    seconds: float | str
    iterations: int
    wire_ms: float
    server: Mapping[str, Value]
    matrix: Mapping[str, tuple[Value, ...]]
    traces: Mapping[str, LinkTrace]
    detections_zoo: str = ""
    camera_lists: Mapping[str, tuple[ListedCamera, ...]] = field(default_factory=dict)
    start_spread_s: float = 0.0
    videos: Mapping[str, Facts] = field(default_factory=dict)

    def runs(self) -> list[RunConfig]:
        """All runs; every cell once, before any cell comes again, so that a part says something.

        Where objectives vary, options that hang on one of them are left out of runs with another, and each such run is there once.
        """
        own = (*(("cameras",) if "cameras" in self.matrix else ALIKE_FACTORS), "trace")
        varied = tuple(name for name in self.matrix if name not in (*own, "seed"))
        names = (*own, *varied)
        runs: list[RunConfig] = []
        for iteration, seed in itertools.product(range(self.iterations), self.matrix["seed"]):
            for values in itertools.product(*(self.matrix[name] for name in names)):
                options = {**self.server, **dict(zip(names, values, strict=True))}
                factors: dict[str, Any] = {
                    name: options.pop(name) for name in (*own, *CAMERA_FACTORS) if name in options
                }
                if "objective" in self.matrix:
                    options = _of_objective(options)
                camera_list = factors.pop("cameras", "")
                listed = (
                    self.camera_lists[camera_list]
                    if camera_list
                    else alike(*(factors.pop(name) for name in ALIKE_FACTORS))
                )
                used = {one.trace or factors["trace"]: None for one in listed}
                links = {name: self.traces[name] for name in used}
                sources = {str(one.source or factors.get("source", "")) for one in listed} - {""}
                videos = {name: self.videos[name] for name in sorted(sources)}
                runs.append(
                    RunConfig(
                        **factors,
                        seconds=self._seconds_of(videos.values(), links.values()),
                        listed=listed,
                        camera_list=camera_list,
                        links=links,
                        videos=videos,
                        wire_ms=self.wire_ms,
                        seed=int(str(seed)),
                        iteration=iteration,
                        server=_with_budget_rule(factors.get("policy", DEFAULT_POLICY), options),
                        varied=varied,
                        detections_zoo=self.detections_zoo,
                        start_spread_s=self.start_spread_s,
                    )
                )
        return list({run.digest: run for run in runs}.values())

    def _seconds_of(self, videos: Iterable[Facts], links: Iterable[LinkTrace]) -> float:
        """How long cameras capture that look at videos over links."""
        if not isinstance(self.seconds, str):
            return self.seconds
        if self.seconds == ONE_ROUND:
            return max(link.round_s for link in links)
        return max((video.seconds for video in videos), default=DRAWN_S)


def _of_objective(options: Mapping[str, Value]) -> dict[str, Value]:
    """The server's options without those that its objective has no use for."""
    return {
        name: value
        for name, value in options.items()
        if options["objective"] in ONLY_WITH_OBJECTIVE.get(name, (options["objective"],))
    }


def _with_budget_rule(policy: str, options: Mapping[str, Value]) -> Mapping[str, Value]:
    """The server's options with the rule that belongs to the cameras' policy, where that is no default."""
    rule = budget_rule(policy)
    return options if rule == DEFAULT_BUDGET_RULE else {"budget_rule": rule, **options}


def detections_words(zoo: str) -> str:
    """What captions say of a `detections_zoo`; nothing if there is none."""
    if not zoo:
        return ""
    found = f"what zoo {Path(zoo).name} finds in the very frames, as they were sent"
    return f"Latency is that of profiles; detections are {found}."


def value_text(value: Value) -> str:
    """A factor's value, short."""
    if isinstance(value, tuple):
        return "+".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
