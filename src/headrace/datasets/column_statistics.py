"""Statistics of one column, for every Arrow type; the results are plain JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.value_counts import TEXT_LIMIT, HashCounts, NumberCounts, TextCounts, shorten
from headrace.storage.canonical import JsonValue

__all__ = ["ColumnStatistics", "MediaStatistics", "column_statistics", "digest_hashes", "plain_array"]

NUM_TOP = 20
_DEPTH_LIMIT = 4
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Wide enough for decimal256 (76 digits); the default context would round.
_DECIMALS = Context(prec=100)


class ColumnStatistics(Protocol):
    """Takes a column chunk by chunk; the cuts between chunks do not change the result."""

    @property
    def is_approximate(self) -> bool:
        """Whether so many values are distinct that the result is an estimate."""

    def add(self, array: pa.Array) -> None:
        """Take further rows; `array` is of the column's type."""

    def finish(self) -> dict[str, JsonValue]:
        """The statistics over all rows so far."""

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        """Number of distinct values, or items of lists, and the most frequent ones as [text, count]."""


def column_statistics(
    data_type: pa.DataType, *, limit: int, num_top: int = NUM_TOP, depth: int = 0
) -> ColumnStatistics:
    """Statistics for a column of this type. Above `limit` distinct values they become approximate."""
    kind = plain_type(data_type)
    types = pa.types
    shown = str(data_type)
    if any(_is_untakeable(child) for child in _children(data_type)):
        return OpaqueStatistics(shown)
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return NumberStatistics(shown, kind, limit=limit)
    if types.is_decimal(kind):
        return DecimalStatistics(shown, kind, limit=limit)
    if types.is_temporal(kind) and not types.is_interval(kind):
        return TimeStatistics(shown, kind, limit=limit)
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return TextStatistics(shown, limit=limit, num_top=num_top)
    if types.is_large_list(kind) and types.is_floating(plain_type(kind.value_type)):
        return VectorStatistics(shown, limit=limit)
    if types.is_large_list(kind) and depth < _DEPTH_LIMIT:
        items = column_statistics(kind.value_type, limit=limit, num_top=num_top, depth=depth + 1)
        return ListStatistics(shown, items, limit=limit)
    if types.is_struct(kind) and depth < _DEPTH_LIMIT:
        fields = {
            field.name: column_statistics(field.type, limit=limit, depth=depth + 1)
            for field in kind
            if kind.get_all_field_indices(field.name) == [kind.get_field_index(field.name)]
        }
        return StructStatistics(shown, fields)
    return OpaqueStatistics(shown)


# ---------------------------------------------------------------------------------------------- plain Arrow types


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """The type whose values are the same without encodings: large strings, binaries and lists, nothing else."""
    types = pa.types
    if isinstance(data_type, pa.BaseExtensionType):
        return plain_type(data_type.storage_type)
    if types.is_dictionary(data_type) or types.is_run_end_encoded(data_type):
        return plain_type(data_type.value_type)
    if types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type):
        return pa.large_string()
    if types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_binary_view(data_type):
        return pa.large_binary()
    if types.is_fixed_size_binary(data_type):
        return pa.large_binary()
    if types.is_float16(data_type):
        return pa.float32()
    if types.is_decimal32(data_type) or types.is_decimal64(data_type):
        return pa.decimal128(data_type.precision, data_type.scale)  # Arrow cannot count the narrow ones
    if types.is_map(data_type):
        return pa.large_list(data_type.key_type)
    if _is_list(data_type):
        return pa.large_list(data_type.value_type)
    return data_type


