"""A folder or bucket prefix that is watched: new files become commits, each version of each file once.

What was taken stands in the log entry of the commit that took it (`file_claims.py`), so a watcher that was killed, or a
second one, goes on exactly where the log is.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import blake3

from headrace.datasets.commit import Commit
from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.file_claims import FileClaims, FilesTaken, KnownFiles, file_mark
from headrace.datasets.row_keys import RepeatedKey
from headrace.datasets.schema_evolution import evolved_schema
from headrace.datasets.sources.clutter import is_clutter
from headrace.datasets.sources.file_list import StoredFiles
from headrace.datasets.sources.folder import FolderFiles, open_folder
from headrace.datasets.sources.opening import local_path, location_text
from headrace.datasets.sources.stored_objects import StoredObject, list_objects
from headrace.datasets.types.index_files import INDEX_SUFFIXES
from headrace.errors import HeadraceError, InvalidInput, MissingExtra, NotFound, Unavailable
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.tags import TagsLike
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archives import archive_kind
from headrace.storage.containers import file_uri
from headrace.storage.member_names import RepeatedName

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["RefusedFiles", "WatchOptions", "watch"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How often to look, and how much to take at once."""

    interval_seconds: float = 10.0  # between two looks
    settle_seconds: float = 5.0  # a file must not have changed for so long
    max_files: int = 10_000  # a commit
    max_bytes: int = 1 << 30  # a commit; one sample may be larger
    once: bool = False  # look once and take what has settled

    def __post_init__(self) -> None:
        for name in ("interval_seconds", "settle_seconds"):
            if not getattr(self, name) >= 0:
                raise InvalidInput(f"{name} is {getattr(self, name)}: expected 0 or more")
        for name in ("max_files", "max_bytes"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}: expected a whole number from 1")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> WatchOptions:
        """Checked options.

        Raises:
            InvalidInput: An unknown option or a value outside its range.
        """
        known = {item.name for item in fields(cls)}
        for name in options:
            if name not in known:
                raise InvalidInput(f"watch() has no option {name!r}; it has {', '.join(sorted(known))}")
        return cls(**options)


@dataclass(frozen=True, slots=True)
class RefusedFiles:
    """A file that was left out as a whole, with the others of its sample, as the caller asked to skip such files."""

    paths: tuple[str, ...]  # below the watched place
    reason: str


@dataclass(frozen=True, slots=True)
class _Found:
    """One file as a listing shows it."""

    path: str  # relative to the root
    size: int
    version: str
    age_seconds: float  # since it was changed, by the clock that dated it
    stored: StoredObject | None = None


_Unit = list[_Found]
"""A file, or those of one sample."""


def watch(
    dataset: Dataset,
    source: str | os.PathLike[str],
    *,
    options: WatchOptions = WatchOptions(),
    message: str = "",
    tags: TagsLike | None = None,
    media: str = "copy",
    on_invalid: str = "raise",
    progress: Progress = NO_PROGRESS,
    on_refused: Callable[[RefusedFiles], None] | None = None,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Commit]:
    """Commit files as they settle, and yield each commit; for ever, unless it is to look once.

    Args:
        on_refused: Told of each file that no commit can take, where those are left out; by default a warning is logged.

    Raises:
        NotFound: The folder or the bucket does not exist.
        InvalidInput: A file breaks a rule of the type, and such files are not left out.
    """
    settings = CommitOptions.of(
        message=message, tags=tags, media=media, on_invalid=on_invalid, options={"progress": progress}
    )
    watcher = _Watcher(dataset, location_text(source), options, settings=settings, on_refused=on_refused, clock=clock)
    while True:
        for batch in watcher.batches():
            yield from watcher.commits(batch)
        if options.once:
            return
        pause(options.interval_seconds)


