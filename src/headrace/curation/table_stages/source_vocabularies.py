"""What each source can say of a field, and how often anything is said: looked up over all rows before the merge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.merge_columns import SOURCE_NAME, value_type
from headrace.curation.merge_rules import MergeRules
from headrace.curation.table_stages.said_values import said_values
from headrace.errors import InvalidInput

__all__ = ["Vocabulary", "VocabularyCounter", "check_rows"]

_MOST_WAITING = 4_000_000  # counts of one field before they are added up


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Values in the order of ties: what is said most often first, then by code point."""

    values: pa.Array  # [num_values]
    covers: NDArray[np.bool_]  # [num_values, num_sources], whether the source can say it

    def write(self, path: Path) -> None:
        """Keep it as an Arrow file."""
        table = pa.table([self.values, *map(pa.array, self.covers.T)], names=["value", *map(str, self._sources())])
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """What `write` kept."""
        with pa.OSFile(str(path)) as source:
            table = pa.ipc.open_file(source).read_all().combine_chunks()
        covers = [table.column(idx).to_numpy() for idx in range(1, table.num_columns)]
        return cls(
            pa.concat_arrays(table.column(0).chunks or [pa.array([], table.schema.types[0])]), np.stack(covers, 1)
        )

    def _sources(self) -> range:
        return range(self.covers.shape[1])


class VocabularyCounter:
    """Counts what each source says of one field, part by part."""

    def __init__(self, rules: MergeRules, field: str, *, kind: pa.DataType) -> None:
        """`kind` is the column's."""
        self._rules = rules
        self._field = field
        self._is_single = value_type(kind) == kind  # a value says of all others that they are wrong
        self._schema = pa.schema([("value", value_type(kind)), ("source", pa.int64()), ("count", pa.int64())])
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0

    def add(self, column: pa.Array, sources: NDArray[np.int64]) -> None:
        """Count a part; `column` and `sources` are [num_rows].

        Raises:
            InvalidInput: A score that is no probability.
        """
        said = said_values(column)
        if said.shares is not None:
            _check_shares(said.shares, said.values, self._field)
        encoded = said.values.dictionary_encode()
        num_sources = len(self._rules.sources)
        cells = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64) * num_sources + sources[said.rows]
        counts = np.bincount(cells, minlength=len(encoded.dictionary) * num_sources)
        used = np.flatnonzero(counts)
        values = encoded.dictionary.take(pa.array(used // num_sources))
        self._waiting.append(
            pa.table([values, pa.array(used % num_sources), pa.array(counts[used])], schema=self._schema)
        )
        self._num_waiting += len(used)
        if self._num_waiting > _MOST_WAITING:
            self._waiting = [self._total()]
            self._num_waiting = 0  # what is left differs, so waiting for it would add up each time

    def finish(self) -> Vocabulary:
        """All that was counted, with the vocabularies that the rules give.

        Raises:
            InvalidInput: A vocabulary's file is no text.
        """
        total = self._total()
        by_value = total.group_by("value").aggregate([("count", "sum")])
        ranked = by_value.sort_by([("count_sum", "descending"), ("value", "ascending")])
        values = _array(ranked.column("value"))
        covers = np.full((len(values), len(self._rules.sources)), self._is_single)  # [num_values, num_sources]
        places = pc.index_in(_array(total.column("value")), value_set=values).to_numpy(zero_copy_only=False)
        covers[places, total.column("source").to_numpy()] = True
        for given in self._rules.vocabularies:
            if given.field == self._field:
                words = _read_words(given.values) if isinstance(given.values, Path) else given.values
                known = pc.is_in(values.cast(pa.string()), value_set=pa.array(words, pa.string()))
                covers[:, self._rules.sources.index(given.source)] = known.to_numpy(zero_copy_only=False)
        return Vocabulary(values, covers)

    def _total(self) -> pa.Table:
        whole = pa.concat_tables([self._schema.empty_table(), *self._waiting])
        total = whole.group_by(["value", "source"]).aggregate([("count", "sum")])
        return total.select(["value", "source", "count_sum"]).rename_columns(self._schema.names).cast(self._schema)


def check_rows(table: pa.Table, rules: MergeRules) -> NDArray[np.int64]:
    """The position of each row's source in `rules.sources`, [num_rows].

    Raises:
        InvalidInput: A row without identity, or with a source that has no weight.
    """
    without = table.column(rules.identity).null_count
    if without:
        raise InvalidInput(
            f"merge: {without:,} rows have no {rules.identity}; give them one, or filter them out in a stage before"
        )
    names = _array(table.column(SOURCE_NAME))
    found = pc.index_in(names, value_set=pa.array(rules.sources, pa.string()))
    if found.null_count:
        unknown = sorted(str(name) for name in pc.unique(names.filter(found.is_null())).to_pylist())[:5]
        raise InvalidInput(
            f"merge: {found.null_count:,} rows are of sources that source_weight_map does not name: "
            f"{', '.join(unknown)}; it names {', '.join(rules.sources)}"
        )
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _check_shares(shares: NDArray[np.float64], values: pa.Array, field: str) -> None:
    wrong = np.flatnonzero(~((shares >= 0) & (shares <= 1)))  # NaN too
    if len(wrong):
        raise InvalidInput(
            f"merge: {field!r} has the score {shares[wrong[0]]} for {values[int(wrong[0])].as_py()!r}; expected a "
            "probability from 0 to 1"
        )


def _read_words(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"merge: the vocabulary {str(path)!r} cannot be read as text: {error}") from error
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _array(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
