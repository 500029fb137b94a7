"""Where frames come from: a port, and its adapters for files, cameras, pictures and drawn scenes."""

from .arrays import ArraySource
from .camera import CameraSource
from .pictures import FolderSource
from .port import EncodingSource, FrameSource, NoPicture, Picture
from .registry import is_live_source, open_source
from .scenes import SceneSource
from .video import VideoSource

__all__ = [
    "ArraySource",
    "CameraSource",
    "EncodingSource",
    "FolderSource",
    "FrameSource",
    "NoPicture",
    "Picture",
    "SceneSource",
    "VideoSource",
    "is_live_source",
    "open_source",
]
