"""Rows of a Lance dataset as a provider: read where they lie, at the version that was opened.

Format: https://lance.org/format. `take` reads single rows without decoding their neighbours, so nothing is converted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from blake3 import blake3

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_field, media_kind, normal_type
from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, MissingExtra, NotFound
from headrace.schema.near_misses import near_miss_or_known
from headrace.storage.locations import Locations
from headrace.streaming.media_addresses import address_of
from headrace.streaming.media_columns import is_pair, media_columns
from headrace.streaming.media_fetching import MediaFetcher
from headrace.streaming.options import IndexOptions
from headrace.streaming.row_names import check_key_values

if TYPE_CHECKING:
    from lance import LanceDataset

__all__ = ["LanceRows", "is_lance", "open_lance"]

_SCANNED_ROWS = 65_536
_LOOKED_AT_ROWS = 256
_GUESSED_BYTES = 100_000  # of a value that lies in a file of its own


def is_lance(text: str) -> bool:
    """Whether a path or URI names a Lance dataset."""
    name = text.rstrip("/")
    return name.endswith(".lance") and ("://" in name or os.path.isdir(name))


def open_lance(text: str, *, options: IndexOptions) -> LanceRows:
    """The newest version of a Lance dataset.

    Raises:
        MissingExtra: The package pylance is not installed.
        NotFound, InvalidInput: There is no such dataset, or its columns are not those that the options name.
    """
    uri = text.rstrip("/")
    uri = uri if "://" in uri else os.path.abspath(uri)
    rows = LanceRows(uri, version=None, options=options)
    if options.key is not None:
        rows.check_keys()
    return rows


def _open(uri: str, version: int | None) -> LanceDataset:
    try:
        import lance
    except ImportError:
        raise MissingExtra("reading a Lance dataset needs the package pylance: pip install pylance", file=uri) from None
    try:
        return lance.dataset(uri, version=version)
    except (ValueError, OSError) as error:
        reason = str(error).split(", /", 1)[0][:300]
        if "not found" in reason.lower():
            raise NotFound(f"{uri}: no such Lance dataset, or no version {version} of it any more") from error
        raise InvalidInput(f"no readable Lance dataset ({reason})", file=uri) from error


class LanceRows:
    """Immutable and thread-safe. A copy in another process opens the same version of the dataset again."""

    def __init__(self, uri: str, *, version: int | None, options: IndexOptions) -> None:
        self.name = uri
        self._options = options
        dataset = _open(uri, version)
        self._version = int(dataset.version)
        self.num_rows = int(dataset.count_rows())
        if self.num_rows == 0:
            raise InvalidInput("a Lance dataset without rows; expected at least one", file=uri)
        self.identity = _identity(dataset, options)
        self.is_local = "://" not in uri
        self._root = uri.rpartition("/")[0]
        self.schema, self._paths = self._columns(dataset)
        self._pairs = frozenset(column.name for column in dataset.schema if is_pair(column.type))
        stored = 0 if not self.is_local else _folder_bytes(os.path.join(uri, "data"))
        self.mean_row_bytes = stored // self.num_rows + _GUESSED_BYTES * len(self._paths)
        self._locations = Locations()
        self._prepare()
        self._datasets[os.getpid()] = dataset

    def _prepare(self) -> None:
        self._media = frozenset(field.name for field in self.schema if media_kind(field) is not None)
        self._fetcher = MediaFetcher(None, "", locations=self._locations)
        self._datasets: dict[int, LanceDataset] = {}  # by process: its threads do not survive a fork
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("_fetcher", "_datasets", "_lock"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def _dataset(self) -> LanceDataset:
        found = self._datasets.get(os.getpid())
        if found is None:
            with self._lock:
                found = self._datasets.setdefault(os.getpid(), _open(self.name, self._version))
        return found

    def _columns(self, dataset: LanceDataset) -> tuple[pa.Schema, frozenset[str]]:
        """Columns as users see them, and those that hold paths."""
        options = self._options
        head = dataset.take(list(range(min(_LOOKED_AT_ROWS, self.num_rows)))).combine_chunks().to_batches()[0]
        media = media_columns(head, options, name=self.name)
        fields = []
        for column in dataset.schema:
            if column.name == "_id" and options.key != "_id":
                raise InvalidInput(
                    "a column cannot be called '_id' here; rename it, or say that it names the samples: "
                    "IndexOptions(key='_id')",
                    file=self.name,
                )
            if column.name in media:
                fields.append(media_field(column.name, media[column.name][0], nullable=True))
            else:
                fields.append(pa.field(column.name, normal_type(column.type, column=column.name)))
        known = [field.name for field in fields if media_kind(field) is None]
        if options.key is not None and options.key not in known:
            raise InvalidInput(
                f"key={options.key!r}: there is no such column.{near_miss_or_known(options.key, known)}", file=self.name
            )
        return pa.schema(fields), frozenset(name for name, (_, is_path) in media.items() if is_path)

    def check_keys(self) -> None:
        """Raise `InvalidInput` for a key that is null or that two rows share."""
        key = str(self._options.key)
        pieces = [batch.column(0) for batch in self._scan([key])]
        check_key_values(pieces, column=key, name=self.name)

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        """As `Provider.read`; an error names the row."""
        if not len(rows):
            return {name: [] for name in columns}
        key = self._options.key
        wanted = [name for name in dict.fromkeys([*columns, *([] if key is None else [key])]) if name != "_id"]
        taken = self._take(rows, wanted)
        found: dict[str, list[Any]] = {}
        for name in columns:
            if name == "_id" and key != "_id":
                found[name] = [str(value) for value in (rows.tolist() if key is None else taken[key].to_pylist())]
            elif name == "_id":
                found[name] = [str(value) for value in self._take(rows, ["_id"])["_id"].to_pylist()]
            elif name in self._media:
                found[name] = self._media_values(name, taken[name].to_pylist(), rows)
            else:
                found[name] = taken[name].to_pylist()
        return found

    def read_one(self, row: int, columns: Sequence[str]) -> list[Any]:
        """As `Provider.read_one`."""
        found = self.read(np.array([row], dtype=np.int64), columns)
        return [found[name][0] for name in columns]

    def _take(self, rows: np.ndarray, columns: Sequence[str]) -> pa.Table:
        if not columns:
            return pa.table({})
        try:
            return self._dataset().take(rows.tolist(), columns=list(columns))
        except (OSError, ValueError, RuntimeError) as error:
            raise DataCorrupted(
                f"{self.name}: rows of version {self._version} cannot be read: {error}; the version was removed, or a "
                "file of it"
            ) from error

    def _media_values(self, name: str, values: list[Any], rows: np.ndarray) -> list[bytes | None]:
        if name not in self._paths and name not in self._pairs:
            return values
        found: list[bytes | None] = []
        for row, value in zip(rows.tolist(), values):
            data, path = (value["bytes"], value["path"]) if isinstance(value, dict) else (None, value)
            if data is not None or not path:
                found.append(data)
                continue
            try:
                found += self._fetcher.fetch_files([address_of(path, self._root)], None)
            except HeadraceError as error:
                raise type(error)(f"row {row} of {self.name}: {error}") from error
        return found

    def narrow(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As `Provider.narrow`; sizes of media are not known without reading them."""
        plain = [name for name in columns if name not in self._media]
        if not plain:
            yield pa.table({name: pa.nulls(self.num_rows, MEDIA_VIEW_TYPE) for name in columns})
            return
        for batch in self._scan(plain):
            arrays = []
            for name in columns:
                if name in self._media:
                    arrays.append(pa.nulls(batch.num_rows, MEDIA_VIEW_TYPE))
                else:
                    values = batch.column(batch.schema.get_field_index(name))
                    wanted = self.schema.field(name).type
                    arrays.append(values if values.type == wanted else values.cast(wanted))
            yield pa.table(arrays, names=list(columns))

    def _scan(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        scanner = self._dataset().scanner(columns=columns, batch_size=_SCANNED_ROWS, scan_in_order=True)
        yield from scanner.to_batches()


def _identity(dataset: LanceDataset, options: IndexOptions) -> str:
    """Names the rows: files have random names, so that those of another dataset differ."""
    parts = ["headrace.lance.1", repr(options.media), repr(options.key), str(dataset.schema)]
    for fragment in dataset.get_fragments():
        parts += [str(file.path) for file in fragment.data_files()]
        parts.append(str(fragment.deletion_file()))
    return blake3("\0".join(parts).encode()).hexdigest()


def _folder_bytes(folder: str) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
