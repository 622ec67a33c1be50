"""Pages of an index that a thread writes while their rows are read from memory.

Everything is known of such an index: each row was decoded and checked. Only the disk lacks it, so that a program can
begin to train, and another one that opens the index waits for the file lock as if this one had not begun yet.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable

from headrace.errors import Unavailable
from headrace.streaming.file_lock import FileLock
from headrace.streaming.index_pages import IndexDocument, PageWriter
from headrace.streaming.page_layout import PageLayout
from headrace.streaming.pages import Page, PageFolder

__all__ = ["UnwrittenPages"]

_REST_SECONDS = 0.2  # the first batch needs all cores
_STOP_SECONDS = 30.0  # a step takes milliseconds, but for a sync of 32 MB on a disk that is busy
_being_written: weakref.WeakSet[UnwrittenPages] = weakref.WeakSet()


@atexit.register
def _stop_writing() -> None:
    """Before the interpreter goes: a thread that comes back from a C++ library afterwards would abort the process."""
    for pages in list(_being_written):
        pages.stop()


def _forget_locks() -> None:
    """In a forked process: a copy of a lock keeps everybody out if the other process is killed."""
    for pages in list(_being_written):
        pages.release_copy()


os.register_at_fork(after_in_child=_forget_locks)


class _Stopped(Exception):
    """The program ends."""


class UnwrittenPages:
    """The rows of an index in memory until its pages are on the disk. Thread-safe.

    A copy in another process, forked or pickled, holds no rows: it waits for the pages. If this process ended before
    they were there, the copy makes them.
    """

    def __init__(
        self,
        writer: PageWriter,
        document: IndexDocument,
        *,
        pages: PageFolder,
        name: str,
        lock: FileLock,
        make: Callable[[], IndexDocument],
    ) -> None:
        """Start to write.

        Args:
            lock: Of the index, held by the caller; released when the document is there, or will never be.
            make: Waits for the document of the index, or makes it; must go to other processes.
        """
        self._pages = pages
        self._name = name
        self._make = make
        self._identity = document.identity
        self._pid = os.getpid()
        self._writer: PageWriter | None = writer
        self._lock: FileLock | None = lock
        self._document: IndexDocument | None = None
        self._failure: BaseException | None = None
        self._is_stopped = False
        self._is_wanted = threading.Event()
        self._settling = threading.Lock()
        self._in_memory = self._layout_now(writer)
        self._thread = threading.Thread(target=self._write, args=(document,), name="headrace-pages", daemon=True)
        _being_written.add(self)
        self._thread.start()

    def _layout_now(self, writer: PageWriter) -> PageLayout:
        written = PageLayout.of_folder(writer.written_rows, pages=self._pages, name=self._name)
        return written.followed_by([Page(table) for table in writer.held()])

    # -- for those that read ------------------------------------------------------------------------------------

    def layout(self) -> tuple[PageLayout, IndexDocument | None]:
        """Where the rows are now; with the document once they are on the disk, where they stay.

        Raises:
            Unavailable: The pages could not be written, or others stand there now.
            HeadraceError: In another process also what opening the index raises.
        """
        if self._pid != os.getpid():
            return self._elsewhere()
        if self._failure is not None:
            raise Unavailable(
                f"the pages of the index could not be written to {self._pages.folder}: {self._failure}. Make room or "
                "say where there is some, in IndexOptions(directory=…), and open it again"
            ) from self._failure
        memory = self._in_memory  # before the document, because it goes after that came
        document = self._document
        if document is None:
            return memory, None
        return PageLayout.of_folder(document.page_rows, pages=self._pages, name=self._name), document

    def _elsewhere(self) -> tuple[PageLayout, IndexDocument]:
        with self._settling:
            if self._document is None:
                self._in_memory, self._writer = _no_rows(), None
                document = self._make()
                if document.identity != self._identity:
                    raise Unavailable(f"the index changed before its pages were in {self._pages.folder}; open it again")
                self._document = document
        return PageLayout.of_folder(self._document.page_rows, pages=self._pages, name=self._name), self._document

    def wait(self, *, timeout_seconds: float | None = None) -> bool:
        """Whether the pages are on the disk, after so long; else they are still written, or failed."""
        if self._pid == os.getpid():
            self._thread.join(timeout_seconds)
        return self._document is not None

    def __getstate__(self) -> dict[str, object]:
        if self._pid == os.getpid():
            self._is_wanted.set()  # by a process that has no rows
        return {"_pages": self._pages, "_name": self._name, "_make": self._make, "_identity": self._identity}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._pid = -1
        self._settling = threading.Lock()
        self._document = self._failure = self._writer = self._lock = None
        self._in_memory = _no_rows()

    # -- for the thread that writes -----------------------------------------------------------------------------

    def _write(self, document: IndexDocument) -> None:
        writer, lock = self._writer, self._lock
        if writer is None or lock is None:  # never here, in the process that was handed them
            return
        try:
            self._is_wanted.wait(_REST_SECONDS)
            self._check()
            self._document = writer.publish(document, check=self._check)
        except _Stopped:
            _discard(writer)
        except BaseException as error:  # noqa: BLE001 - raised where the rows are read
            _discard(writer)
            self._failure = error
        finally:
            if not self._is_stopped:
                self._in_memory = _no_rows()
            self._writer = self._lock = None
            lock.release()
            _being_written.discard(self)

    def _check(self) -> None:
        if self._is_stopped:
            raise _Stopped

    def release_copy(self) -> None:
        """Let go of the lock file in a process that was forked from the one that writes."""
        if self._lock is not None:
            self._lock.release()

    def stop(self) -> None:
        """Give up the pages; returns once the thread ended."""
        self._is_stopped = True
        self._is_wanted.set()
        if self._pid == os.getpid():
            self._thread.join(_STOP_SECONDS)


def _discard(writer: PageWriter) -> None:
    """So that a program that ended too early leaves nothing."""
    with contextlib.suppress(OSError):
        writer.discard()


def _no_rows() -> PageLayout:
    """What a copy has in memory."""
    return PageLayout.of_folder([], pages=PageFolder(""), name="")
