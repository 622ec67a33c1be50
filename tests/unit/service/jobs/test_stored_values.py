"""Texts and times in the form in which both databases keep them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.service.jobs.stored_values import cut_middle, cut_text, iso_time, storable_text


@given(text=st.text(st.characters(codec=None), max_size=60), max_bytes=st.integers(10, 50))
def test_cut_text_fits_and_is_whole_characters(text: str, max_bytes: int) -> None:
    for cut in (cut_text, cut_middle):
        kept = cut(text, max_bytes=max_bytes)
        assert len(kept.encode("utf-8")) <= max_bytes
        assert "\x00" not in kept
        if len(storable_text(text).encode("utf-8")) <= max_bytes:
            assert kept == storable_text(text)
        else:
            assert "…" in kept


def test_middle_is_cut_out() -> None:
    assert cut_middle("begin" + "x" * 100 + "end", max_bytes=13) == "begin…xxend"


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "1970-01-01T00:00:00.000000Z"), (1_790_000_000_000_001, "2026-09-21T14:13:20.000001Z")],
)
def test_time_is_iso_with_microseconds(microseconds: int, text: str) -> None:
    assert iso_time(microseconds) == text