def plain_array(array: pa.Array) -> pa.Array:
    """The values without encodings, in `plain_type`; nulls stay. Lists keep their items as they are.

    Encodings are undone on plain values, as Arrow cannot take from views.
    """
    types = pa.types
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return plain_array(array.storage)
    if types.is_dictionary(kind):
        return plain_array(array.dictionary).take(array.indices)
    if types.is_run_end_encoded(kind):
        positions = np.arange(array.offset, array.offset + len(array))
        runs = np.searchsorted(array.run_ends.to_numpy(), positions, side="right")
        return plain_array(array.values).take(pa.array(runs))
    if types.is_map(kind):
        return _keys_of_maps(array)
    wanted = plain_type(kind)
    return array if wanted == kind or _is_list(kind) else array.cast(wanted)


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _children(kind: pa.DataType) -> list[pa.DataType]:
    """Types inside lists, maps and structs."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _children(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _children(kind.value_type)
    if types.is_map(kind):
        return [kind.key_type, kind.item_type]
    if _is_list(kind):
        return [kind.value_type]
    if types.is_struct(kind):
        return [field.type for field in kind]
    return []


def _is_untakeable(kind: pa.DataType) -> bool:
    """Arrow cannot select rows of these inside other types; datasets store none of them."""
    types = pa.types
    if types.is_dictionary(kind):
        return _is_untakeable(kind.value_type) or bool(types.is_nested(kind.value_type))
    tests = (
        types.is_run_end_encoded,
        types.is_union,
        types.is_list_view,
        types.is_large_list_view,
        types.is_string_view,
        types.is_binary_view,
    )
    return any(test(kind) for test in tests) or any(_is_untakeable(child) for child in _children(kind))


def _keys_of_maps(array: pa.MapArray) -> pa.Array:
    """Maps as lists of their keys."""
    offsets = array.offsets.to_numpy()  # [num_rows + 1]
    keys = array.keys.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    starts = pa.array(offsets - offsets[0], pa.int64(), mask=np.append(_null_mask(array), False))
    return pa.LargeListArray.from_arrays(starts, keys)


def _null_mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _value_counts(values: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Distinct values without nulls, and their counts; shape [n] each."""
    counted = pc.value_counts(values)
    return counted.field(0), counted.field(1).to_numpy()


def _numbers_of(values: pa.Array) -> NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def digest_hashes(array: pa.Array) -> NDArray[np.uint64]:
    """First 8 bytes of each digest as a number; nulls are left out. Shape [num_digests]."""
    array = array.drop_null()
    kind = array.type
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width >= 8 and len(array):
        width = kind.byte_width
        buffer = np.frombuffer(array.buffers()[1], dtype=np.uint8)
        rows = buffer[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)  # [n, width]
        return np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1).astype(np.uint64)
    digests = [(value if isinstance(value, bytes) else str(value).encode())[:8].ljust(8) for value in array.to_pylist()]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


# ------------------------------------------------------------------------------------------------------- results


