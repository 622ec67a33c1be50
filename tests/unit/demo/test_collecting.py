"""What the first step needs is asked for before anything is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.datasets.images.opencv import find_opencv
from headrace.demo.collecting import deliver
from headrace.demo.workspace import DigitsWorkspace
from headrace.errors import MissingExtra


@pytest.fixture
def no_opencv(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Importing it fails, and afterwards it is found again."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    find_opencv.cache_clear()
    yield
    find_opencv.cache_clear()


@pytest.mark.usefixtures("no_opencv")
def test_deliver_without_opencv_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"OpenCV.*pip install 'headrace\[demo\]'"):
        deliver(DigitsWorkspace(tmp_path / "demo", lambda _: None, "headrace"))
    assert not (tmp_path / "demo").exists()
