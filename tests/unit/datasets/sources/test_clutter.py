"""Files that nobody hands in as data."""

from __future__ import annotations

import pytest

from headrace.datasets.sources.clutter import is_clutter


@pytest.mark.parametrize(
    "path",
    ["Thumbs.db", "a/desktop.ini", "LICENSE", "a/README", "readme.md", ".x", "a/.x/b.jpg", "__MACOSX/a.jpg"],
)
def test_what_systems_and_authors_leave_is_clutter(path: str) -> None:
    assert is_clutter(path)


@pytest.mark.parametrize(
    "path", ["a.jpg", "a/b.jpg", "myreadme.md", "a/notes.db", "license/a.jpg", "a.b/c.jpg", "a__MACOSX/b"]
)
def test_data_is_no_clutter(path: str) -> None:
    assert not is_clutter(path)
