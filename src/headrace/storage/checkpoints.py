"""Checkpoints keep opening a long log cheap: every few entries the state that the log adds up to, in shared pages.

    checkpoints/9999990/9999990007.json ─┬▶ pages/<digest>.json   immutable, named by their digest, shared by
        head: totals, newest records     └▶ pages/<digest>.json   all later checkpoints, read when asked for

Derived: deleting all of it loses nothing but time. What a damaged or missing page held is found again in the log.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from headrace.errors import DataCorrupted, HeadraceError, NotFound, Unavailable
from headrace.storage.canonical import JsonValue, canonical_json, read_json
from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.paged_list import Page, PagedList
from headrace.storage.sealed import read_sealed, seal
from headrace.storage.store import ObjectStat, ObjectStore

__all__ = ["FORMAT", "INTERVAL", "Checkpoint", "Checkpoints", "ListForm", "StateForm"]

FORMAT = 2
INTERVAL = 8
"""Entries between two checkpoints of a dataset's log."""

_LAST = 9_999_999_999
_NUM_KEPT = 2
_PAGE_FORMAT = 1
_SHAPE_ERRORS = (AttributeError, IndexError, KeyError, TypeError, ValueError)

_logger = logging.getLogger(__name__)

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class ListForm:
    """How the records of one list look in a document."""

    encode: Callable[[Sequence[Any]], JsonValue]
    decode: Callable[[JsonValue], Sequence[Any]]


