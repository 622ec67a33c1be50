"""Laws of statistics: every Arrow type survives, and cuts between batches do not show."""

from __future__ import annotations

import json
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.datasets.statistics import StatisticsAccumulator, describe_statistics

TIMES = [pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
TIMES += [pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")]
TIMES += [pa.timestamp("us", tz="Asia/Tokyo"), pa.duration("s"), pa.duration("ns")]
INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]
BYTES = [pa.binary(), pa.large_binary(), pa.binary_view()]


def integers_of(kind: pa.DataType) -> st.SearchStrategy[int]:
    if pa.types.is_unsigned_integer(kind):
        return st.integers(0, 2**kind.bit_width - 1)
    return st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)


def nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, max_size=12)


@st.composite
def leaves(draw: st.DrawFn) -> pa.Array:
    family = draw(
        st.sampled_from(["int", "float", "bool", "time", "text", "bytes", "fixed", "decimal", "null", "interval"])
    )
    if family == "int":
        kind = draw(st.sampled_from(INTEGERS))
        return pa.array(draw(nullable(integers_of(kind))), kind)
    if family == "float":
        kind = draw(st.sampled_from(FLOATS))
        numbers = draw(nullable(st.floats(width=kind.bit_width)))
        return pa.array(
            [None if number is None else np.dtype(f"f{kind.bit_width // 8}").type(number) for number in numbers], kind
        )
    if family == "bool":
        return pa.array(draw(nullable(st.booleans())), pa.bool_())
    if family == "time":
        kind = draw(st.sampled_from(TIMES))
        if pa.types.is_date64(kind):
            return pa.array(draw(nullable(st.integers(-(10**10), 10**10).map(lambda day: day * 86_400_000))), kind)
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        return pa.array(draw(nullable(integers_of(whole))), whole).view(kind)
    if family == "text":
        return pa.array(draw(nullable(st.text(st.characters(codec="utf-8"), max_size=8))), draw(st.sampled_from(TEXTS)))
    if family == "bytes":
        return pa.array(draw(nullable(st.binary(max_size=8))), draw(st.sampled_from(BYTES)))
    if family == "fixed":
        return pa.array(draw(nullable(st.binary(min_size=3, max_size=3))), pa.binary(3))
    if family == "decimal":
        kind = draw(
            st.sampled_from([pa.decimal32(9, 2), pa.decimal64(18, 0), pa.decimal128(38, 10), pa.decimal256(76, 38)])
        )
        digits = kind.precision
        places = kind.scale
        units = st.integers(-(10**digits) + 1, 10**digits - 1)
        context = Context(prec=100)
        return pa.array(
            [None if unit is None else Decimal(unit).scaleb(-places, context) for unit in draw(nullable(units))], kind
        )
    if family == "null":
        return pa.nulls(draw(st.integers(0, 12)))
    parts = st.tuples(*[st.integers(-100, 100)] * 3).map(pa.MonthDayNano)
    return pa.array(draw(nullable(parts)), pa.month_day_nano_interval())


@st.composite
def arrays(draw: st.DrawFn, depth: int = 0) -> pa.Array:
    shape = draw(
        st.sampled_from(
            [
                "leaf",
                "leaf",
                "list",
                "large_list",
                "fixed_list",
                "struct",
                "map",
                "view",
                "union",
                "dictionary",
                "runs",
                "slice",
            ]
        )
    )
    if depth > 2 or shape == "leaf":
        return draw(leaves())
    if shape == "dictionary":
        values = draw(leaves())
        try:
            return values.dictionary_encode()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return values
    if shape == "runs":
        values = draw(leaves())
        if not len(values) or pa.types.is_null(values.type):
            return values
        ends = pa.array(range(2, 2 * len(values) + 1, 2), pa.int32())
        try:
            return pa.RunEndEncodedArray.from_arrays(ends, values)
        except pa.ArrowInvalid:  # refuses times of day outside a day, which other arrays may hold
            return values
    values = draw(arrays(depth + 1))
    if shape == "slice":
        start = draw(st.integers(0, len(values)))
        return values.slice(start, draw(st.integers(0, len(values) - start)))
    if shape == "struct":
        mask = draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
        return pa.StructArray.from_arrays(
            [values, pa.array(range(len(values)))], ["x", "y"], mask=pa.array(mask, pa.bool_())
        )
    if shape == "fixed_list":
        width = draw(st.integers(1, 3))
        return pa.FixedSizeListArray.from_arrays(values.slice(0, len(values) // width * width), width)
    cuts = sorted(draw(st.lists(st.integers(0, len(values)), max_size=4)))
    offsets = [0, *cuts, len(values)]
    if shape == "map" and not values.null_count and not pa.types.is_null(values.type):
        return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), values, pa.array(range(len(values))))
    if shape == "view":
        sizes = np.diff(offsets)
        return pa.ListViewArray.from_arrays(pa.array(offsets[:-1], pa.int32()), pa.array(sizes, pa.int32()), values)
    if shape == "union":
        codes = pa.array([0] * len(values), pa.int8())
        return pa.UnionArray.from_sparse(codes, [values])
    if shape == "large_list":
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


@settings(max_examples=300)
@given(arrays())
def test_statistics_survive_every_type(values: pa.Array) -> None:
    table = pa.table({"c": values})
    accumulator = StatisticsAccumulator(table.schema, label_column="c")
    accumulator.add(table)
    document = accumulator.finish()
    json.dumps(document, allow_nan=False)
    assert document["num_rows"] == len(values)
    assert describe_statistics(document)
    column = document["columns"]["c"]
    assert 0 <= column["null_count"] <= len(values)
    if column.get("histogram"):
        missing = column["null_count"] + column.get("non_finite_count", 0)
        assert sum(column["histogram"]["counts"]) == len(values) - missing


@given(leaves(), st.data())
def test_statistics_do_not_depend_on_batches_or_folds(values: pa.Array, data: st.DataObject) -> None:
    """The same rows in pieces, each folded on its own, give the same document as in one piece."""
    table = pa.table({"c": values})
    whole = StatisticsAccumulator(table.schema, label_column="c")
    whole.add(table)
    pieces = StatisticsAccumulator(table.schema, label_column="c")
    start = 0
    while start < len(values):
        size = data.draw(st.integers(1, len(values) - start))
        pieces.add(table.slice(start, size))
        if data.draw(st.booleans()):
            pieces.finish()
        start += size
    assert pieces.finish() == whole.finish()


@given(st.lists(st.integers(-50, 50) | st.floats(-50, 50, allow_nan=False), min_size=1, max_size=40))
def test_statistics_of_numbers_match_a_plain_computation(numbers: list[float]) -> None:
    table = pa.table({"c": pa.array([float(number) for number in numbers])})
    accumulator = StatisticsAccumulator(table.schema)
    accumulator.add(table)
    column = accumulator.finish()["columns"]["c"]
    ordered = sorted(float(number) for number in numbers)
    assert column["min"] == ordered[0]
    assert column["max"] == ordered[-1]
    assert column["num_distinct"] == len(set(ordered))
    assert column["quantiles"]["0.5"] == np.quantile(ordered, 0.5, method="inverted_cdf")
    assert sum(column["histogram"]["counts"]) == len(ordered)
