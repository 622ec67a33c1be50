"""From what a user names as an index to its rows; its pages are made unless this very index was opened before."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from blake3 import blake3

from headrace.errors import InvalidInput, Unavailable
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.locations import Locations
from headrace.streaming.file_lock import FileLock
from headrace.streaming.index_pages import IndexDocument, PageWriter, read_document
from headrace.streaming.index_rows import IndexRows
from headrace.streaming.index_source import IndexSource, list_index
from headrace.streaming.lance_rows import is_lance, open_lance
from headrace.streaming.options import IndexOptions
from headrace.streaming.pages import PageFolder
from headrace.streaming.provider import Provider
from headrace.streaming.sample_files import write_files, write_shards
from headrace.streaming.table_pages import write_tables
from headrace.streaming.unwritten_pages import UnwrittenPages

__all__ = ["open_index"]

_NAME_FORMAT = "headrace.index.1"
_WORTH_WAITING_BYTES = 16 << 20
"""Of rows whose pages are written at once: that takes less time than a batch, and no thread."""

_logger = logging.getLogger(__name__)


def open_index(source: object, *, options: IndexOptions, folder: str) -> Provider:
    """The rows of an index; its pages lie in `folder`, made there unless this very index was opened before.

    Raises:
        NotFound: There is no such thing.
        InvalidInput: It is nothing that can be read.
        Unavailable: It changed while it was read.
    """
    if isinstance(source, str | os.PathLike) and is_lance(os.fspath(source)):
        return open_lance(os.fspath(source), options=options)
    folder = os.path.abspath(folder)
    locations = Locations()
    listed = list_index(source, options=options, locations=locations, without=folder)
    return _Index(source, listed, options, folder, locations).open()


@dataclass(frozen=True, slots=True)
class _Index:
    """An index as it was listed. Goes to worker processes."""

    source: object
    listed: IndexSource
    options: IndexOptions
    folder: str
    locations: Locations

    def open(self) -> IndexRows:
        """Its rows; large pages are still written when this returns."""
        pages, name = self._pages(), self._name(self.listed)
        unwritten = None
        document = read_document(pages.folder, name)
        if document is None:
            lock = self._locked(pages, name)
            try:
                document = read_document(pages.folder, name)  # somebody else may have been faster
                if document is None:
                    writer, document = self._converted(pages, name)
                    if document.identity and writer.held_bytes >= _WORTH_WAITING_BYTES:
                        unwritten = UnwrittenPages(
                            writer, document, pages=pages, name=name, lock=lock, make=self.document
                        )
                    else:
                        document = writer.publish(document)
            finally:
                if unwritten is None:
                    lock.release()
        return IndexRows(
            self.listed, document, pages=pages, page_name=name, locations=self.locations, unwritten=unwritten
        )

    def document(self) -> IndexDocument:
        """The document of the pages, which are there when this returns: another process made them, or this one."""
        pages, name = self._pages(), self._name(self.listed)
        lock = self._locked(pages, name)
        try:
            document = read_document(pages.folder, name)
            if document is None:
                writer, document = self._converted(pages, name)
                document = writer.publish(document)
            return document
        finally:
            lock.release()

    def _pages(self) -> PageFolder:
        addresses = [self.listed.root, *(file.address for file in self.listed.files)]
        places = blake3("\0".join(addresses).encode()).hexdigest()[:16]
        return PageFolder(os.path.join(self.folder, "indexes", places, "pages"))

    def _locked(self, pages: PageFolder, name: str) -> FileLock:
        return FileLock(os.path.join(pages.folder, f"{name}.lock"))

    def _name(self, listed: IndexSource) -> str:
        """Names these files in these versions, read in this way."""
        options = self.options
        parts = [_NAME_FORMAT, listed.kind, repr(options.media), repr(options.key), repr(options.csv_has_header)]
        parts += [str(listed.names_files)]
        parts += [f"{file.address}\0{file.size}\0{file.version}" for file in listed.files]
        return blake3("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def _converted(self, pages: PageFolder, name: str) -> tuple[PageWriter, IndexDocument]:
        """All rows, read and checked, and what is known of them; the rest is to publish them."""
        writer = PageWriter(pages, name)
        try:
            document = self._convert(writer)
            self._refuse_changed(name)
        except BaseException:
            writer.discard()
            raise
        return writer, document

    def _convert(self, writer: PageWriter) -> IndexDocument:
        listed, options = self.listed, self.options
        if options.key is not None and listed.kind != "tables":
            raise InvalidInput(
                f"key={options.key!r}: {listed.name} has no columns; its samples are named by their files"
            )
        _logger.info("index is converted source=%s files=%d", listed.name, len(listed.files))
        if listed.kind == "files":
            return write_files(listed, writer)
        if listed.kind == "shards":
            return write_shards(listed, writer, limits=ArchiveLimits())
        return write_tables(listed, writer, options=options, locations=self.locations)

    def _refuse_changed(self, name: str) -> None:
        """Raise `Unavailable` if the index is another one than when its conversion began. Files that are samples are
        looked at when they are read."""
        if self.listed.kind == "files":
            return
        now = list_index(self.source, options=self.options, locations=self.locations, without=self.folder)
        if self._name(now) != name:
            raise Unavailable(f"{now.name} changed while it was read; open it again when it is complete")