class StateForm(Protocol[S]):
    """How a state looks in a checkpoint."""

    @property
    def version(self) -> str:
        """Changes with what the state holds: checkpoints of another version are not read."""
        ...

    @property
    def interval(self) -> int:
        """Entries between two checkpoints."""
        ...

    @property
    def at_once(self) -> Set[str]:
        """Operations whose entries get a checkpoint of their own, because they are dear to repeat."""
        ...

    @property
    def lists(self) -> Mapping[str, ListForm]:
        """The long lists by name."""
        ...

    def head(self, state: S) -> JsonValue:
        """All that is not in the lists, without floats."""
        ...

    def paged_lists(self, state: S) -> Mapping[str, PagedList[Any]]:
        """The state's own lists by name."""
        ...

    def state(self, head: JsonValue, lists: Mapping[str, PagedList[Any]]) -> S:
        """The state again; the lists are its own from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint(Generic[S]):
    """The state after entry `number`, whose digest is `digest`."""

    key: str
    number: int
    digest: str
    time: int  # of that entry, microseconds since 1970
    state: S | None  # None: of format 1, which held the entries
    segments: tuple[str, ...] = ()  # of format 1: keys of runs of entries, oldest first


class _OtherVersion(Exception):
    """The checkpoint is whole, but of a version of Headrace whose state is another."""


class Checkpoints(Generic[S]):
    """Checkpoints of the log below `base`. Thread-safe but for writing."""

    def __init__(self, store: ObjectStore, base: str, form: StateForm[S] | None) -> None:
        """Without a form nothing is read or written."""
        self._store = store
        self._base = base
        self._folder = f"{base}checkpoints/"
        self._form = form
        self._head_name = re.compile(re.escape(self._folder) + r"(\d{7}/)?\d{10}\.json")
        self._known: str | None = None  # key of a head that refers to all pages that have digests here

    def newest(self, *, rebuild: Callable[[int], S]) -> Iterator[Checkpoint[S]]:
        """The newest two that can be read, the newest first; one listing, because names count downwards.

        `rebuild` gives the state after an entry from the log itself; it is asked when a page is damaged or missing.
        """
        if self._form is None:
            return
        for key in list(islice(self._heads(), _NUM_KEPT)):
            try:
                checkpoint = self._read(key, rebuild)
            except _OtherVersion:
                _logger.info("checkpoint of another version ignored key=%s/%s", self._store.uri, key)
            except (DataCorrupted, NotFound) as error:
                _logger.warning("checkpoint ignored key=%s/%s error=%s", self._store.uri, key, error)
            else:
                yield checkpoint

    def continue_from(self, checkpoint: Checkpoint[S]) -> None:
        """Take the pages of a checkpoint as stored when the next one is written."""
        self._known = checkpoint.key if checkpoint.state is not None else None

    def entries(self, checkpoint: Checkpoint[S]) -> Iterator[bytes]:
        """Of a checkpoint of format 1: the stored bytes of each entry up to it, in order, digests verified."""
        for key in checkpoint.segments:
            data = self._store.get(key)
            require_digest(data, key.rpartition("/")[2].removesuffix(".jsonl"), name=f"{self._store.uri}/{key}")
            yield from data.splitlines()

    def write_if_due(self, number: int, digest: str, *, time: int, operation: str, state: S) -> None:
        """Write the checkpoint for `number` if one belongs there. A failure is logged, never raised: the entry
        stands."""
        if self._form is None or (number % self._form.interval and operation not in self._form.at_once):
            return
        try:
            self.write(number, digest, time=time, state=state)
        except HeadraceError as error:
            _logger.warning("checkpoint not written base=%s number=%d error=%s", self._base, number, error)

    def write(self, number: int, digest: str, *, time: int, state: S) -> None:
        """Write the checkpoint for `number`: the pages that are not stored, then the head."""
        form = self._require_form()
        lists = form.paged_lists(state)
        if self._known is None or self._store.stat(self._known) is None:
            # Pages go only after the heads that name them (garbage collection, or somebody removed the folder).
            for items in lists.values():
                for page in items.pages:
                    page.digest = None
        for name, items in lists.items():
            for page in items.pages:
                if page.digest is None:
                    page.digest = self._put_page(form.lists[name], page.items)
        key = self._head_key(number)
        document = {
            "format": FORMAT,
            "state_version": form.version,
            "number": number,
            "digest": digest,
            "time": time,
            "state": form.head(state),
            "lists": {
                name: {
                    "pages": [[page.length, page.digest] for page in items.pages],
                    "rest": form.lists[name].encode(items.rest),
                }
                for name, items in lists.items()
            },
        }
        self._store.put_new(key, seal(document))
        self._known = key

    def check(self, replay: Callable[[int], tuple[S, str | None]]) -> None:
        """Compare every head and page with its digest, and the newest state with that of a replay; for `verify`.

        `replay` gives the state and the digest of an entry from the log itself.

        Raises:
            DataCorrupted: Something is not what was written, or not what the log adds up to.
        """
        if self._form is None:
            return
        for stat in self._store.list(self._folder):
            if self._head_name.fullmatch(stat.key):
                self._read_head(stat.key)
            elif stat.key.startswith((f"{self._folder}pages/", f"{self._folder}segments/")):
                stem = stat.key.rpartition("/")[2].partition(".")[0]
                require_digest(self._store.get(stat.key), stem, name=f"{self._store.uri}/{stat.key}")
        key = next(self._heads(), None)
        if key is None:
            return
        name = f"{self._store.uri}/{key}"
        try:
            checkpoint = self._read(key, None)
        except _OtherVersion:
            return
        state, digest = replay(checkpoint.number)
        if checkpoint.state is None:
            digest = digest if self._holds_entries(checkpoint, digest) else None
        if digest != checkpoint.digest or (
            checkpoint.state is not None and self._document(checkpoint.state) != self._document(state)
        ):
            raise DataCorrupted(
                f"{name} does not hold what the first {checkpoint.number} entries of the log add up to. Write it "
                "anew from the log: headrace rebuild"
            )

    def superseded(self, *, older_than: float) -> tuple[list[ObjectStat], list[ObjectStat]]:
        """Heads and pages that the newest two checkpoints do not need, last written at `older_than` or before.

        Delete the heads first: a writer takes pages for stored as long as it finds the head that it knows.
        """
        stats = list(self._store.list(self._folder))
        heads = [stat for stat in stats if self._head_name.fullmatch(stat.key)]
        pages = [stat for stat in stats if stat.key.startswith((f"{self._folder}pages/", f"{self._folder}segments/"))]
        kept = {stat.key for stat in heads[:_NUM_KEPT]}
        for key in list(kept):
            try:
                kept.update(self._pages_of(key))
            except (DataCorrupted, NotFound, *_SHAPE_ERRORS):  # whoever opens it goes on without it
                continue

        def is_due(stat: ObjectStat) -> bool:
            return stat.key not in kept and stat.modified_at <= older_than

        return list(filter(is_due, heads)), list(filter(is_due, pages))

    def remove_all(self) -> list[ObjectStat]:
        """Delete heads, then pages: a writer takes pages for stored as long as it finds the head that it knows."""
        stats = list(self._store.list(self._folder))
        for stat in sorted(stats, key=lambda stat: self._head_name.fullmatch(stat.key) is None):
            self._store.delete(stat.key)
        self._known = None
        return stats

    # -- inside -------------------------------------------------------------------------------------------------

    def _require_form(self) -> StateForm[S]:
        if self._form is None:
            raise RuntimeError("checkpoints of a log whose state has no form")
        return self._form

    def _heads(self) -> Iterator[str]:
        return (stat.key for stat in self._store.list(self._folder) if self._head_name.fullmatch(stat.key))

    def _head_key(self, number: int) -> str:
        # Folders of a thousand numbers, because a file system lists a folder as a whole.
        name = f"{_LAST - number:010d}"
        return f"{self._folder}{name[:7]}/{name}.json"

    def _page_key(self, digest: str) -> str:
        return f"{self._folder}pages/{digest}.json"

    def _put_page(self, form: ListForm, items: Sequence[Any]) -> str:
        data = canonical_json({"format": _PAGE_FORMAT, "items": form.encode(items)})
        digest = digest_hex(data)
        self._store.put(self._page_key(digest), data)
        return digest

    def _read(self, key: str, rebuild: Callable[[int], S] | None) -> Checkpoint[S]:
        form = self._require_form()
        name = f"{self._store.uri}/{key}"
        document = self._read_head(key)
        try:
            number, digest = document["number"], document["digest"]
            if document["format"] == 1:
                segments = tuple(f"{self._folder}segments/{item['digest']}.jsonl" for item in document["segments"])
                return Checkpoint(key, number, digest, 0, None, segments)
            if document["format"] != FORMAT or document["state_version"] != form.version:
                raise _OtherVersion
            source = _PageSource(self._store, self._folder, form, number, rebuild)
            lists = {list_name: source.read_list(list_name, document["lists"][list_name]) for list_name in form.lists}
            return Checkpoint(key, number, digest, document["time"], form.state(document["state"], lists))
        except _SHAPE_ERRORS as error:
            if isinstance(error, HeadraceError):
                raise
            raise DataCorrupted(
                f"{name} is no checkpoint ({error!r}); delete the folder '{self._folder[:-1]}', it is rebuilt from "
                "the log"
            ) from error

    def _read_head(self, key: str) -> dict[str, Any]:
        """The document of a head.

        Raises:
            DataCorrupted: It is not what was written, or was written for another entry.
        """
        name = f"{self._store.uri}/{key}"
        document: dict[str, Any] = read_sealed(self._store.get(key), name=name)
        number = _LAST - int(key.rpartition("/")[2].removesuffix(".json"))
        if document.get("number") != number:
            raise DataCorrupted(
                f"{name} holds the checkpoint of entry {document.get('number')}, not of {number}; the object was "
                "swapped or copied to a wrong place. Write checkpoints anew: headrace rebuild"
            )
        return document

    def _pages_of(self, key: str) -> list[str]:
        """Keys of the pages or segments that a head names."""
        document = self._read_head(key)
        if document["format"] == 1:
            return [f"{self._folder}segments/{item['digest']}.jsonl" for item in document["segments"]]
        return [self._page_key(digest) for items in document["lists"].values() for _, digest in items["pages"]]

    def _holds_entries(self, checkpoint: Checkpoint[S], last_digest: str | None) -> bool:
        entries = list(self.entries(checkpoint))
        return len(entries) == checkpoint.number and digest_hex(entries[-1]) == last_digest

    def _document(self, state: S) -> bytes:
        """The whole state as one document, however it is cut."""
        form = self._require_form()
        lists = {name: form.lists[name].encode(list(items)) for name, items in form.paged_lists(state).items()}
        return canonical_json({"state": form.head(state), "lists": lists})


class _PageSource:
    """Reads the pages of one checkpoint; what cannot be read comes from the log."""

    def __init__(
        self,
        store: ObjectStore,
        folder: str,
        form: StateForm[Any],
        number: int,
        rebuild: Callable[[int], Any] | None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._form = form
        self._number = number
        self._rebuild = rebuild
        self._lock = threading.Lock()
        self._rebuilt: Mapping[str, PagedList[Any]] | None = None

    def read_list(self, name: str, document: JsonValue) -> PagedList[Any]:
        """The list that a head describes; its pages are read later."""
        pages: list[Page[Any]] = []
        start = 0
        for length, digest in document["pages"]:
            pages.append(self._page(name, start, length, digest))
            start += length
        return PagedList.of_pages(pages, self._form.lists[name].decode(document["rest"]))

    def _page(self, name: str, start: int, length: int, digest: str) -> Page[Any]:
        def read(page: Page[Any]) -> tuple[Any, ...]:
            try:
                return self._read(name, length, digest)
            except (DataCorrupted, NotFound) as error:
                if self._rebuild is None:
                    raise DataCorrupted(str(error)) from error
                _logger.warning(
                    "page of a checkpoint ignored, reading the log store=%s list=%s error=%s",
                    self._store.uri,
                    name,
                    error,
                )
                items = tuple(self._lists_of_the_log(self._rebuild)[name][start : start + length])
                if len(items) != length:
                    raise Unavailable(
                        f"{self._store.uri}/{self._folder} does not fit the log beside it; delete this folder, it is "
                        "rebuilt from the log, and open the lake again"
                    ) from error
                page.digest = None  # written again with the next checkpoint
                return items

        return Page(length, read=read, digest=digest)

    def _read(self, name: str, length: int, digest: str) -> tuple[Any, ...]:
        key = f"{self._folder}pages/{digest}.json"
        stored_name = f"{self._store.uri}/{key}"
        data = self._store.get(key)
        require_digest(data, digest, name=stored_name)
        document = read_json(data, name=stored_name)
        try:
            if document["format"] != _PAGE_FORMAT:
                raise ValueError(f"format {document['format']}")
            items = tuple(self._form.lists[name].decode(document["items"]))
        except _SHAPE_ERRORS as error:
            raise DataCorrupted(f"{stored_name} is no page of {name} ({error!r})") from error
        if len(items) != length:
            raise DataCorrupted(f"{stored_name} holds {len(items)} items, its checkpoint says {length}")
        return items

    def _lists_of_the_log(self, rebuild: Callable[[int], Any]) -> Mapping[str, PagedList[Any]]:
        with self._lock:  # one replay, however many pages are gone
            if self._rebuilt is None:
                self._rebuilt = self._form.paged_lists(rebuild(self._number))
            return self._rebuilt
