"""One measure and one wording for all suggestions."""

from __future__ import annotations

import re
from pathlib import Path

import headrace
from headrace.schema.near_misses import did_you_mean, near_miss, near_miss_or_known, nearest


def test_near_miss_names_the_closest() -> None:
    assert near_miss("photo", ["photos", "texts"]) == " Did you mean 'photos'?"
    assert near_miss("zzz", ["photos"]) == ""
    assert near_miss("zzz", []) == ""


def test_nearest_takes_upper_and_lower_case_for_the_same() -> None:
    assert nearest("LABLE", ["Label", "text"]) == ["Label"]
    assert nearest("part", ["part1", "part2", "other"], limit=3) == ["part2", "part1"]


def test_suggestion_of_several_names() -> None:
    assert did_you_mean(["a", "b"]) == " Did you mean 'a' or 'b'?"


def test_what_there_is_stands_in_for_a_near_miss() -> None:
    assert near_miss_or_known("lable", ["label"]) == " Did you mean 'label'?"
    assert near_miss_or_known("zzz", ["n", "label"]) == " There are 'label', 'n'."
    assert near_miss_or_known("zzz", []) == ""
    assert near_miss_or_known("zzz", [f"c{idx:02d}" for idx in range(14)]).endswith("'c11' and 2 more.")


def test_no_other_file_measures_likeness() -> None:
    package = Path(headrace.__file__).parent
    users = [path.name for path in package.rglob("*.py") if re.search(r"\bdifflib\b", path.read_text(encoding="utf-8"))]
    assert users == ["near_misses.py"]
