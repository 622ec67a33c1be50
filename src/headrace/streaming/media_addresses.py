"""Paths and URIs in the cells of an index: where they start, where they lead, and what kind of media they name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import unquote

from headrace.errors import InvalidInput

__all__ = ["address_of", "climbs_out", "kind_of_path", "names_media"]

_IMAGE = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jxl")
_VIDEO = (".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".ts", ".ogv")
_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff")
_ARRAYS = (".npy", ".npz", ".pt", ".pth", ".gz", ".safetensors", ".bin", ".msgpack", ".h5")
_KINDS = {
    **dict.fromkeys(_IMAGE, "image"),
    **dict.fromkeys(_VIDEO, "video"),
    **dict.fromkeys(_AUDIO, "audio"),
    **dict.fromkeys(_ARRAYS, "bytes"),
}


def kind_of_path(path: str) -> str | None:
    """ "image", "video", "audio", or "bytes" for arrays; None for anything else. `path` may be an extension."""
    return _KINDS.get(path[path.rfind(".") :].lower()) if "." in path else None


def names_media(values: Iterable[str]) -> str | None:
    """The kind of media if every one of the values ends in an extension of media, "bytes" if kinds differ."""
    kinds = {kind_of_path(value) if "\n" not in value else None for value in values}
    if not kinds or None in kinds:
        return None
    return kinds.pop() if len(kinds) == 1 else "bytes"


def address_of(value: str, root: str) -> str:
    """The local path or the URI that a cell means; relative ones start at `root`.

    Raises:
        InvalidInput: It climbs out of the root: only absolute paths and URIs may lie elsewhere, because those were
            meant so by whoever wrote them.
    """
    if value.startswith("/"):
        return value
    if "://" in value:
        return unquote(value.removeprefix("file://")) if value.startswith("file:///") else value
    if ".." in value and climbs_out(value):
        raise InvalidInput(
            f"{value!r} leads out of {root}, the folder of its index; expected a path below it, an absolute path or a "
            "URI"
        )
    if "\0" in value:
        raise InvalidInput(f"{value!r} holds a NUL character; expected a path or URI")
    return f"{root}/{value}"


def climbs_out(value: str) -> bool:
    """Whether a relative path leads out of the folder where it starts."""
    return os.path.normpath(value).split(os.sep, 1)[0] == ".."
