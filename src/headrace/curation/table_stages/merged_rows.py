"""One row of each identity from the rows that several sources have of it: one partition, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.merge_rules import (
    SOURCES,
    VOTES,
    MergeFunction,
    MergeRules,
    confidence_column,
    source_column,
    sources_column,
)
from headrace.curation.row_groups import compared_values
from headrace.curation.table_stages.said_values import said_values
from headrace.curation.table_stages.source_vocabularies import Vocabulary, check_rows
from headrace.curation.table_stages.weighted_votes import Entries, Votes, take_votes
from headrace.errors import InvalidInput

__all__ = ["merged_rows"]


def merged_rows(
    table: pa.Table,  # [num_rows], the columns of `read_schema`
    rules: MergeRules,
    *,
    vocabularies: Mapping[str, Vocabulary],
    schema: pa.Schema,
) -> pa.Table:  # [num_identities], ascending by identity
    """The rows of one partition, all of each identity among them; what order they come in does not matter.

    Args:
        vocabularies: Of each field that is voted on.
        schema: Of the result, see `merged_schema`.

    Raises:
        InvalidInput: A row without identity or of an unknown source; rows that only `_id` could tell apart, without it.
    """
    merge = _Merge(table, rules)
    columns: dict[str, pa.Array] = {rules.identity: merge.identities, SOURCES: merge.names(merge.rows >= 0)}
    fields = set(rules.fields)
    chosen = _chosen(merge.rows, rules.by_trust)[0]
    for name in schema.names:
        if name in table.column_names and name not in fields and name != rules.identity:
            columns[name] = _taken(merge.column(name), chosen)
    for name in rules.carry:
        columns[name] = _taken(merge.column(name), chosen)
    functions = dict(rules.functions)
    for field in rules.fields:
        column = merge.column(field)
        picks = merge.picks(column)  # [num_identities, num_sources]
        for idx, source in enumerate(rules.sources):
            columns[source_column(source, field)] = _taken(column, picks[:, idx])
        if field in functions:
            columns |= _merged(merge, field, functions[field], column, picks, vocabularies.get(field))
    return pa.Table.from_arrays([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


class _Merge:
    """Which rows are of which identity and source."""

    def __init__(self, table: pa.Table, rules: MergeRules) -> None:
        self.rules = rules
        self._table = table
        self._sources = check_rows(table, rules)  # [num_rows]
        encoded = _array(table.column(rules.identity)).dictionary_encode()
        order = pc.sort_indices(encoded.dictionary).to_numpy().astype(np.int64)  # [num_identities]
        self.identities = encoded.dictionary.take(pa.array(order))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        self._groups = ranks[encoded.indices.to_numpy(zero_copy_only=False)]  # [num_rows]
        self._order: NDArray[np.int64] | None = None
        self._is_told_apart = len(np.unique(self._groups * len(rules.sources) + self._sources)) == table.num_rows
        self.rows = self.picks(None)  # [num_identities, num_sources], -1 where the source has none

    def column(self, name: str) -> pa.Array:
        """[num_rows]"""
        return _array(self._table.column(name))

    def picks(self, column: pa.Array | None) -> NDArray[np.int64]:
        """The row of each identity and source that has a value; of several the first by `_id`; -1: none."""
        rows = np.arange(self._table.num_rows) if self._is_told_apart else self.order()
        if column is not None:
            rows = rows[_has_value(column)[rows]]
        rows = rows[::-1]  # of several that are written to one place the last one stays
        picks = np.full((len(self.identities), len(self.rules.sources)), -1, dtype=np.int64)
        picks[self._groups[rows], self._sources[rows]] = rows
        return picks

    def order(self) -> NDArray[np.int64]:
        """Positions of the rows by `_id`, then by source, [num_rows]."""
        if self._order is None:
            if "_id" not in self._table.column_names:
                raise InvalidInput(
                    "merge: a source has several rows of one identity, and without '_id' it is open which comes first; "
                    "select '_id' too, or keep one of them in a stage before"
                )
            keys = pa.table({"id": self._table.column("_id"), "source": pa.array(self._sources)})
            found = pc.sort_indices(keys, sort_keys=[("id", "ascending"), ("source", "ascending")])
            self._order = found.to_numpy().astype(np.int64)
        return self._order

    def names(self, said: NDArray[np.bool_]) -> pa.Array:  # list of text, [num_rows]
        """The sources for which it is true; `said` is [num_rows, num_sources]."""
        offsets = np.concatenate([[0], np.cumsum(said.sum(axis=1))]).astype(np.int32)
        places = np.nonzero(said)[1].astype(np.int32)
        names = pa.array(self.rules.sources, pa.string()).take(pa.array(places))
        return pa.ListArray.from_arrays(pa.array(offsets), names)


def _merged(
    merge: _Merge,
    field: str,
    function: MergeFunction,
    column: pa.Array,  # [num_rows]
    picks: NDArray[np.int64],  # [num_identities, num_sources]
    vocabulary: Vocabulary | None,
) -> dict[str, pa.Array]:
    """The columns of a merged field, each [num_identities]."""
    if function in VOTES:
        if vocabulary is None:
            raise RuntimeError(f"no vocabulary of {field}")  # it was looked up for every such field
        return _voted(merge, field, column, picks, vocabulary, is_noisy_or=function == "noisy_or")
    if function in ("best_source", "first"):
        if function == "first":
            ranks = np.empty(len(column) + 1, dtype=np.int64)
            ranks[merge.order()] = np.arange(len(column))
            ranks[-1] = len(column)  # where there is none
            by_source = np.argmin(ranks[picks], axis=1) if picks.size else np.zeros(0, dtype=np.int64)
            rows = picks[np.arange(len(picks)), by_source]
        else:
            rows, by_source = _chosen(picks, merge.rules.by_trust)
        said = np.zeros(picks.shape, dtype=np.bool_)
        said[np.arange(len(picks)), by_source] = rows >= 0
        return {field: _taken(column, rows), sources_column(field): merge.names(said)}
    if function == "mean":
        values, said = _mean(column, picks, [weight for _, weight in merge.rules.weights]), picks >= 0
    else:
        rows, said = _extreme(column, picks, is_max=function == "max")
        values = _taken(column, rows)
    return {field: values, sources_column(field): merge.names(said)}


def _voted(
    merge: _Merge,
    field: str,
    column: pa.Array,
    picks: NDArray[np.int64],
    vocabulary: Vocabulary,
    *,
    is_noisy_or: bool,
) -> dict[str, pa.Array]:
    speaks = picks >= 0  # [num_identities, num_sources]
    groups, sources = np.nonzero(speaks)  # [num_picked]
    said = said_values(column.take(pa.array(picks[groups, sources])))
    values = pc.index_in(said.values, value_set=vocabulary.values).to_numpy(zero_copy_only=False).astype(np.int64)
    votes = take_votes(
        Entries(
            groups=groups[said.rows],
            sources=sources[said.rows],
            values=values,
            shares=np.ones(len(values)) if said.shares is None else said.shares,
        ),
        speaks=speaks,
        covers=vocabulary.covers,
        weights=[weight for _, weight in merge.rules.weights],
        is_noisy_or=is_noisy_or,
    )
    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    found = _lists(votes, speaks, vocabulary) if is_list else _single(votes, speaks, vocabulary)
    merged, confidences, kept = found
    names = merge.names(votes.said[kept])
    if is_list:
        names = pa.ListArray.from_arrays(merged.offsets, names, mask=merged.is_null())
    else:
        names = _spread(names, votes.groups[kept], len(speaks))
    return {field: merged, confidence_column(field): confidences, sources_column(field): names}


def _lists(
    votes: Votes, speaks: NDArray[np.bool_], vocabulary: Vocabulary
) -> tuple[pa.ListArray, pa.ListArray, NDArray[np.int64]]:
    """All values of each identity and how sure they are, [num_identities]; null where no source speaks."""
    counts = np.bincount(votes.groups, minlength=len(speaks))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    mask = pa.array(~speaks.any(axis=1))
    values = pa.ListArray.from_arrays(offsets, vocabulary.values.take(pa.array(votes.values)), mask=mask)
    confidences = pa.ListArray.from_arrays(offsets, pa.array(votes.confidences), mask=mask)
    return values, confidences, np.arange(len(votes.groups))


def _single(
    votes: Votes, speaks: NDArray[np.bool_], vocabulary: Vocabulary
) -> tuple[pa.Array, pa.Array, NDArray[np.int64]]:
    """The surest value of each identity; null where there is none."""
    is_first = np.ones(len(votes.groups), dtype=np.bool_)
    is_first[1:] = votes.groups[1:] != votes.groups[:-1]
    kept = np.flatnonzero(is_first)
    groups = votes.groups[kept]
    values = _spread(vocabulary.values.take(pa.array(votes.values[kept])), groups, len(speaks))
    return values, _spread(pa.array(votes.confidences[kept]), groups, len(speaks)), kept


def _spread(values: pa.Array, groups: NDArray[np.int64], num_groups: int) -> pa.Array:
    """Values put at their groups' places, null elsewhere, [num_groups]."""
    places = np.full(num_groups, -1, dtype=np.int64)
    places[groups] = np.arange(len(groups))
    return _taken(values, places)


