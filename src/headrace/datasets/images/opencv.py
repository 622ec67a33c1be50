"""OpenCV where it is used first. It runs in the thread that calls it, because batches are made in parallel already."""

from __future__ import annotations

from functools import cache
from typing import Any

from headrace.errors import MissingExtra

__all__ = ["find_opencv", "require_opencv"]


@cache
def find_opencv() -> Any | None:
    """The module `cv2` without threads of its own, process-wide; None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(0)
    return cv2


def require_opencv(purpose: str, *, instead: str = "") -> Any:
    """The module `cv2`; `instead` ends the message where there is another way.

    Raises:
        MissingExtra: It is not installed.
    """
    opencv = find_opencv()
    if opencv is None:
        raise MissingExtra(f"{purpose} needs OpenCV: pip install 'headrace[image]'{instead}")
    return opencv
