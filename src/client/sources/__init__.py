"""Where frames come from: a port, and its adapters for files, cameras, pictures and drawn scenes."""

from .camera import CameraSource
from .made import ArraySource, SceneSource
from .pictures import FolderSource
from .port import EncodingSource, FrameSource, NoPicture, Picture
from .registry import is_live_source, open_source
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
