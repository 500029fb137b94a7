"""What there is to find in a recording, picture by picture, and what answers are worth beside it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.addresses import mask_address
from ..core.answers import Answer
from ..core.errors import RunError, UsageError
from ..core.records import FrameRecord
from ..reporting.accuracy import AnyAccuracy, FrameKey, score_streams
from ..reporting.scores import Scores, score_answers
from ..reporting.table import ratio
from ..vision.accuracy import FrameTruth
from ..vision.coco_file import CocoImage, read_coco
from .emulation import CameraResult
from .sources import VideoSource, open_source
from .sources.telling import shown

SCORES_FILE = "scores.json"


class VideoTruth:
    """A file of COCO's annotations, whose images by their ids are the pictures of a recording in their order.

    Attributes:
        images: of the pictures, in their order.
    """

    def __init__(self, path: Path, name: str, option: str = "--truth") -> None:
        """Reads the file, and checks that it is of the recording of that name, as far as can be seen before it is played.

        Errors name it as the option does.

        Raises:
            UsageError: naming the file, the entry and the rule.
            RunError: if the recording cannot be opened.
        """
        self._at = f"{option} {path}"
        self._file = read_coco(path, option)
        self.images = sorted(self._file.images, key=lambda one: one.image_id)
        if not any((~one.truth.is_ignored).any() for one in self.images):
            raise UsageError(f"{self._at}: must hold an object at least")
        with contextlib.closing(open_source(name, 1.0)) as source:
            if not isinstance(source, VideoSource):
                raise UsageError(f"{option}: needs a video as its --source, not {shown(name)}")
            self._check(name, source)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those of its categories, by class id."""
        return self._file.class_names

    def _check(self, name: str, source: VideoSource) -> None:
        recording, sha256 = shown(mask_address(name)), self._file.info.get("sha256")
        if sha256 and Path(name).is_file() and digest_of(Path(name)) != sha256:
            of = self._file.info.get("video", "another video")
            raise UsageError(f"{self._at}: is of {of} as it was then, not of {recording}")
        image, size = source.read(0), self.images[0].truth.size_px
        if image is not None and image.shape[1::-1] != size:
            raise UsageError(
                f"{self._at}: is of pictures of {size[0]} x {size[1]} px, those of {recording} "
                f"have {image.shape[1]} x {image.shape[0]}"
            )
        if source.num_told and source.num_told != len(self.images):
            raise UsageError(
                f"{self._at}: has {len(self.images)} images, {recording} {source.num_told} "
                "pictures: must be as many"
            )

    def score(
        self,
        results: Sequence[CameraResult],
        frames: Sequence[FrameRecord],
        answers: Mapping[FrameKey, Answer],
    ) -> tuple[dict[str, AnyAccuracy], dict[str, Scores]]:
        """Scores each stream of that recording, and under `TOTAL` all of them together; reads it once more.

        Raises:
            RunError: if the recording cannot be read again, or has other pictures than the file.
            UsageError: if the server's zoo has none of the file's classes.
        """
        class_names = next((one.class_names for one in results if one.class_names), ())
        own = self._file.class_names
        if not set(own) & set(class_names):
            raise UsageError(
                f"{self._at}: categories: none is a class of the zoo; it has "
                f"{', '.join(class_names)}, the file {', '.join(own)}"
            )
        camera = results[
            0
        ].camera  # all play the same recording at the same rate, and want the same
        wanted = [one if one in (camera.classes or class_names) else "" for one in class_names]
        images = [one.known_to(wanted, own) for one in self.images]
        pictures = self._shown(images, camera.source, camera.fps, {row.sequence for row in frames})
        truth: dict[FrameKey, FrameTruth] = {}
        golden = {}
        rows: dict[str, list[FrameRecord]] = {one.camera.stream_id: [] for one in results}
        for row in sorted(frames, key=lambda one: one.sequence):
            image = pictures[row.sequence]
            key = (row.stream_id, row.sequence)
            truth[key], golden[key] = image.truth, image.detections
            rows[row.stream_id].append(row)
        slo_ms = {one.camera.stream_id: one.camera.slo_ms for one in results}
        return (
            score_streams(frames, truth, answers, class_names),
            score_answers(rows, slo_ms, truth, golden, answers, class_names),
        )

    def _shown(
        self, images: Sequence[CocoImage], source: str, fps: float, sequences: set[int]
    ) -> dict[int, CocoImage]:
        """Frame to the image of the picture that it shows."""
        found: dict[int, CocoImage] = {}
        with contextlib.closing(open_source(source, fps)) as video:
            for sequence in sorted(sequences):
                number = video.number_at(sequence) if isinstance(video, VideoSource) else None
                if number is None or number >= len(images):
                    raise RunError(
                        f"{self._at}: frame {sequence} shows a picture that is none of its {len(images)}"
                    )
                found[sequence] = images[number]
        return found


def digest_of(video: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with video.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def score_line(name: str, scores: Scores) -> str:
    """The scores of a stream for the terminal."""
    return (
        f"  {name}: F1 {ratio(scores.golden_f1)}, of detected frames {ratio(scores.golden_f1_detected)}, "
        f"one to one {ratio(scores.matched_f1)}; viewed mAP {ratio(scores.viewed_map)}"
    )
