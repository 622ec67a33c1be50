"""Options of a commit."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.ingest import IngestLayout
from headrace.errors import InvalidInput


def _options(**changes: Any) -> CommitOptions:
    arguments: dict[str, Any] = {"message": "", "tags": None, "media": "copy", "on_invalid": "raise", "options": {}}
    return CommitOptions.of(**{**arguments, **changes})


def test_options_are_checked_and_sorted() -> None:
    options = _options(message="m", tags={"b": "2", "a": "1"}, options={"layout": IngestLayout(part_rows=5)})
    assert options.tags == (("a", "1"), ("b", "2"))
    assert options.layout.part_rows == 5
    assert _options() == CommitOptions()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"media": "link"}, "'copy' or 'reference'"),
        ({"on_invalid": "drop"}, "'raise' or 'skip'"),
        ({"message": "\ud800"}, "UTF-8"),
        ({"options": {"nothing": 1}}, "no option 'nothing'; it has claims, layout, limits, progress"),
        ({"options": {"message": "twice"}}, "no option 'message'"),
        ({"options": {"layout": {"part_rows": 5}}}, "expected IngestLayout"),
        ({"options": {"progress": print}}, "expected Progress"),
    ],
)
def test_options_of_another_kind_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        _options(**changes)


@pytest.mark.parametrize("name", ["part_rows", "row_group_rows", "shard_bytes"])
def test_layout_has_no_empty_pieces(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is 0; expected a whole number from 1"):
        IngestLayout(**{name: 0})


class _Progress:
    def __init__(self) -> None:
        self.num_finished = 0

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        pass

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the interface's name
        pass

    def finish(self) -> None:
        self.num_finished += 1


def test_progress_ends_on_every_path() -> None:
    progress = _Progress()
    with _options(options={"progress": progress}).reporting():
        pass
    with pytest.raises(KeyError), _options(options={"progress": progress}).reporting():
        raise KeyError
    assert progress.num_finished == 2
