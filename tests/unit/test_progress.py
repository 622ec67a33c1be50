"""The silent form of progress: nothing is printed, nothing is kept."""

from __future__ import annotations

import pytest

from headrace.progress import NO_PROGRESS, NoProgress, Progress


def test_silent_form_is_a_progress() -> None:
    assert isinstance(NO_PROGRESS, Progress)
    assert isinstance(NoProgress(), Progress)
    assert repr(NO_PROGRESS) == "NO_PROGRESS"


def test_silent_form_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    NO_PROGRESS.start("reading", total_rows=1, total_bytes=1)
    NO_PROGRESS.advance(rows=1, bytes=1)
    NO_PROGRESS.finish()
    NO_PROGRESS.finish()
    assert capsys.readouterr() == ("", "")
