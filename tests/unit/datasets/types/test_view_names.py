"""File names in views."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.types.view_names import UniqueNames


@pytest.mark.parametrize(
    ("sample_id", "name"),
    [
        ("cat/a.jpg", "a.jpg"),
        ("a", "a.png"),
        ("a.b.JPEG", "a.b.JPEG"),
        ("s3://bucket/x/a.jpg", "a.jpg"),
        ("x/", "_.png"),
        ("", "_.png"),
        ("..", "_.png"),
        (".hidden.png", "_.hidden.png"),
        ("con.txt", "_con.txt"),
        ('a:b*"?.jpg', "a_b___.jpg"),
        ("a\\..\\b.jpg", "a_.._b.jpg"),
        ("a. ", "a.png"),
        ("größe 数据.jpg", "größe 数据.jpg"),
        ("e\u0301.jpg", "é.jpg"),
        ("x" * 300 + ".jpg", "x" * 180 + ".jpg"),
    ],
)
def test_names_are_portable(sample_id: str, name: str) -> None:
    assert UniqueNames().name_for(sample_id, b"\x89PNG\r\n\x1a\n") == name


def test_taken_names_get_numbers() -> None:
    names = UniqueNames()
    ids = ["a.jpg", "b/a.jpg", "A.JPG", "a-2.jpg", "c/a.jpg", "e\u0301.jpg", "é.jpg"]
    assert [names.name_for(sample_id, b"") for sample_id in ids] == [
        "a.jpg",
        "a-2.jpg",
        "A-3.JPG",
        "a-2-2.jpg",
        "a-4.jpg",
        "é.jpg",
        "é-2.jpg",
    ]


@given(st.lists(st.text(max_size=6), max_size=60))
def test_names_are_unique_on_every_file_system(ids: list[str]) -> None:
    names = UniqueNames()
    given_names = [names.name_for(sample_id, b"") for sample_id in ids]
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in given_names}) == len(ids)
    assert all(name and "/" not in name and len(name.encode()) <= 255 for name in given_names)


def test_many_equal_names_take_no_quadratic_time() -> None:
    names = UniqueNames()
    assert len({names.name_for("a.jpg", b"") for _ in range(20_000)}) == 20_000
