"""Lakes of earlier builds, kept as they were written, still open."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import pytest

import headrace

_LAKE = Path(__file__).resolve().parent.parent / "fixtures" / "lake_with_entry_checkpoints.zip"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with zipfile.ZipFile(_LAKE) as archive:
        archive.extractall(tmp_path / "lake")
    return tmp_path / "lake"


def test_lake_with_checkpoints_of_entries_opens_and_goes_on(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its dataset has 69 entries and a checkpoint of format 1 at entry 64."""
    dataset = headrace.connect(root).dataset("intents")
    with caplog.at_level(logging.WARNING):
        assert repr(dataset) == "<Dataset 1 'intents' TEXT_INTENT 2 commits 2 rows>"
    assert not caplog.records
    assert [commit.tags for commit in dataset.log()] == [{"n": "1"}, {"n": "2"}]
    assert len(dataset.aliases) == 64
    assert dataset.lake.verify().ok
    for number in range(9):
        dataset.snapshot().alias(f"b{number}")
    opened = headrace.connect(root).dataset("intents")
    assert (opened.to_json(), opened.aliases) == (dataset.to_json(), dataset.aliases)
    assert opened.lake.verify().ok
    assert len(list(root.glob("datasets/*/checkpoints/9999999/*.json"))) == 1
    opened.lake.gc(grace_seconds=0)
    assert headrace.connect(root).dataset("intents").to_json() == dataset.to_json()
    assert opened.lake.verify().ok


def test_damaged_segment_of_entries_is_told_and_the_log_is_read(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (segment,) = root.glob("datasets/*/checkpoints/segments/*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-3])
    lake = headrace.connect(root)
    with caplog.at_level(logging.WARNING):
        assert len(lake.dataset("intents").log()) == 2
    assert segment.name in caplog.text
    assert any(segment.name in problem.message for problem in lake.verify().problems)