def _json_number(value: Any) -> JsonValue:
    """A plain int, float or bool; None for what JSON cannot hold."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    return number if np.isfinite(number) else None


def _histogram(counts: NumberCounts) -> JsonValue:
    found = counts.histogram()
    return None if found is None else {"edges": found.edges, "counts": found.counts}


def _size_summary(counts: NumberCounts, *, histogram: bool) -> JsonValue:
    """min, max, mean, quantiles and perhaps histogram of lengths and sizes; None without values."""
    extremes = counts.extremes()
    if extremes is None:
        return None
    summary: dict[str, JsonValue] = {
        "min": _json_number(extremes[0]),
        "max": _json_number(extremes[1]),
        "mean": _json_number(counts.mean()),
        "quantiles": {share: _json_number(value) for share, value in counts.quantiles().items()},
    }
    if histogram:
        summary["histogram"] = _histogram(counts)
    return summary


# ------------------------------------------------------------------------------------------------------- columns


class NumberStatistics:
    """Booleans, integers and floats. NaN and infinities count as distinct values and appear nowhere else."""

    def __init__(self, shown: str, kind: pa.DataType, *, limit: int) -> None:
        self._shown = shown
        self._is_bool = pa.types.is_boolean(kind)
        self._is_float = pa.types.is_floating(kind)
        self._counts = NumberCounts(limit)
        self._null_count = 0
        self._non_finite = np.zeros(3, dtype=np.int64)  # NaN, -inf, +inf

    @property
    def is_approximate(self) -> bool:
        return self._counts.is_approximate

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        values = values.drop_null()
        if self._is_bool:
            values = values.cast(pa.uint8())
        numbers = _numbers_of(values)
        if self._is_float:
            finite = np.isfinite(numbers)
            if not finite.all():
                self._non_finite += [
                    np.count_nonzero(np.isnan(numbers)),
                    np.count_nonzero(np.isneginf(numbers)),
                    np.count_nonzero(np.isposinf(numbers)),
                ]
                numbers = numbers[finite]
            numbers = numbers + 0.0  # -0.0 is 0.0
        self._counts.add(numbers)

    def finish(self) -> dict[str, JsonValue]:
        extremes = self._counts.extremes()
        least, greatest = (None, None) if extremes is None else extremes
        document: dict[str, JsonValue] = {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": self._counts.num_distinct() + int(np.count_nonzero(self._non_finite)),
            "min": None if least is None else self._value(least),
            "max": None if greatest is None else self._value(greatest),
        }
        if not self._is_bool:
            document["quantiles"] = {share: self._value(value) for share, value in self._counts.quantiles().items()}
            document["histogram"] = _histogram(self._counts)
        if not self._is_float:
            document["top"] = [[self._value(value), count] for value, count in self._counts.top(NUM_TOP)]
        if self._non_finite.any():
            document["non_finite_count"] = int(self._non_finite.sum())
        return document

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        top = [[self._text(value), count] for value, count in self._counts.top(limit)]
        return self._counts.num_distinct() + int(np.count_nonzero(self._non_finite)), top

    def _value(self, value: Any) -> JsonValue:
        return bool(value) if self._is_bool else _json_number(value)

    def _text(self, value: Any) -> str:
        return str(self._value(value)).lower()


class DecimalStatistics:
    """Decimals, exactly: counted as whole numbers of the last digit, shown as text."""

    def __init__(self, shown: str, kind: pa.DataType, *, limit: int) -> None:
        self._shown = shown
        self._scale = kind.scale
        self._counts = NumberCounts(limit)
        self._null_count = 0

    @property
    def is_approximate(self) -> bool:
        return self._counts.is_approximate

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        distinct, counts = _value_counts(values.drop_null())
        units = [int(value.scaleb(self._scale, _DECIMALS)) for value in distinct.to_pylist()]
        self._counts.add(np.array(units, dtype=object), counts)

    def finish(self) -> dict[str, JsonValue]:
        extremes = self._counts.extremes()
        return {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": self._counts.num_distinct(),
            "min": None if extremes is None else self._value(extremes[0]),
            "max": None if extremes is None else self._value(extremes[1]),
            "quantiles": {share: self._value(value) for share, value in self._counts.quantiles().items()},
            "histogram": self._histogram(),
        }

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return self._counts.num_distinct(), [[self._value(value), count] for value, count in self._counts.top(limit)]

    def _histogram(self) -> JsonValue:
        found = self._counts.histogram()
        if found is None:
            return None
        edges = [float(Decimal(edge).scaleb(-self._scale, _DECIMALS)) for edge in found.edges]
        return {"edges": edges, "counts": found.counts}

    def _value(self, units: Any) -> str:
        return format(Decimal(int(units)).scaleb(-self._scale, _DECIMALS), "f")


class TimeStatistics:
    """Dates, times, timestamps (in UTC where there is a zone) and durations, shown in ISO 8601."""

    def __init__(self, shown: str, kind: pa.DataType, *, limit: int) -> None:
        self._shown = shown
        self._kind = kind
        self._counts = NumberCounts(limit)
        self._null_count = 0

    @property
    def is_approximate(self) -> bool:
        return self._counts.is_approximate

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        integers = pa.int32() if self._kind.bit_width == 32 else pa.int64()
        self._counts.add(_numbers_of(values.drop_null().view(integers)))

    def finish(self) -> dict[str, JsonValue]:
        extremes = self._counts.extremes()
        return {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": self._counts.num_distinct(),
            "min": None if extremes is None else self._value(extremes[0]),
            "max": None if extremes is None else self._value(extremes[1]),
            "quantiles": {share: self._value(value) for share, value in self._counts.quantiles().items()},
        }

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return self._counts.num_distinct(), [[self._value(value), count] for value, count in self._counts.top(limit)]

    def _value(self, units: Any) -> str:
        """Without datetime, which knows neither nanoseconds nor years beyond 9999."""
        count = int(units)
        types = pa.types
        if types.is_date32(self._kind):
            return _date_text(count)
        if types.is_date64(self._kind):
            return _date_text(count // 86_400_000)
        per_second = _UNITS_PER_SECOND[self._kind.unit]
        if types.is_duration(self._kind):
            sign, count = ("-", -count) if count < 0 else ("", count)
            return f"{sign}PT{count // per_second}{_fraction(count % per_second, per_second)}S"
        if types.is_time(self._kind):
            return _clock_text(count, per_second)
        days, rest = divmod(count, 86_400 * per_second)
        return f"{_date_text(days)}T{_clock_text(rest, per_second)}" + ("Z" if self._kind.tz else "")


def _date_text(days: int) -> str:
    """Day since 1970 as YYYY-MM-DD; the algorithm of H. Hinnant, https://howardhinnant.github.io/date_algorithms.html."""
    if 0 <= days <= 2_932_896:
        return datetime.fromtimestamp(days * 86_400, UTC).date().isoformat()
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    text = f"{year:04d}" if year >= 0 else f"-{-year:04d}"
    return f"{text}-{month:02d}-{day:02d}"


