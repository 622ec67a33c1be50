from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headrace.curation.ray_engine.import_path import extend_import_path


def test_folders_that_are_there_come_last_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", list(before))
    for _ in range(2):
        extend_import_path(["", "relative", str(tmp_path / "gone"), str(tmp_path), before[-1]])
    assert sys.path == [*before, str(tmp_path)]
