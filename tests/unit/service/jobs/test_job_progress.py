"""Progress is written a few times a second, however often it is told."""

from __future__ import annotations

import pytest

from headrace.progress import Progress
from headrace.service.jobs.job_progress import JobProgress

_Written = list[tuple[str | None, int, int | None]]


class _Interrupted(BaseException):
    pass


class _Work:
    """Keeps what is written, at a time that the test sets."""

    def __init__(self) -> None:
        self.written: _Written = []
        self.seconds = 100.0
        self.is_stopped = False
        self.progress = JobProgress(self.write, check=self.check, clock=lambda: self.seconds)

    def write(self, *, activity: str | None, rows_done: int, rows_total: int | None) -> None:
        self.written.append((activity, rows_done, rows_total))

    def check(self) -> None:
        if self.is_stopped:
            raise _Interrupted


def test_it_is_a_progress() -> None:
    assert isinstance(_Work().progress, Progress)


def test_a_million_calls_in_a_second_are_few_writes() -> None:
    work = _Work()
    work.progress.start("reading", total_rows=10_000)
    for _ in range(10_000):
        work.seconds += 0.0001
        work.progress.advance(rows=1)
    work.progress.finish()
    work.progress.finish()
    assert 4 <= len(work.written) <= 6
    assert work.written[0] == ("reading", 0, 10_000)
    assert work.written[-1] == ("reading", 10_000, 10_000)


def test_what_came_too_soon_is_written_by_the_other_thread() -> None:
    work = _Work()
    work.progress.start("one")
    work.progress.start("two", total_rows=0, total_bytes=7)
    assert work.written == [("one", 0, None)]
    work.progress.write_late()
    work.progress.write_late()
    assert work.written == [("one", 0, None), ("two", 0, 0)]


def test_reports_without_rows_are_written_too_because_that_asks_for_the_word_to_stop() -> None:
    work = _Work()
    work.progress.start("download")
    for _ in range(3):
        work.seconds += 1
        work.progress.advance(bytes=10)
    assert len(work.written) == 4


def test_each_call_stops_but_finish() -> None:
    work = _Work()
    work.progress.start("one")
    work.is_stopped = True
    with pytest.raises(_Interrupted):
        work.progress.start("two")
    with pytest.raises(_Interrupted):
        work.progress.advance(rows=1)
    work.progress.finish()
    assert work.written == [("one", 0, None)]
