"""Which bytes a Range header asks for."""

from __future__ import annotations

import pytest

from headrace.service.http_api.snapshots.media import byte_range


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=9-99", (9, 10)),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
        ("", None),
    ],
)
def test_range_is_read(text: str, found: tuple[int, int] | None) -> None:
    assert byte_range(text, 10) == found


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_range_outside_is_empty(text: str) -> None:
    found = byte_range(text, 10)
    assert found is not None
    assert found[0] >= found[1]
