"""Finding types by name, alias and entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from headrace.datasets.types.generic import Generic
from headrace.datasets.types.registry import dataset_type, dataset_type_names, register_dataset_type
from headrace.datasets.types.text_intent import TextIntent
from headrace.errors import AlreadyExists, InvalidInput

BUILT_IN = ["AUDIO", "GENERIC", "IMAGE_CLASS", "IMAGE_TEXT", "TABLE", "TEXT_INTENT", "VIDEO"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package with three entry points, two of which do not work."""
    info = tmp_path / "clouds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clouds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[headrace.dataset_types]\n"
        "CLOUD_TEST = clouds_for_tests:Cloud\n"
        "MISSING_TEST = clouds_for_tests:Nothing\n"
        "WRONG_TEST = clouds_for_tests:WRONG\n"
    )
    (tmp_path / "clouds_for_tests.py").write_text(
        "from headrace.datasets.types.generic import Generic\n"
        "class Cloud(Generic):\n    name = 'CLOUD_TEST'\n    aliases = ('SKY_TEST',)\n"
        "WRONG = 5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("clouds_for_tests", None)


def test_built_in_types_are_known_without_installation() -> None:
    assert set(BUILT_IN) <= set(dataset_type_names())
    for name in BUILT_IN:
        assert dataset_type(name).name == name


def test_language_intent_is_text_intent() -> None:
    assert isinstance(dataset_type("LANGUAGE_INTENT"), TextIntent)
    assert "LANGUAGE_INTENT" not in dataset_type_names()


@pytest.mark.parametrize(
    ("name", "near"), [("IMAGE_CLAS", "IMAGE_CLASS"), ("text_intent", "TEXT_INTENT"), ("image", None)]
)
def test_unknown_type_lists_known_ones_and_a_near_miss(name: str, near: str | None) -> None:
    with pytest.raises(InvalidInput, match="known are AUDIO, GENERIC") as caught:
        dataset_type(name)
    assert near is None or f"Did you mean {near!r}?" in caught.value.message


@pytest.mark.usefixtures("package")
def test_types_of_packages_are_found_by_entry_point() -> None:
    assert "CLOUD_TEST" in dataset_type_names()
    assert isinstance(dataset_type("CLOUD_TEST"), Generic)
    with pytest.raises(InvalidInput, match="MISSING_TEST cannot be loaded from clouds_for_tests:Nothing"):
        dataset_type("MISSING_TEST")
    with pytest.raises(InvalidInput, match="WRONG_TEST: clouds_for_tests:WRONG is no DatasetType"):
        dataset_type("WRONG_TEST")


def test_registered_type_is_known_in_the_process() -> None:
    class Registered(Generic):
        name: ClassVar[str] = "REGISTERED_TEST"
        aliases: ClassVar[tuple[str, ...]] = ("REGISTERED_ALIAS_TEST",)

    registered = register_dataset_type(Registered())
    assert dataset_type("REGISTERED_TEST") is registered
    assert dataset_type("REGISTERED_ALIAS_TEST") is registered
    again = register_dataset_type(Registered())
    assert dataset_type("REGISTERED_TEST") is again


@pytest.mark.parametrize("name", ["TABLE", "LANGUAGE_INTENT"])
def test_name_of_a_built_in_type_is_taken(name: str) -> None:
    class Other(Generic):
        pass

    other = Other()
    type.__setattr__(Other, "name", name)
    with pytest.raises(AlreadyExists, match=f"dataset type {name} is taken"):
        register_dataset_type(other)


def test_only_types_can_be_registered() -> None:
    with pytest.raises(InvalidInput, match="expected an instance"):
        register_dataset_type(Generic)  # type: ignore[arg-type]
