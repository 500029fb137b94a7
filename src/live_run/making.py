"""Where the pictures of an experiment's videos are from: drawn streets, and files of a user."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from ..client.sources import NoPicture, VideoSource, open_source
from ..client.video_truth import VideoTruth, digest_of
from ..core.checks import echo
from ..core.errors import RunError, UsageError
from ..vision import fits, preprocessing, scenes
from ..vision.accuracy import FrameTruth, truth_of
from ..vision.classes import TRAFFIC_CLASSES
from ..vision.fits import Image, Size
from ..vision.scenes import Scene, Traffic

DRAWN_FPS: Final = 25.0
DRAWN_S: Final = 180.0
DRAWN_SIZE_PX: Final = (1280, 720)
DRAWN, SCENE = "drawn:", "scene:"
DRAWN_STREETS: Final[Mapping[str, tuple[int, Traffic]]] = {
    "sparse": (103, Traffic("day", "along", num_lanes=2, load_ratio=0.3, has_parked=False)),
    "dense": (101, Traffic("overcast", "crossing", num_lanes=4, load_ratio=1.0)),
    "night": (102, Traffic("night", "dual", load_ratio=0.5)),
}
"""Name to seed and traffic."""
SOURCES: Final = f"{', '.join(DRAWN + one for one in DRAWN_STREETS)}, {SCENE}SEED or a video file"
MAX_FILE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a video before a picture of it is made.

    Attributes:
        digest: differs where anything differs that its pictures, or what is encoded of them, hang on.
        class_names: by class id of its truth; empty where none is known.
        path: of a user's file; empty for a drawn street.
    """

    name: str
    digest: str
    fps: float
    num_pictures: int
    size_px: Size
    class_names: tuple[str, ...] = ()
    path: str = ""

    @property
    def seconds(self) -> float:
        """How long the video is."""
        return self.num_pictures / self.fps


class PictureMaker(Protocol):
    """Makes the pictures of a video; for one thread at a time."""

    @property
    def facts(self) -> Facts:
        """What is known of the video."""
        ...

    def make(self, number: int) -> tuple[Image, FrameTruth | None]:
        """A picture, counted from 0, and what there is to see in it, if that comes with it; quick if numbers rise.

        Raises:
            RunError: if there is no such picture.
        """
        ...

    def truth_beside(self, number: int) -> FrameTruth | None:
        """What somebody says that there is to see in it."""
        ...


class DrawnStreet:
    """A drawn street of three minutes at 25 frame/s: `drawn:sparse`, `drawn:dense`, `drawn:night`, or `scene:SEED`."""

    def __init__(self, text: str) -> None:
        """Draws nothing yet; ValueError if no street is called so."""
        kind, _, name = text.partition(":")
        if f"{kind}:" == DRAWN and name in DRAWN_STREETS:
            self._seed, self._traffic = DRAWN_STREETS[name]
        elif f"{kind}:" == SCENE and name.isascii() and name.isdigit() and len(name) < 10:  # noqa: PLR2004
            self._seed, self._traffic = int(name), Traffic()
        else:
            raise ValueError(f"{echo(text)}: must be {SOURCES}")
        self.facts = Facts(
            name=text,
            digest=_digest_of_drawing(f"{self._seed} {self._traffic}"),
            fps=DRAWN_FPS,
            num_pictures=round(DRAWN_S * DRAWN_FPS),
            size_px=DRAWN_SIZE_PX,
            class_names=TRAFFIC_CLASSES,
        )
        self._scene: Scene | None = None

    def make(self, number: int) -> tuple[Image, FrameTruth]:
        """Draws a picture, which takes about 7 ms; the first a second more."""
        if self._scene is None:
            self._scene = Scene(
                self._seed, "test", *DRAWN_SIZE_PX, DRAWN_FPS, traffic=self._traffic
            )
        frame = self._scene.frame(number)
        return frame.image, truth_of(frame)

    def truth_beside(self, number: int) -> None:
        """Nothing: it comes with the picture."""


def _digest_of_drawing(what: str) -> str:
    """Changes with the program that draws."""
    folder = Path(scenes.__file__).parent
    digest = hashlib.sha256(what.encode())
    for path in (*sorted(folder.glob("*.py")), Path(fits.__file__), Path(preprocessing.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(slots=True, eq=False)
class VideoFile:
    """A user's video, at the rate that it says; its truth is a file of COCO's annotations beside it, `street.json` for `street.mp4`."""

    path: Path
    facts: Facts = field(init=False)
    _truth: VideoTruth | None = None
    _source: VideoSource | None = None
    _pictures: Iterator[Image] = field(default_factory=lambda: iter(()))
    _next: int = 0  # number of the picture that comes next

    def __post_init__(self) -> None:
        """Looks at the first picture.

        Raises:
            UsageError: if it is no video, or its truth is none of this video.
            RunError: if it cannot be opened.
        """
        truth = self.path.with_suffix(".json")
        if truth.is_file():
            self._truth = VideoTruth(truth, str(self.path), "truth")
        source = _open(self.path)
        try:
            image, fps = source.read(0), source.usual_fps
            number = source.num_told or 1 + sum(1 for _ in source.pictures())
        finally:
            source.close()
        if image is None or number / fps > MAX_FILE_S:
            raise UsageError(f"{self.path}: must be a video of at most {MAX_FILE_S:g} s")
        self.facts = Facts(
            name=self.path.name,
            digest=digest_of(self.path),
            fps=fps,
            num_pictures=number,
            size_px=(image.shape[1], image.shape[0]),
            class_names=() if self._truth is None else self._truth.class_names,
            path=str(self.path.absolute()),
        )

    def make(self, number: int) -> tuple[Image, None]:
        """Decodes a picture, and those before it that were not decoded yet."""
        if self._source is None or number < self._next:
            self.close()
            self._source = _open(self.path)
            self._pictures, self._next = self._source.pictures(), 0
        try:
            image = next(itertools.islice(self._pictures, number - self._next, None), None)
        except NoPicture as error:
            raise RunError(f"{self.path}: picture {number} cannot be shown: {error}") from None
        self._next = number + 1
        if image is None:
            raise RunError(f"{self.path}: has fewer pictures than it says: {number} is not there")
        return image, None

    def close(self) -> None:
        """Closes the file, if it is open."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def __del__(self) -> None:
        """Whoever looked at it last has gone."""
        self.close()

    def truth_beside(self, number: int) -> FrameTruth | None:
        """By the file beside the video."""
        return None if self._truth is None else self._truth.images[number].truth


def _open(path: Path) -> VideoSource:
    source = open_source(path, 1.0)
    if not isinstance(source, VideoSource):
        source.close()
        raise UsageError(f"{path}: must be a video file")
    return source


def maker_of(source: str, folder: Path = Path()) -> PictureMaker:
    """What makes the pictures of a source: a drawn street, or a video file by its path from a folder.

    Raises:
        ValueError: if no street is called so, or there is no such file.
        UsageError: if it is no video, or its truth is none of this video.
        RunError: if it cannot be opened.
    """
    if is_drawn(source):
        return DrawnStreet(source)
    if not (folder / source).is_file():
        raise ValueError(f"{echo(source)}: must be {SOURCES}")
    return VideoFile(folder / source)


def is_drawn(source: str) -> bool:
    """Whether a source is a drawn street, the same everywhere."""
    return source.startswith((DRAWN, SCENE))
