"""Scores of a run whose devices detect: against the zoo's golden variant, and as a viewer sees them."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from ..live_run.scenes import LoopedScene
from ..reporting.accuracy import FrameKey
from ..reporting.run_logs import RunLogs
from ..reporting.scores import Scores, score_answers
from ..vision.detections import Detections


def score_cameras(
    logs: RunLogs,
    detections: Mapping[FrameKey, Detections],
    scenes: Mapping[str, LoopedScene],
    zoo: str,
    class_names: tuple[str, ...],
) -> dict[str, Scores]:
    """Scores each camera of a run, and under `TOTAL` all of them together.

    Args:
        logs: of the run.
        detections: its answers.
        scenes: what each camera saw.
        zoo: whose largest variant gives the golden detections; cameras that share a scene share these.
        class_names: by class id.

    Raises:
        WeightsError: if the weights of the golden variant cannot be used.
    """
    keys = [(name, row.sequence) for name, rows in logs.frames.items() for row in rows]
    golden = {name: _golden(zoo, scene) for name, scene in scenes.items()}
    return score_answers(
        logs.frames,
        {stream.stream_id: stream.slo_ms for stream in logs.streams},
        {key: scenes[key[0]].truth_at(key[1]) for key in keys},
        {key: golden[key[0]][key[1] % scenes[key[0]].num_frames] for key in keys},
        detections,
        class_names,
    )


@functools.lru_cache(maxsize=1)  # as long as the scene itself is kept
def _golden(zoo: str, scene: LoopedScene) -> list[Detections]:
    from ..vision.golden import golden_detections  # noqa: PLC0415  # torch takes seconds

    return golden_detections(zoo, scene.images)