class _Watcher:
    def __init__(
        self,
        dataset: Dataset,
        source: str,
        options: WatchOptions,
        *,
        settings: CommitOptions,
        on_refused: Callable[[RefusedFiles], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self._dataset = dataset
        self._options = options
        self._settings = settings
        self._on_refused = _log_refused if on_refused is None else on_refused
        self._clock = clock
        self._type = dataset.dataset_type
        self._known = KnownFiles(dataset)
        self._uid = dataset.base.split("/")[1]
        self._refused: set[str] = set()  # marks of files that no commit can take
        self._first_seen: dict[str, tuple[str, float]] = {}  # path -> version and when this process first saw it
        self._contents: dict[str, tuple[str, str]] = {}  # path -> version and digest, of files that are being taken
        self._has_listed = False
        folder = local_path(source)
        self._is_remote = folder is None
        if folder is None:
            self._root = source.rstrip("/")
        else:
            self._root = os.path.abspath(folder)
            if not os.path.isdir(self._root):
                raise NotFound(f"{source}: no such folder; a folder or a bucket prefix can be watched")
        small = self._type.small_suffixes()
        self._small_suffixes = small or frozenset()
        self._has_index_files = bool(small)

    def batches(self) -> Iterator[list[_Unit]]:
        """What has settled and is new, oldest first and cut at the limits; files that belong together stay together."""
        try:
            listed = [item for item in self._list() if not is_clutter(item.path)]
        except (NotFound, Unavailable) as error:  # a file went while the folder was listed; the next look will tell
            if self._options.once and isinstance(error, Unavailable):
                raise
            if self._is_remote and not self._has_listed and isinstance(error, NotFound):
                raise  # the bucket does not exist
            _logger.info("listing failed root=%s error=%s", self._root, error)
            return
        self._has_listed = True
        self._refuse_index_files(listed)
        state = self._dataset.state()
        self._known.refresh(state)
        if listed and evolved_schema(state, self._type) is None:
            raise InvalidInput(
                f"dataset {self._dataset.name!r} has no columns yet, and watched files cannot declare them; commit a "
                "first table without watching, or create the dataset with a schema"
            )
        now = self._clock()
        self._contents.clear()
        self._first_seen = {
            item.path: seen
            if (seen := self._first_seen.get(item.path)) is not None and seen[0] == item.version
            else (item.version, now)
            for item in listed
        }
        batch: list[_Unit] = []
        num_files = num_bytes = 0
        for unit in self._units(listed, archives_last=state.on_duplicate_key != "replace"):
            if not all(self._is_settled(item, now) for item in unit) or not any(self._is_new(item) for item in unit):
                continue
            size = sum(item.size for item in unit)
            is_other = bool(batch) and self._is_archive(batch[0][0]) != self._is_archive(unit[0])
            if batch and (
                is_other
                or num_files + len(unit) > self._options.max_files
                or num_bytes + size > self._options.max_bytes
            ):
                yield batch
                batch, num_files, num_bytes = [], 0, 0
            batch.append(unit)
            num_files += len(unit)
            num_bytes += size
        if batch:
            yield batch

    def commits(self, batch: Sequence[_Unit]) -> Iterator[Commit]:
        """Its commits: one, or several where a file is broken, or where a key comes twice.

        The older half is tried before the newer, so of rows with the same key that of the newer file is the later one.
        """
        skips = self._settings.on_invalid == "skip"
        waiting = [batch]
        while waiting:
            units = waiting.pop()
            try:
                made = self._commit(units)
            except MissingExtra:
                raise  # no file is to blame
            except InvalidInput as error:
                if len(units) > 1 and (skips or isinstance(error, (RepeatedKey, RepeatedName))):
                    middle = len(units) // 2
                    waiting += [units[middle:], units[:middle]]
                    continue
                if not skips:
                    raise
                self._refuse(units[0], error)
                continue
            if made is not None:
                yield made

    def _commit(self, units: Sequence[_Unit]) -> Commit | None:
        """One commit; None if another watcher was first, or a file changed meanwhile."""
        batch = [item for unit in units for item in unit]
        settings = self._settings
        # Without those of files that are there again because a file of the same sample is new.
        marks = {mark for item in batch for mark in self._marks(item) if mark not in self._known}
        try:
            return self._dataset.commit(
                self._source(batch),
                message=settings.message,
                tags=settings.tags,
                media=settings.media,
                on_invalid=settings.on_invalid,
                progress=settings.progress,
                claims=FileClaims(
                    marks,
                    self._known,
                    is_unchanged=partial(self._is_unchanged, batch),
                    can_be_split=len(units) > 1,
                ),
            )
        except FilesTaken:
            return None
        except (InvalidInput, NotFound) as error:
            if self._is_unchanged(batch):
                raise
            _logger.info("files changed while they were read root=%s error=%s", self._root, error)
            return None

    def _refuse(self, unit: _Unit, error: InvalidInput) -> None:
        """Do not try these versions again in this process."""
        self._refused.update(mark for item in unit for mark in self._marks(item))
        self._on_refused(RefusedFiles(tuple(item.path for item in unit), error.message))

    # -- looking --------------------------------------------------------------------------------------------------

    def _list(self) -> Iterator[_Found]:
        limits = ArchiveLimits()
        now = self._clock()
        if self._is_remote:
            locations = self._dataset.lake.locations
            for path, item in list_objects(self._root, locations, limits=limits, may_be_empty=True):
                yield _Found(path, item.size, item.version, now - item.modified_at, item)
            return
        folder = open_folder(self._root, name=self._root, limits=limits, may_be_empty=True)
        for path, size, mtime_ns in folder.listed:
            yield _Found(path, size, f"{size}-{mtime_ns}", now - mtime_ns / 1e9)

    def _refuse_index_files(self, listed: Sequence[_Found]) -> None:
        if not self._has_index_files:
            return
        for item in listed:
            if "/" not in item.path and item.path.lower().endswith(INDEX_SUFFIXES):
                raise InvalidInput(
                    f"{item.path!r} says what the other files are, so they cannot be taken a few at a time; commit the "
                    "folder as a whole, or move the table elsewhere",
                    file=self._root,
                )

    def _units(self, listed: Sequence[_Found], *, archives_last: bool) -> list[_Unit]:
        """Media files with their small files, all others alone; oldest first, and of equal age in the order listed.

        Archives are commits of their own, so there are fewer commits with all of them at the end.
        """
        stems = {_stem(item.path) for item in listed if self._is_small(item.path)}
        units: dict[str, _Unit] = {}
        for item in listed:
            stem = _stem(item.path)
            units.setdefault(f"{stem}\0" if stem in stems else item.path, []).append(item)
        return sorted(
            units.values(),
            key=lambda unit: (archives_last and self._is_archive(unit[0]), -min(item.age_seconds for item in unit)),
        )

    def _is_small(self, path: str) -> bool:
        dot = path.rfind(".")
        return dot > path.rfind("/") and path[dot:].lower() in self._small_suffixes

    def _is_archive(self, item: _Found) -> bool:
        return not self._type.allows_nested_archives and archive_kind(item.path) is not None

    def _is_settled(self, item: _Found, now: float) -> bool:
        # A file that was changed long ago is whole; where its clock is wrong, what this process saw decides.
        seen = now - self._first_seen[item.path][1]
        return max(item.age_seconds, seen) >= self._options.settle_seconds

    def _is_new(self, item: _Found) -> bool:
        mark = self._mark(item, item.version)
        if mark in self._known or mark in self._refused:
            return False
        if item.stored is not None:
            return True
        try:
            content = self._mark(item, self._content(item))
        except OSError:
            return False  # it went, or is being replaced
        if content in self._known:
            self._known.add(mark)  # touched, but the same
            return False
        return content not in self._refused

    # -- taking ---------------------------------------------------------------------------------------------------

    def _marks(self, item: _Found) -> list[str]:
        """Of the version, and on this machine, where a file can be touched without being changed, of the content."""
        marks = [self._mark(item, item.version)]
        if item.stored is None:
            try:
                marks.append(self._mark(item, self._content(item)))
            except OSError as error:
                _logger.info("file went path=%s error=%s", item.path, error)
        return marks

    def _mark(self, item: _Found, version: str) -> str:
        root = self._root if self._is_remote else file_uri(self._root)
        return file_mark(self._uid, f"{root}/{item.path}", version)

    def _content(self, item: _Found) -> str:
        known = self._contents.get(item.path)
        if known is None or known[0] != item.version:
            hasher = blake3.blake3()
            hasher.update_mmap(os.path.join(self._root, item.path))
            known = self._contents[item.path] = (item.version, f"blake3:{hasher.hexdigest()}")
        return known[1]

    def _source(self, batch: Sequence[_Found]) -> object:
        if self._is_archive(batch[0]):
            return [f"{self._root}/{item.path}" for item in batch]
        if self._is_remote:
            return StoredFiles(self._root, [(item.path, item.stored) for item in batch if item.stored is not None])
        files = sorted((item.path, item.size, int(item.version.partition("-")[2])) for item in batch)
        return FolderFiles(self._root, files, name=self._root)

    def _is_unchanged(self, batch: Sequence[_Found]) -> bool:
        if not self._is_remote:
            return all(_local_version(os.path.join(self._root, item.path)) == item.version for item in batch)
        try:
            now = {item.path: item.version for item in self._list()}
        except HeadraceError:  # nobody can say that they stayed the same; the next look takes them again
            return False
        return all(now.get(item.path) == item.version for item in batch)


def _log_refused(files: RefusedFiles) -> None:
    _logger.warning("left out paths=%s error=%s", ",".join(files.paths), files.reason)


def _local_version(path: str) -> str | None:
    try:
        status = os.stat(path)
    except OSError:  # it went
        return None
    return f"{status.st_size}-{status.st_mtime_ns}"


def _stem(path: str) -> str:
    dot = path.rfind(".")
    return path[:dot] if dot > path.rfind("/") + 1 else path
