"""The type in the suggested command follows from the file name."""

from __future__ import annotations

import pytest

from headrace.cli.type_guess import guess_type


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a/part1.csv", "TEXT_INTENT"),
        ("photos/", "GENERIC"),
        ("photos.zip", "GENERIC"),
        ("s3://b/rows.PARQUET", "TABLE"),
        ("clip.mp4", "VIDEO"),
        ("talk.wav", "AUDIO"),
    ],
)
def test_guess(source: str, expected: str) -> None:
    assert guess_type(source) == expected
