"""How a dataset's columns may change from commit to commit: optional ones come, numbers grow, nothing else.

declared columns + those of earlier commits + the type's own today ─▶ what the next commit must fit
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from headrace.datasets.batches import Origin, RejectedRow, SampleBatch
from headrace.datasets.columns import media_kind, merge_schemas
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.type_widening import wider_type
from headrace.datasets.types.base import DatasetType, OnInvalid
from headrace.datasets.types.column_cast import cast_column
from headrace.datasets.types.row_failures import place_of
from headrace.errors import InvalidInput

__all__ = ["evolved_schema", "fitted_batches"]


def evolved_schema(state: DatasetState, kind: DatasetType) -> pa.Schema | None:
    """The columns that the next commit is read under; None for a TABLE that learns them from its first source.

    Raises:
        InvalidInput: The type's columns are today others than rows of this dataset could have.
    """
    if state.declared is None:
        return None
    if kind.name == "TABLE":
        return merge_schemas([state.declared, state.schema]) if state.commits else state.declared
    own = kind.ingest_schema(None)
    for known in state.declared:
        idx = own.get_field_index(known.name)
        if idx < 0:
            raise InvalidInput(
                f"the type {kind.name} asks for it no more, and rows of this dataset have it; columns may only be "
                "added. Use a new dataset, or another name for the type",
                column=known.name,
            )
        field = own.field(idx)
        if media_kind(field) != media_kind(known) or wider_type(known.type, field.type) != field.type:
            raise InvalidInput(
                f"the type {kind.name} asks for {field.type} now, and rows of this dataset have {known.type}; a column "
                "may only become a wider number",
                column=known.name,
            )
        if known.nullable and not field.nullable:
            raise InvalidInput(
                f"the type {kind.name} demands a value now, and rows of this dataset may have none", column=known.name
            )
    for field in own:
        if state.declared.get_field_index(field.name) < 0 and not field.nullable:
            raise InvalidInput(
                f"the type {kind.name} demands this column now, and earlier rows of this dataset have none; a column "
                "that is added must be nullable",
                column=field.name,
            )
    return own


def fitted_batches(
    batches: Iterable[SampleBatch],
    *,
    known: pa.Schema,
    own: pa.Schema,
    origins: list[Origin],
    on_invalid: OnInvalid,
) -> Iterator[SampleBatch]:
    """The batches with their further columns in the types of earlier commits, where those hold the values.

    Args:
        batches: In the type's schema.
        known: Columns of all earlier commits.
        own: Columns that the type itself checks.
        origins: Of the batches.
        on_invalid: What a value means that does not fit.

    Raises:
        InvalidInput: With file, line and column of the first row that breaks, unless such rows are left out.
    """
    for batch in batches:
        bad: dict[int, tuple[str, str]] = {}
        for name, values in batch.columns.items():
            idx = known.get_field_index(name)
            if idx < 0 or own.get_field_index(name) >= 0 or isinstance(values, list):
                continue
            target = known.field(idx).type
            if wider_type(target, values.type) is not None:
                continue  # merged later; a narrower type is cast when it is read
            if pa.types.is_string(target) and not pa.types.is_null(values.type):
                rows = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False)).tolist()
                reasons = dict.fromkeys(rows, f"is {values.type}, and earlier commits have text")
                cast = pa.nulls(len(values), target)
            else:
                cast, reasons = cast_column(values, target, empty_is_null=pa.types.is_string(values.type))
            for row, reason in reasons.items():
                bad.setdefault(row, (name, f"{reason}; earlier commits have {target}"))
            batch.columns[name] = cast
        yield _without(batch, bad, origins, on_invalid) if bad else batch


def _without(
    batch: SampleBatch, bad: dict[int, tuple[str, str]], origins: list[Origin], on_invalid: OnInvalid
) -> SampleBatch:
    rejected = list(batch.rejected)
    for row in sorted(bad):
        column, reason = bad[row]
        origin = origins[batch.origin_idx if isinstance(batch.origin_idx, int) else batch.origin_idx[row]]
        member = None if batch.members is None else batch.members[row]
        line = None if batch.lines is None else batch.lines[row]
        if on_invalid == "raise":
            raise InvalidInput(reason, file=place_of(origin, member), line=line, column=column)
        rejected.append(RejectedRow(origin.uri, member, line, f"column {column}: {reason}"))
    kept = [row for row in range(batch.num_rows) if row not in bad]
    indices = pa.array(kept, pa.int64())
    return SampleBatch(
        {
            name: [values[row] for row in kept] if isinstance(values, list) else values.take(indices)
            for name, values in batch.columns.items()
        },
        num_rows=len(kept),
        origin_idx=batch.origin_idx if isinstance(batch.origin_idx, int) else [batch.origin_idx[row] for row in kept],
        members=None if batch.members is None else [batch.members[row] for row in kept],
        lines=None if batch.lines is None else [batch.lines[row] for row in kept],
        rejected=rejected,
    )