def _mean(column: pa.Array, picks: NDArray[np.int64], weights: Sequence[float]) -> pa.Array:
    """The weighted mean of the sources that have a value."""
    numbers = column.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
    total, weight_of_all = np.zeros(len(picks)), np.zeros(len(picks))
    for idx, weight in enumerate(weights):  # source after source: sums of floats depend on their order
        has = picks[:, idx] >= 0
        total[has] += weight * numbers[picks[has, idx]]
        weight_of_all[has] += weight
    is_null = weight_of_all == 0
    return pa.array(total / np.where(is_null, 1.0, weight_of_all), mask=is_null)


def _extreme(
    column: pa.Array, picks: NDArray[np.int64], *, is_max: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:  # [num_identities], [num_identities, num_sources]
    """The row with the largest or smallest value, and which sources have that value."""
    ranks = pc.rank(column, sort_keys="ascending", tiebreaker="dense").to_numpy().astype(np.int64)  # from 1
    none = 0 if is_max else len(column) + 2
    by_source = np.append(ranks, none)[picks]  # [num_identities, num_sources]; -1 is the last one
    extreme = by_source.max(axis=1) if is_max else by_source.min(axis=1)
    said = (by_source == extreme[:, None]) & (picks >= 0)
    return picks[np.arange(len(picks)), np.argmax(said, axis=1)], said


def _chosen(
    picks: NDArray[np.int64],  # [num_identities, num_sources]
    order: Sequence[int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # [num_identities] each
    """The row of the first source in this order that has one, -1 where none has, and which source it is."""
    ordered = picks[:, list(order)]
    first = np.argmax(ordered >= 0, axis=1)
    return ordered[np.arange(len(picks)), first], np.asarray(order, dtype=np.int64)[first]


def _taken(values: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    """Null where the row is -1."""
    return values.take(pa.array(rows, mask=rows < 0))


def _has_value(column: pa.Array) -> NDArray[np.bool_]:  # [num_rows]
    """NaN is no value."""
    compared = compared_values(pa.chunked_array([column])) if pa.types.is_floating(column.type) else column
    return np.asarray(compared.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _array(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
