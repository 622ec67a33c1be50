"""Samples of a folder or archive without index: media files with the small files beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from headrace.datasets.batches import FileEntry, SampleBatch
from headrace.datasets.types.media_files import SortedFiles
from headrace.datasets.types.row_failures import RowFailures
from headrace.datasets.types.sample_batches import file_batch
from headrace.datasets.types.sample_rules import SampleRules
from headrace.datasets.types.sidecars import FieldColumns, FieldValue
from headrace.errors import InvalidInput

__all__ = ["samples_from_files"]

_BATCH_ROWS: Final = 1024

ValueOf = Callable[[FileEntry], str | None]


def samples_from_files(
    files: SortedFiles, rules: SampleRules, *, value_of: ValueOf, layouts: str, failures: RowFailures
) -> Iterator[SampleBatch]:
    """One row a media file, in source order.

    Args:
        value_of: The text that a file's path says, for files without a small file that says it.
        layouts: What was expected, for messages.

    Raises:
        InvalidInput: No media files, or the first file that breaks the rules unless those are left out.
    """
    _reject_leftovers(files, rules, failures)
    if not files.media:
        rejected = failures.drain()
        reason = f" ({rejected[0].reason})" if rejected else ""
        raise InvalidInput(f"holds no {rules.kind} files{reason}; expected {layouts}", file=failures.place(0))
    if files.sidecars:
        yield from _with_sidecars(files, rules, value_of=value_of, layouts=layouts, failures=failures)
    else:
        yield from _media_alone(files, rules, value_of=value_of, layouts=layouts, failures=failures)


def _media_alone(
    files: SortedFiles, rules: SampleRules, *, value_of: ValueOf, layouts: str, failures: RowFailures
) -> Iterator[SampleBatch]:
    for start in range(0, len(files.media), _BATCH_ROWS):
        entries = files.media[start : start + _BATCH_ROWS]
        values: list[str | None] = []
        if rules.value_column is not None:
            kept: list[FileEntry] = []
            for entry in entries:
                try:
                    value = value_of(entry)
                    if value is None:
                        raise _no_value(entry, rules, layouts=layouts)
                except InvalidInput as error:
                    failures.reject_error(error, origin_idx=entry.origin_idx, member=entry.path)
                    continue
                kept.append(entry)
                values.append(value)
            entries = kept
        yield file_batch(
            rules, ids=[entry.path for entry in entries], entries=entries, values=values, failures=failures
        )


def _with_sidecars(
    files: SortedFiles, rules: SampleRules, *, value_of: ValueOf, layouts: str, failures: RowFailures
) -> Iterator[SampleBatch]:
    """Which columns the JSON files give, and of which type, is known when all were read, so the batches wait for that.

    They hold no media content meanwhile.
    """
    ambiguous = {entry.path for entries in files.shared_stems().values() for entry in entries}
    columns = FieldColumns()
    held: list[SampleBatch] = []
    samples = files.samples()
    while chunk := list(islice(samples, _BATCH_ROWS)):
        kept: list[FileEntry] = []
        ids: list[str] = []
        values: list[str | None] = []
        rows: list[dict[str, FieldValue]] = []
        for sample in chunk:
            entry = sample.entry
            try:
                if entry.path in ambiguous:
                    raise InvalidInput(
                        "shares its stem with another media file, and the small file beside them belongs to one; "
                        "give them different names",
                        file=entry.media.name,
                    )
                sample_id, value, fields = rules.read_sidecars(sample)
                if value is None and rules.value_column is not None:
                    value = value_of(entry)
                    if value is None:
                        raise _no_value(entry, rules, layouts=layouts)
                reason = rules.check_value(value)
                if reason is not None:
                    raise InvalidInput(reason, file=entry.media.name)
            except InvalidInput as error:
                failures.reject_error(error, origin_idx=entry.origin_idx, member=entry.path)
                continue
            kept.append(entry)
            ids.append(sample_id)
            values.append(value)
            rows.append(fields)
        columns.add(rows, kept)
        held.append(file_batch(rules, ids=ids, entries=kept, values=values, failures=failures))
    for batch_idx, batch in enumerate(held):
        batch.columns.update(columns.columns(batch_idx, batch.num_rows))
        yield batch


def _no_value(entry: FileEntry, rules: SampleRules, *, layouts: str) -> InvalidInput:
    return InvalidInput(f"has no {rules.value_column}; expected {layouts}", file=entry.media.name)


def _reject_leftovers(files: SortedFiles, rules: SampleRules, failures: RowFailures) -> None:
    for entry in files.others:
        failures.reject(
            f"is no {rules.kind} file by its name; expected {', '.join(sorted(rules.media_suffixes))}; "
            "remove it, or leave out invalid files",
            origin_idx=entry.origin_idx,
            member=entry.path,
        )
    for entry in files.orphans():
        failures.reject(
            f"belongs to no {rules.kind} file: none has the same name with another suffix",
            origin_idx=entry.origin_idx,
            member=entry.path,
        )
