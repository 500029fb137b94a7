"""An experiment: its factors, and the runs that they multiply to."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapting.estimators import DEFAULT_ESTIMATOR
from ..adapting.policies.registry import DEFAULT_POLICY, budget_rule
from ..core.budget_rules import DEFAULT_BUDGET_RULE
from ..links.shapers import SHAPERS
from ..links.traces import LinkTrace
from ..live_run.cameras import LiveCamera

Value = str | int | float | bool | tuple[str, ...]
USUAL_ZOO = "traffic"  # the same on every machine
_OWN_FACTORS = ("clients", "slo_ms", "fps", "trace")
CAMERA_FACTORS = ("policy", "estimator", "shaper")  # of cameras and their links
REPEATS = ("seed", "iteration")  # what a cell's mean is taken over
_DIGEST_LENGTH = 12
_ID_LENGTH = 160  # of at most 255 bytes that a file system takes


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that fixes one run, but the machine and the releases.

    Attributes:
        seconds: how long each camera captures.
        clients: number of cameras; all alike, as in the published matrix.
        link: that trace, scaled; each camera begins at a place of its own in it.
        seed: of the drawn scene, the places in the trace, and the planner.
        iteration: from 0; repeats with other places in the trace.
        server: options of the server that are not at their defaults.
        varied: options of server and cameras that differ between the runs of the experiment.
        detections_zoo: whose networks look at what devices were sent that run none; empty for nobody's.
    """

    seconds: float
    clients: int
    slo_ms: float
    fps: float
    trace: str
    link: LinkTrace
    wire_ms: float
    seed: int
    iteration: int
    server: Mapping[str, Value]
    policy: str = DEFAULT_POLICY
    estimator: str = DEFAULT_ESTIMATOR
    shaper: str = SHAPERS[0]
    varied: tuple[str, ...] = ()
    detections_zoo: str = ""

    def factors(self) -> dict[str, Value]:
        """What tells the run from the others of its experiment, as columns of the tables."""
        own = (*_OWN_FACTORS, *CAMERA_FACTORS, *REPEATS)
        return {
            name: getattr(self, name) if name in own else self.server[name]
            for name in (*_OWN_FACTORS, *self.varied, *REPEATS)
        }

    def cell(self) -> dict[str, Value]:
        """The factors without those that only repeat."""
        return {name: value for name, value in self.factors().items() if name not in REPEATS}

    def as_json(self) -> dict[str, object]:
        """All of it, for `config.json`."""
        values = dataclasses.asdict(self)
        del values["varied"]  # says something about the other runs
        return values

    @property
    def digest(self) -> str:
        """Differs between different configurations."""
        whole = json.dumps(self.as_json(), sort_keys=True).encode()
        return hashlib.sha256(whole).hexdigest()[:_DIGEST_LENGTH]

    @property
    def run_id(self) -> str:
        """Names the run's folder: what tells it from the others of its experiment, and the digest."""
        text = "_".join(f"{name}-{value_text(value)}" for name, value in self.factors().items())
        kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in text)
        return f"{kept[:_ID_LENGTH]}_{self.digest}"

    @property
    def start_seed(self) -> int:
        """Fixes the moments at which cameras start: others in each iteration."""
        return self.seed + 1000 * self.iteration

    def cameras(self) -> tuple[LiveCamera, ...]:
        """The run's cameras: one scene for all, and a place in the trace for each."""
        places = random.Random(f"{self.seed} {self.iteration}")  # noqa: S311 no secret
        return tuple(
            LiveCamera(
                stream_id=f"camera-{number}",
                scene_seed=self.seed,
                fps=self.fps,
                slo_ms=self.slo_ms,
                trace=dataclasses.replace(
                    self.link, offset=places.randrange(len(self.link.values_mbps))
                ),
                wire_ms=self.wire_ms,
                policy=self.policy,
                estimator=self.estimator,
            )
            for number in range(self.clients)
        )

    def link_text(self, camera: LiveCamera) -> str:
        """The link of one of its cameras in words."""
        return f"{self.trace} from value {camera.trace.offset}"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A matrix of runs.

    Attributes:
        iterations: how often each combination is run.
        server: options of the server that all runs share.
        matrix: factor to its values: clients, slo_ms, fps, trace, seed, policy,
            estimator, shaper, and
            options of the server.
        traces: name to trace, of those in the matrix.
        detections_zoo: as of its runs.
    """

    name: str
    seconds: float
    iterations: int
    wire_ms: float
    server: Mapping[str, Value]
    matrix: Mapping[str, tuple[Value, ...]]
    traces: Mapping[str, LinkTrace]
    detections_zoo: str = ""

    def runs(self) -> list[RunConfig]:
        """All runs; every cell once, before any cell comes again, so that a part says something."""
        varied = tuple(name for name in self.matrix if name not in (*_OWN_FACTORS, "seed"))
        names = (*_OWN_FACTORS, *varied)
        runs: list[RunConfig] = []
        for iteration, seed in itertools.product(range(self.iterations), self.matrix["seed"]):
            for values in itertools.product(*(self.matrix[name] for name in names)):
                options = {**self.server, **dict(zip(names, values, strict=True))}
                factors: dict[str, Any] = {
                    name: options.pop(name)
                    for name in (*_OWN_FACTORS, *CAMERA_FACTORS)
                    if name in options
                }
                runs.append(
                    RunConfig(
                        **factors,
                        seconds=self.seconds,
                        link=self.traces[factors["trace"]],
                        wire_ms=self.wire_ms,
                        seed=int(str(seed)),
                        iteration=iteration,
                        server=_with_budget_rule(factors.get("policy", DEFAULT_POLICY), options),
                        varied=varied,
                        detections_zoo=self.detections_zoo,
                    )
                )
        return runs


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
