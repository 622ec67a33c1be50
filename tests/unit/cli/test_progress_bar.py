"""Progress says what is known, seldom without a terminal, and nothing for short work."""

from __future__ import annotations

import io

import pytest

from headrace.cli.progress_bar import LineProgress, TerminalProgress, open_progress, progress_text
from headrace.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"num_rows": 250, "total_rows": 1000, "seconds": 5.0}, "250 of 1,000 rows (25%), 50 rows/s, 15.0 s left"),
        (
            {"num_bytes": 5_000_000, "total_bytes": 10_000_000, "seconds": 2.0},
            "5 MB of 10 MB (50%), 2.5 MB/s, 2.0 s left",
        ),
        ({"num_rows": 1500, "num_bytes": 3_000, "seconds": 1.0}, "1,500 rows, 3 kB, 1,500 rows/s, 3 kB/s"),
        ({}, "0 rows"),
        ({"num_rows": 12, "total_rows": 10, "seconds": 1.0}, "12 of 10 rows (100%), 12 rows/s"),
    ],
)
def test_text_holds_what_is_known(counts: dict[str, float], expected: str) -> None:
    known = {"num_rows": 0, "num_bytes": 0, "total_rows": None, "total_bytes": None, "seconds": 0.0} | counts
    assert progress_text(**known) == expected  # type: ignore[arg-type]  # a table of arguments


def test_lines_come_about_every_ten_seconds() -> None:
    clock, page = Clock(), io.StringIO()
    progress = LineProgress(page, clock=clock)
    progress.start("reading a.csv", total_rows=100)
    for _ in range(25):
        clock.now += 1
        progress.advance(rows=4)
    progress.finish()
    assert page.getvalue().splitlines() == [
        "reading a.csv: 40 of 100 rows (40%), 4 rows/s, 15.0 s left",
        "reading a.csv: 80 of 100 rows (80%), 4 rows/s, 5.0 s left",
    ]


def test_short_work_says_nothing_without_a_terminal() -> None:
    page = io.StringIO()
    progress = open_progress(page)
    progress.start("reading")
    progress.advance(rows=5, bytes=5)
    progress.finish()
    progress.finish()
    assert page.getvalue() == ""


def test_terminal_gets_a_bar_that_follows_the_stages() -> None:
    page = Terminal()
    progress = open_progress(page)
    assert isinstance(progress, TerminalProgress)
    progress.start("reading [a].csv", total_rows=10)
    progress.advance(rows=10)
    progress.start("writing", total_bytes=100)
    progress.advance(bytes=50)
    progress.finish()
    progress.finish()
    assert "reading [a].csv" in page.getvalue()
    assert "50 B of 100 B (50%)" in page.getvalue()


def test_finish_without_start_is_harmless() -> None:
    TerminalProgress(Terminal()).finish()


def test_every_form_is_a_progress() -> None:
    for form in (LineProgress(io.StringIO()), TerminalProgress(Terminal())):
        assert isinstance(form, Progress)
