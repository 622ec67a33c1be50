"""Which numbers a stage decided by, and which it gave: from its record to histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.drop_groups import MeasuredDrops
from headrace.curation.media_measures import media_measure
from headrace.curation.run_records import StageRecord
from headrace.curation.stage_histogram import ColumnNumbers, Cut, StageHistogram, draw_histogram
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.datasets.filter_comparisons import number_comparisons
from headrace.errors import InvalidInput

__all__ = ["stage_histograms"]

_MAX_DROPS = 8  # reasons that get a histogram
_MAX_CUTS = 4  # in one histogram

Path = tuple[str, ...]


def stage_histograms(
    stage_store: StageStore,
    record: StageRecord,
    result: StageResult,
    *,
    inputs: Mapping[str, StageRows],
    measured: Sequence[MeasuredDrops],
) -> tuple[StageHistogram, ...]:
    """Histograms of the numbers that rows were dropped by, then of the columns of numbers that the stage gave."""
    came = next((inputs[origin] for origin in record.inputs.values() if origin in inputs), None)
    found: list[StageHistogram | None] = []
    compared: dict[Path, list[Cut]] = {}
    if came is not None and record.kind in ("filter", "operator"):
        compared = _compared(record, came.schema, measured)
    for path, cuts in compared.items():
        if came is not None:
            found.append(
                draw_histogram(
                    ".".join(path),
                    kept=_column(stage_store, result.rows, path),
                    before=_column(stage_store, came, path),
                    cuts=cuts,
                )
            )
    if not compared:
        found += _of_drops(stage_store, result, measured, inputs)
    shown = {histogram.column for histogram in found if histogram is not None}
    for name in _given(result.rows.schema, inputs, record):
        if name not in shown:
            found.append(draw_histogram(name, kept=_column(stage_store, result.rows, (name,))))
    return tuple(histogram for histogram in found if histogram is not None)


def _compared(record: StageRecord, schema: pa.Schema, measured: Sequence[MeasuredDrops]) -> dict[Path, list[Cut]]:
    """Columns of the rows that came in by which rows were dropped, with the cuts that are known."""
    expressions = [record.summary] if record.kind == "filter" else record.conditions
    found: dict[Path, list[Cut]] = {}
    for expression in expressions:
        try:
            comparisons = number_comparisons(expression, schema)
        except InvalidInput:  # what an earlier version could read
            continue
        for comparison in comparisons:
            is_lower = comparison.sign in (">=", "<", "=", "<>")
            found.setdefault(comparison.path, []).append(Cut(comparison.number, str(comparison), is_lower))
    for column in (name for name in record.compared if _is_number_column(schema, name)):
        cuts = [cut for drops in measured if (cut := _cut(drops, column)) is not None]
        found.setdefault((column,), []).extend(cuts if len(cuts) <= _MAX_CUTS else [])
    return found


def _of_drops(
    stage_store: StageStore,
    result: StageResult,
    measured: Sequence[MeasuredDrops],
    inputs: Mapping[str, StageRows],
) -> Iterator[StageHistogram | None]:
    """Numbers that operators gave with `Drop`; of the rows that stayed where a column holds them."""
    largest = sorted(measured, key=lambda drops: -int(drops.numbers.spread().values()[1].sum()))[:_MAX_DROPS]
    for drops in largest:
        name, kept = _other_side(stage_store, result.rows, drops, inputs)
        cut = _cut(drops, None)
        cuts = [] if cut is None else [cut]
        yield draw_histogram(name, kept=kept, dropped=drops.numbers, cuts=cuts)


def _other_side(
    stage_store: StageStore, rows: StageRows, drops: MeasuredDrops, inputs: Mapping[str, StageRows]
) -> tuple[str, ColumnNumbers | None]:
    """What was measured, and the same number of the rows that stayed.

    An operator does not say which column that is. It is one that the stage gave, named in the reason or its only one,
    or follows from the size of the picture; and all its values lie on the other side of the threshold.
    """
    candidates: list[tuple[str, ColumnNumbers]] = []
    derived = media_measure(drops.reason)
    media = rows.media_columns
    if derived is not None and len(media) == 1:
        candidates.append((derived[0], ColumnNumbers(stage_store, rows, media[0], of=derived[1])))
    given = [
        field.name
        for field in rows.schema
        if _is_number(field.type) and not any(field.name in known.schema.names for known in inputs.values())
    ]
    words = drops.reason.replace("_", " ").split()
    named = [name for name in given if name in drops.reason.split() or name in words]
    likely = named or (given if len(given) == 1 else [])
    candidates += [(name, ColumnNumbers(stage_store, rows, name)) for name in likely]
    for name, numbers in candidates:
        extremes = numbers.spread().extremes()
        is_below = drops.touches if drops.is_below is None else drops.is_below
        if extremes is None or is_below is None:
            continue
        if float(extremes[0]) >= drops.threshold if is_below else float(extremes[1]) <= drops.threshold:
            return name, numbers
    return f"{drops.operator}: {drops.reason}", None


def _cut(drops: MeasuredDrops, column: str | None) -> Cut | None:
    """The threshold of rows that all lay on one side of it."""
    is_below = drops.is_below
    if is_below is not None:
        is_lower = is_below
    elif drops.touches is not None:
        is_lower = not drops.touches
    else:
        return None
    text = drops.reason if column is None else f"{drops.operator}: {drops.reason}"
    return Cut(drops.threshold, f"{text} ({drops.threshold_text})", is_lower)


def _given(schema: pa.Schema, inputs: Mapping[str, StageRows], record: StageRecord) -> list[str]:
    """Columns of numbers that no input has."""
    before = {
        (field.name, field.type)
        for origin in record.inputs.values()
        if origin in inputs
        for field in inputs[origin].schema
    }
    if not before:
        return []
    return [field.name for field in schema if _is_number(field.type) and (field.name, field.type) not in before]


def _column(stage_store: StageStore, rows: StageRows, path: Path) -> ColumnNumbers:
    if len(path) == 1:
        return ColumnNumbers(stage_store, rows, path[0])
    return ColumnNumbers(stage_store, rows, path[0], of=lambda values: pc.struct_field(values, list(path[1:])))


def _is_number_column(schema: pa.Schema, name: str) -> bool:
    return name in schema.names and _is_number(schema.field(name).type)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
