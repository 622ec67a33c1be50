"""Which rows a caller means: by a filter, or by keys and ids; as addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.addresses import AddressSet
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.records import CommitRecord

__all__ = ["check_condition", "match_rows"]


def check_condition(where: str | None, keys: Iterable[object] | None) -> list[str] | None:
    """The keys as text; exactly one of the two must be given.

    Raises:
        InvalidInput: None or both are given, or the keys are one text.
    """
    if (where is None) == (keys is None):
        raise InvalidInput("say which rows: either where=, a condition such as \"label = 'oos'\", or keys=, a list")
    if keys is None:
        return None
    if isinstance(keys, str | bytes):
        raise InvalidInput(f"keys={keys!r}: expected a list of keys")
    texts = [str(key) for key in keys]
    if not texts:
        raise InvalidInput("keys=[]: expected at least one key")
    return texts


def match_rows(
    dataset: Dataset,
    commits: Sequence[CommitRecord],
    *,
    left_out: AddressSet,
    where: str | None,
    keys: Sequence[str] | None,
    every_version: bool = False,
) -> AddressSet:
    """Addresses (commit number, ordinal) of the rows that are meant.

    In a dataset where later rows replace earlier ones of the same key, a row means its sample: all rows of its key in
    these commits, so that leaving out the newest brings no older one back.

    Args:
        commits: Where to look.
        left_out: Rows that do not count.
        where: A DuckDB expression; or
        keys: keys, or `_id`s.
        every_version: Ask the filter of replaced rows too.

    Raises:
        InvalidInput: A bad filter.
        NotFound: A key that no row has.
    """
    if where is not None:
        snapshot = dataset.selection_of(commits, left_out=left_out, where=where, every_version=every_version)
        found = snapshot.addresses_of(np.arange(snapshot.num_rows))
        if dataset.on_duplicate_key != "replace" or not found:
            return found
        matched = [snapshot.key_of(name) for name in snapshot.to_arrow(["_id"]).column("_id").to_pylist()]
        return _rows_of_keys(dataset, commits, left_out, matched)[0]
    wanted = list(dict.fromkeys(keys or ()))
    found, missing = _rows_of_keys(dataset, commits, left_out, wanted)
    if missing:
        known = [str(key) for record in commits[:1] for key in _keys(dataset, record).slice(0, 1000).to_pylist() if key]
        gone = [key for key in missing if key in known]
        if gone:
            raise NotFound(
                f"the row with the key {gone[0]!r} of dataset {dataset.name!r} was deleted or purged before; nothing "
                "was changed"
            )
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise NotFound(
            f"dataset {dataset.name!r} has no row with the key {missing[0]!r}{more}.{near_miss(missing[0], known)} "
            "Keys and ids come from: headrace sample REF --json"
        )
    return found


def _rows_of_keys(
    dataset: Dataset, commits: Sequence[CommitRecord], left_out: AddressSet, wanted: Sequence[str]
) -> tuple[AddressSet, list[str]]:
    """All rows that have one of the keys or ids, and those of the wanted that no row has."""
    found = AddressSet()
    missing = dict.fromkeys(wanted)
    if dataset.on_duplicate_key != "replace":  # there an id is the key itself
        for record in commits:
            prefix = f"{record.commit_id}:"
            ids = {name[len(prefix) :]: name for name in wanted if name.startswith(prefix)}
            if ids:
                rows, keys = _rows_with(dataset, record, left_out, list(ids))
                found |= rows
                for key in keys:
                    missing.pop(ids[key], None)
    # What names one row as an id does not mean, as a key, others too.
    wanted = list(missing)
    for record in commits if wanted else ():
        rows, keys = _rows_with(dataset, record, left_out, wanted)
        found |= rows
        for key in keys:
            missing.pop(key, None)
    return found, list(missing)


def _rows_with(
    dataset: Dataset, record: CommitRecord, left_out: AddressSet, wanted: Sequence[str]
) -> tuple[AddressSet, list[str]]:
    """The rows of a commit that have one of the keys, and the keys that they have."""
    keys = _keys(dataset, record)
    number = int(record.commit_id)
    ordinals = np.flatnonzero(pc.is_in(keys, pa.array(wanted, pa.string())).to_numpy())
    hidden = left_out.of(number)
    if hidden is not None:
        ordinals = np.setdiff1d(ordinals, hidden, assume_unique=True)
    return AddressSet({number: ordinals}), keys.take(pa.array(ordinals)).to_pylist()


def _keys(dataset: Dataset, record: CommitRecord) -> pa.ChunkedArray:
    return dataset.reader.commit(record).columns(["_key"]).column("_key")