def _clock_text(count: int, per_second: int) -> str:
    seconds, rest = divmod(count, per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{_fraction(rest, per_second)}"


def _fraction(rest: int, per_second: int) -> str:
    if not rest:
        return ""
    return "." + str(rest).rjust(len(str(per_second)) - 1, "0").rstrip("0")


class TextStatistics:
    """Strings (in Unicode characters) and binaries (in bytes, shown as hex)."""

    def __init__(self, shown: str, *, limit: int, num_top: int) -> None:
        self._shown = shown
        self._is_text = True
        self._counts = TextCounts(limit, num_top=num_top)
        self._lengths = NumberCounts(limit)
        self._null_count = 0
        self._least: str | bytes | None = None
        self._greatest: str | bytes | None = None

    @property
    def is_approximate(self) -> bool:
        return self._counts.is_approximate

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._is_text = pa.types.is_large_string(values.type)
        self._null_count += values.null_count
        distinct, counts = _value_counts(values.drop_null())
        if not len(distinct):
            return
        self._counts.add(distinct, counts)
        lengths = pc.utf8_length(distinct) if self._is_text else pc.binary_length(distinct)
        self._lengths.add(_numbers_of(lengths), counts)
        extremes = pc.min_max(distinct)
        least, greatest = extremes["min"].as_py(), extremes["max"].as_py()
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)

    def finish(self) -> dict[str, JsonValue]:
        document: dict[str, JsonValue] = {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": self._counts.num_distinct(),
            "min": None if self._least is None else _text_value(self._least),
            "max": None if self._greatest is None else _text_value(self._greatest),
        }
        if self._is_text:
            document["top"] = [[_text_value(value), count] for value, count in self._counts.top(NUM_TOP)]
        document["length"] = _size_summary(self._lengths, histogram=False)
        return document

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return self._counts.num_distinct(), [[_text_value(value), count] for value, count in self._counts.top(limit)]


