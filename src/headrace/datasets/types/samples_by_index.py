"""Samples of a folder or archive with an index: one row a row of the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.datasets.batches import FileEntry, SampleBatch
from headrace.datasets.types.carried_columns import CarriedColumns, keep_rows
from headrace.datasets.types.index_files import PATH_COLUMNS, IndexFile
from headrace.datasets.types.media_files import SortedFiles
from headrace.datasets.types.row_failures import RowFailures, row_lines
from headrace.datasets.types.sample_batches import file_batch
from headrace.datasets.types.sample_columns import SampleColumns
from headrace.datasets.types.sample_rules import SampleRules
from headrace.datasets.types.table_columns import string_values
from headrace.errors import InvalidInput

__all__ = ["samples_by_index"]

_NAMED_FILES: Final = 5  # how many files a message lists


def samples_by_index(
    index: IndexFile, files: SortedFiles, rules: SampleRules, *, failures: RowFailures
) -> Iterator[SampleBatch]:
    """Rows in the order of the index; `members` are the media files.

    Raises:
        InvalidInput: A row names no file, or (once all rows were read) media files are not named by any row, unless
            invalid rows are left out.
    """
    path_names = tuple(dict.fromkeys((*PATH_COLUMNS, rules.media_column)))
    expected = f"a column filename (or {', '.join(path_names[1:])})"
    if rules.value_column is not None:
        expected += f" and a column {rules.value_column}"
    carried = CarriedColumns(("id", rules.media_column, *rules.value_names[:1]))
    place, origin_idx, member = index.entry.media.name, index.entry.origin_idx, index.entry.path
    named: set[str] = set()
    for batch in index.batches(on_bad_row=failures.bad_rows(origin_idx=origin_idx, member=member)):
        lines = row_lines(batch)
        columns = SampleColumns.of(
            batch.table, rules, media_names=path_names, expected=expected, carried=carried, place=place
        )
        kept: list[int] = []
        ids: list[str] = []
        entries: list[FileEntry] = []
        paths = string_values(columns.media, column=columns.media_name, place=place).to_pylist()
        for row_idx, path in enumerate(paths):
            entry = index.find(path)
            problem: tuple[str, str] | None
            if entry is None:
                problem = index.missing(path, explain=failures.raises), columns.media_name
            else:
                named.add(entry.path)
                problem = columns.problem(row_idx, rules)
            if problem is not None:
                reason, column = problem
                failures.reject(reason, origin_idx=origin_idx, member=member, line=lines[row_idx], column=column)
            elif entry is not None:
                kept.append(row_idx)
                ids.append((columns.ids[row_idx] if columns.ids is not None else None) or entry.path)
                entries.append(entry)
        values = [columns.values[row_idx] for row_idx in kept]
        result = file_batch(rules, ids=ids, entries=entries, values=values, failures=failures)
        result.columns.update(keep_rows(columns.further, kept, batch.table.num_rows))
        yield result
    unnamed = [entry for entry in files.media if entry.path not in named]
    if unnamed and failures.raises:
        listed = ", ".join(entry.path for entry in unnamed[:_NAMED_FILES])
        more = f" and {len(unnamed) - _NAMED_FILES} more" if len(unnamed) > _NAMED_FILES else ""
        raise InvalidInput(
            f"does not name {len(unnamed)} {rules.kind} file(s): {listed}{more}; add rows for them, remove the files, "
            "or leave out invalid files",
            file=place,
        )
    for entry in unnamed:
        failures.reject(f"is not named in {member}", origin_idx=entry.origin_idx, member=entry.path)
    if unnamed:
        yield file_batch(rules, ids=[], entries=[], values=[], failures=failures)
