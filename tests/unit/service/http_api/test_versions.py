"""Expected versions: which headers mean what, and that the claim itself compares."""

from __future__ import annotations

import pytest

import headrace
from headrace.errors import Conflict, InvalidInput
from headrace.service.http_api.versions import ExpectingDataset, VersionMovedOn, read_if_match, version_tag

ROWS = [{"text": "hello", "labels": ["greet"]}]


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        (None, None),
        ("*", None),
        (' "12" ', {12}),
        ('"1", "2"', {1, 2}),
        ('W/"1"', set()),
        ('"x"', set()),
        ('""', set()),
        ('"٣"', set()),
        ('"' + "9" * 40 + '"', set()),
    ],
)
def test_if_match_is_read(text: str | None, versions: set[int] | None) -> None:
    assert read_if_match(text) == versions


@pytest.mark.parametrize("text", ["", "12", '"12', '"1" "2"', '"1",', "W/12"])
def test_if_match_without_quotes_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="If-Match"):
        read_if_match(text)


def test_claim_is_refused_when_a_rival_came_in_between() -> None:
    """The comparison at the start passes; the one at the claim does not."""
    dataset = headrace.connect("memory://http-versions").create_dataset("d", "TEXT_INTENT")
    expecting = ExpectingDataset(dataset, versions=frozenset({1}))
    dataset.commit(ROWS)
    with pytest.raises(VersionMovedOn, match='version "2", expected was "1"'):
        expecting.commit(ROWS)
    assert version_tag(dataset) == '"2"'
    assert isinstance(VersionMovedOn("x"), Conflict)


def test_only_the_first_entry_of_a_request_is_compared() -> None:
    dataset = headrace.connect("memory://http-versions-2").create_dataset("d", "TEXT_INTENT", source=ROWS)
    expecting = ExpectingDataset(dataset, versions=frozenset({1, 2}))
    expecting.snapshot().alias("prod")
    assert expecting.new_version == 4
    with pytest.raises(VersionMovedOn):
        ExpectingDataset(dataset, versions=frozenset())
