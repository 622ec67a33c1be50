"""Datasets whose creator may call them anything."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace
from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.creating import DatasetDeclaration, create_dataset
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, InvalidInput


def _created(lake: Lake, text: str, *, takes_any_name: bool = True) -> Dataset:
    declaration = DatasetDeclaration.of(
        text,
        type="TEXT_INTENT",
        schema=None,
        key=None,
        on_duplicate_key=None,
        description="",
        owner=None,
        takes_any_name=takes_any_name,
    )
    return create_dataset(lake, declaration, source=None, options=CommitOptions())


def test_a_free_name_is_a_name(tmp_path: Path) -> None:
    dataset = _created(headrace.connect(tmp_path / "lake"), "words")
    assert (dataset.name, dataset.display_name, dataset.id) == ("words", "words", "1")
    assert "display_name" not in dataset.to_json()


@pytest.mark.parametrize("text", ["words", "", "two words", "猫", "1", "2", "x" * 200, "a\nb"])
def test_any_other_text_is_shown_and_the_id_is_the_name(tmp_path: Path, text: str) -> None:
    lake = headrace.connect(tmp_path / "lake")
    lake.create_dataset("words", type="TEXT_INTENT")
    dataset = _created(lake, text)
    assert (dataset.name, dataset.display_name) == ("2", text)
    assert dataset.to_json()["display_name"] == text
    for _ in range(6):  # a checkpoint of the lake's log
        _created(lake, text)
    again = headrace.connect(tmp_path / "lake")
    again.rebuild()
    assert again.dataset("2").display_name == text
    assert [each.name for each in again.datasets()] == ["words", *(str(idx) for idx in range(2, 9))]
    again.delete_dataset("2")
    assert again.restore_dataset("2").display_name == text
    assert not again.verify().problems


def test_a_renamed_dataset_keeps_what_it_is_called(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    _created(lake, "two words")
    lake.delete_dataset("1")
    restored = lake.restore_dataset("1", rename="words")
    assert (restored.name, restored.display_name) == ("words", "two words")


def test_names_of_the_library_stay_unique(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    _created(lake, "words")
    with pytest.raises(AlreadyExists):
        _created(lake, "words", takes_any_name=False)
    with pytest.raises(InvalidInput):
        _created(lake, "two words", takes_any_name=False)
    with pytest.raises(InvalidInput, match="limit"):
        _created(lake, "x" * 10_001)