def _text_value(value: str | bytes) -> str:
    cut = shorten(value)
    return cut if isinstance(cut, str) else cut[: TEXT_LIMIT // 2].hex()


class ListStatistics:
    """Lists and maps (by their keys): lengths, and the items where these are counted."""

    def __init__(self, shown: str, items: ColumnStatistics, *, limit: int) -> None:
        self._shown = shown
        self._items = items
        self._lengths = NumberCounts(limit)
        self._null_count = 0

    @property
    def is_approximate(self) -> bool:
        return self._items.is_approximate

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        values = values.drop_null()
        self._lengths.add(_numbers_of(pc.list_value_length(values)).astype(np.int64))
        self._items.add(pc.list_flatten(values))

    def finish(self) -> dict[str, JsonValue]:
        items = self._items.finish()
        document: dict[str, JsonValue] = {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": items["num_distinct"],  # of items
        }
        for name in ("min", "max", "top"):
            if name in items:
                document[name] = items[name]
        document["length"] = _size_summary(self._lengths, histogram=False)
        return document

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return self._items.labels(limit)


class VectorStatistics:
    """Lists of floats, such as embeddings: extremes of the items, not each distinct one."""

    def __init__(self, shown: str, *, limit: int) -> None:
        self._shown = shown
        self._lengths = NumberCounts(limit)
        self._null_count = 0
        self._least: float | None = None
        self._greatest: float | None = None

    @property
    def is_approximate(self) -> bool:
        return False

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        values = values.drop_null()
        self._lengths.add(_numbers_of(pc.list_value_length(values)).astype(np.int64))
        items = _numbers_of(plain_array(pc.list_flatten(values)).drop_null())
        items = items[np.isfinite(items)]
        if len(items):
            least, greatest = float(items.min()) + 0.0, float(items.max()) + 0.0
            self._least = least if self._least is None else min(self._least, least)
            self._greatest = greatest if self._greatest is None else max(self._greatest, greatest)

    def finish(self) -> dict[str, JsonValue]:
        return {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": None,
            "min": self._least,
            "max": self._greatest,
            "length": _size_summary(self._lengths, histogram=False),
        }

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return 0, []


class StructStatistics:
    """Structs that are no media: the statistics of each field, null where the struct is."""

    def __init__(self, shown: str, fields: dict[str, ColumnStatistics]) -> None:
        self._shown = shown
        self._fields = fields
        self._null_count = 0

    @property
    def is_approximate(self) -> bool:
        return any(field.is_approximate for field in self._fields.values())

    def add(self, array: pa.Array) -> None:
        values = plain_array(array)
        self._null_count += values.null_count
        for name, field in self._fields.items():
            field.add(pc.struct_field(values, [values.type.get_field_index(name)]))

    def finish(self) -> dict[str, JsonValue]:
        return {
            "type": self._shown,
            "null_count": self._null_count,
            "num_distinct": None,
            "fields": {name: field.finish() for name, field in self._fields.items()},
        }

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return 0, []


class OpaqueStatistics:
    """Types without order and counting here (unions, intervals, null, very deep nesting): the nulls."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._null_count = 0

    @property
    def is_approximate(self) -> bool:
        return False

    def add(self, array: pa.Array) -> None:
        self._null_count += array.null_count

    def finish(self) -> dict[str, JsonValue]:
        return {"type": self._shown, "null_count": self._null_count, "num_distinct": None}

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return 0, []


class MediaStatistics:
    """A media column as structs (size, format, width, height, duration, digest) without bytes."""

    def __init__(self, field: pa.Field, *, limit: int) -> None:
        self._kind = media_kind(field)
        self._null_count = 0
        self._num_values = 0
        self._formats = TextCounts(limit, num_top=1000)
        self._digests = HashCounts(limit)
        self._numbers = {name: NumberCounts(limit) for name in ("size", "width", "height", "duration")}

    @property
    def is_approximate(self) -> bool:
        return self._digests.is_approximate

    @property
    def num_bytes(self) -> int:
        """Bytes of all media values, duplicates counted each time."""
        return self._numbers["size"].total()

    def add(self, array: pa.StructArray) -> None:
        self._null_count += array.null_count
        values = array.drop_null()
        self._num_values += len(values)
        for name, counts in self._numbers.items():
            numbers = _numbers_of(self._field(values, name))
            counts.add(numbers[np.isfinite(numbers)])
        self._formats.add(*_value_counts(plain_array(self._field(values, "format"))))
        self._digests.add(digest_hashes(self._field(values, "digest")))

    def finish(self) -> dict[str, JsonValue]:
        num_distinct = self._digests.num_distinct()
        return {
            "kind": self._kind,
            "null_count": self._null_count,
            "num_bytes": self.num_bytes,
            "num_distinct": num_distinct,
            "num_duplicates": max(self._num_values - num_distinct, 0),
            "formats": {_text_value(name): count for name, count in self._formats.top(1000)},
            "bytes": _size_summary(self._numbers["size"], histogram=True),
            "width": _size_summary(self._numbers["width"], histogram=True),
            "height": _size_summary(self._numbers["height"], histogram=True),
            "duration": _size_summary(self._numbers["duration"], histogram=True),
        }

    def labels(self, limit: int) -> tuple[int, list[list[JsonValue]]]:
        return 0, []

    @staticmethod
    def _field(values: pa.StructArray, name: str) -> pa.Array:
        """One field without nulls; an empty array where the struct lacks it."""
        idx = values.type.get_field_index(name)
        if idx < 0:
            return pa.nulls(0, MEDIA_VIEW_TYPE.field(name).type)
        return pc.struct_field(values, [idx]).drop_null()
