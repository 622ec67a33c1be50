"""Statistics documents: exact numbers on small tables, bounded memory on many values, plain words."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal

import numpy as np
import orjson
import pyarrow as pa
import pytest

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_field
from headrace.datasets.statistics import StatisticsAccumulator, describe_statistics
from headrace.errors import InvalidInput
from headrace.storage.canonical import JsonValue


def digests(rows: Sequence[object]) -> pa.Array:
    return pa.array([hashlib.sha256(repr(row).encode()).digest() for row in rows], pa.binary(32))


def statistics(table: pa.Table, *, label_column: str | None = None, limit: int = 5_000_000) -> dict[str, JsonValue]:
    accumulator = StatisticsAccumulator(table.schema, label_column=label_column, limit=limit)
    accumulator.add(table)
    return accumulator.finish()


def column(values: pa.Array) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = statistics(pa.table({"c": values}))["columns"]["c"]
    return found


def test_statistics_of_texts_and_labels() -> None:
    table = pa.table(
        {
            "text": ["one", "two", "three", "one", None],
            "labels": [["b"], ["a", "b"], [], ["b"], None],
        }
    )
    table = table.append_column("_digest", digests(table.to_pylist()))
    accumulator = StatisticsAccumulator(table.schema, label_column="labels")
    accumulator.add(table)
    document = accumulator.finish(num_rejected=2)
    assert document == {
        "num_rows": 5,
        "num_bytes": 0,
        "num_rejected": 2,
        "num_labels": 2,
        "labels": [["b", 3], ["a", 1]],
        "num_distinct_rows": 4,
        "num_duplicate_rows": 1,
        "columns": {
            "text": {
                "type": "string",
                "null_count": 1,
                "num_distinct": 3,
                "min": "one",
                "max": "two",
                "top": [["one", 2], ["three", 1], ["two", 1]],
                "length": {
                    "min": 3,
                    "max": 5,
                    "mean": 3.5,
                    "quantiles": {"0.05": 3, "0.25": 3, "0.5": 3, "0.75": 3, "0.95": 5},
                },
            },
            "labels": {
                "type": "list<item: string>",
                "null_count": 1,
                "num_distinct": 2,
                "min": "a",
                "max": "b",
                "top": [["b", 3], ["a", 1]],
                "length": {
                    "min": 0,
                    "max": 2,
                    "mean": 1.0,
                    "quantiles": {"0.05": 0, "0.25": 0, "0.5": 1, "0.75": 1, "0.95": 2},
                },
            },
        },
    }


def test_statistics_of_numbers() -> None:
    document = column(pa.array([3, 1, 2, 2, None], pa.int32()))
    assert document == {
        "type": "int32",
        "null_count": 1,
        "num_distinct": 3,
        "min": 1,
        "max": 3,
        "quantiles": {"0.05": 1, "0.25": 1, "0.5": 2, "0.75": 2, "0.95": 3},
        "histogram": {"edges": [1, 2, 3, 4], "counts": [1, 2, 1]},
        "top": [[2, 2], [1, 1], [3, 1]],
    }
    wide = column(pa.array([0, 2**64 - 1], pa.uint64()))
    assert (wide["min"], wide["max"], sum(wide["histogram"]["counts"])) == (0, 2**64 - 1, 2)


def test_statistics_of_floats_hold_no_infinity() -> None:
    document = column(pa.array([1.0, float("nan"), float("inf"), -float("inf"), -0.0, 0.0, None]))
    assert (document["min"], document["max"], document["null_count"]) == (0.0, 1.0, 1)
    assert document["num_distinct"] == 5
    assert document["non_finite_count"] == 3
    assert sum(document["histogram"]["counts"]) == 3
    assert "NaN" not in json.dumps(document)
    extreme = column(pa.array([-1.7e308, 1.7e308, 5e-324]))
    assert sum(extreme["histogram"]["counts"]) == 3
    json.dumps(extreme, allow_nan=False)
    nothing = column(pa.array([float("nan")]))
    assert (nothing["min"], nothing["quantiles"], nothing["histogram"]) == (None, {}, None)


def test_statistics_of_booleans() -> None:
    document = column(pa.array([True, False, True, None]))
    assert document["top"] == [[True, 2], [False, 1]]
    assert (document["min"], document["max"], document["num_distinct"]) == (False, True, 2)


@pytest.mark.parametrize(
    ("values", "least", "greatest"),
    [
        (pa.array([Decimal("-1.50"), Decimal("22.25")], pa.decimal128(10, 2)), "-1.50", "22.25"),
        (pa.array([Decimal(10) ** 60, Decimal(-7)], pa.decimal256(70, 3)), "-7.000", "1" + "0" * 60 + ".000"),
        (pa.array([date(2020, 2, 29), date(1969, 12, 31)]), "1969-12-31", "2020-02-29"),
        (pa.array([-719_529, 3_000_000], pa.int32()).view(pa.date32()), "-0001-12-31", "10183-09-21"),
        (pa.array([datetime(2020, 1, 2, 3, 4, 5, 600_000)], pa.timestamp("us")),
         "2020-01-02T03:04:05.6", "2020-01-02T03:04:05.6"),
        (pa.array([1], pa.timestamp("ns", tz="Europe/Berlin")), "1970-01-01T00:00:00.000000001Z",
         "1970-01-01T00:00:00.000000001Z"),
        (pa.array([-1], pa.timestamp("s")), "1969-12-31T23:59:59", "1969-12-31T23:59:59"),
        (pa.array([clock_time(3, 4, 5, 60)]), "03:04:05.00006", "03:04:05.00006"),
        (pa.array([timedelta(seconds=90, milliseconds=5), timedelta(seconds=-1)], pa.duration("ms")),
         "-PT1S", "PT90.005S"),
        (pa.array([b"\x00\xff", b"\x01"]), "00ff", "01"),
        (pa.array([b"\x00\xff", b"\x01\x00"], pa.binary(2)), "00ff", "0100"),
        (pa.array(["ä" * 300, "b"]), "b", "ä" * 256),
        (pa.array(["x", "y", "x"]).dictionary_encode(), "x", "y"),
        (pa.array(["x", "y"], pa.string_view()), "x", "y"),
        (pa.array([[1.5, -2.0], [0.0, 3.0]], pa.list_(pa.float32(), 2)), -2.0, 3.0),
        (pa.array([1, 2], pa.float16()), 1.0, 2.0),
    ],
)  # fmt: skip
def test_statistics_show_extremes_of_each_type(values: pa.Array, least: object, greatest: object) -> None:
    document = column(values)
    assert (document["min"], document["max"]) == (least, greatest)
    assert json.loads(orjson.dumps(document)) == document


def test_statistics_of_structs_and_maps() -> None:
    document = column(pa.array([{"x": 1, "y": {"z": "a"}}, None, {"x": None, "y": None}]))
    assert document["null_count"] == 1
    assert document["fields"]["x"]["null_count"] == 2
    assert document["fields"]["y"]["fields"]["z"]["min"] == "a"
    maps = column(pa.array([[("k", 1), ("l", 2)], None, [("k", 3)]], pa.map_(pa.string(), pa.int32())))
    assert maps["top"] == [["k", 2], ["l", 1]]
    assert maps["length"]["max"] == 2


def test_statistics_of_media() -> None:
    def media(size: int, kind: str, width: int | None, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).digest()
        return {"size": size, "format": kind, "width": width, "height": 10, "duration": None, "digest": digest}

    values = [media(100, "jpeg", 20, b"a"), media(300, "png", 40, b"b"), None, media(100, "jpeg", 20, b"a")]
    schema = pa.schema([media_field("image", "image"), ("_digest", pa.binary(32))])
    accumulator = StatisticsAccumulator(schema, label_column=None)
    accumulator.add(pa.table({"image": pa.array(values, MEDIA_VIEW_TYPE), "_digest": digests(list(range(4)))}))
    document = accumulator.finish()
    assert document["num_bytes"] == 500
    assert document["num_duplicate_rows"] == 0
    image = document["columns"]["image"]
    assert image["kind"] == "image"
    assert (image["null_count"], image["num_bytes"], image["num_distinct"], image["num_duplicates"]) == (1, 500, 2, 1)
    assert image["formats"] == {"jpeg": 2, "png": 1}
    assert image["bytes"]["quantiles"]["0.5"] == 100
    assert image["width"]["histogram"]["edges"][0] == 20.0
    assert image["duration"] is None
    assert describe_statistics(document) == [
        "4 rows, 500 bytes of media",
        "image: 2 jpeg, 1 png; 20 x 10 to 40 x 10 pixels",
        "image: 1 file with the bytes of an earlier one (2 distinct)",
        "image: 1 row without a value",
    ]


def test_statistics_of_no_rows() -> None:
    schema = pa.schema(
        [("a", pa.int64()), ("s", pa.string()), media_field("m", "bytes"), ("v", pa.list_(pa.float32()))]
    )
    document = StatisticsAccumulator(schema, label_column="s").finish()
    assert document["num_rows"] == document["num_labels"] == document["num_distinct_rows"] == 0
    json.dumps(document, allow_nan=False)
    assert describe_statistics(document) == ["0 rows"]


def test_statistics_count_missing_columns_as_null() -> None:
    schema = pa.schema([("a", pa.int64()), ("later", pa.string()), media_field("m", "bytes")])
    accumulator = StatisticsAccumulator(schema)
    accumulator.add(pa.table({"a": [1, 2]}))
    accumulator.add(pa.record_batch({"a": [3], "later": ["x"]}))
    columns = accumulator.finish()["columns"]
    assert columns["later"]["null_count"] == 2
    assert columns["m"]["null_count"] == 3
    assert list(columns) == ["a", "later", "m"]


def test_statistics_refuse_another_type() -> None:
    accumulator = StatisticsAccumulator(pa.schema([("a", pa.int64())]))
    accumulator.add(pa.table({"a": ["x"]}))
    with pytest.raises(InvalidInput, match="column 'a' is string in these rows and int64"):
        accumulator.finish()


def test_statistics_without_digests_do_not_guess_duplicates() -> None:
    document = statistics(pa.table({"a": [1, 1]}))
    assert document["num_distinct_rows"] is document["num_duplicate_rows"] is None


@pytest.mark.parametrize("kind", [pa.int64(), pa.bool_(), pa.dictionary(pa.int8(), pa.string()), pa.string()])
def test_statistics_count_labels_of_each_type(kind: pa.DataType) -> None:
    values = pa.array([1, 0, 1], pa.int64())
    values = values.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
    document = statistics(pa.table({"label": values}), label_column="label")
    assert document["num_labels"] == 2
    assert [count for _, count in document["labels"]] == [2, 1]
    assert all(isinstance(name, str) for name, _ in document["labels"])


def test_statistics_keep_at_most_1000_labels() -> None:
    labels = [f"l{idx:05d}" for idx in range(3000)] + ["l02999"]
    document = statistics(pa.table({"label": labels}), label_column="label")
    assert document["num_labels"] == 3000
    assert len(document["labels"]) == 1000
    assert document["labels"][:2] == [["l02999", 2], ["l00000", 1]]
    assert len(document["columns"]["label"]["top"]) == 20


def test_statistics_above_the_limit_are_bounded_and_say_so() -> None:
    rng = np.random.default_rng(1)
    accumulator = StatisticsAccumulator(
        pa.schema([("s", pa.string()), ("x", pa.float64())]), label_column=None, limit=2000
    )
    for start in range(0, 600_000, 300_000):  # two folds
        numbers = np.arange(start, start + 300_000) // 10
        texts = np.char.add("t", numbers.astype(str))
        accumulator.add(pa.table({"s": texts, "x": rng.normal(size=300_000)}))
    document = accumulator.finish()
    assert document["approximate"] is True
    assert document["num_rows"] == 600_000
    assert abs(document["columns"]["s"]["num_distinct"] / 60_000 - 1) < 0.15
    numbers = document["columns"]["x"]
    assert abs(numbers["num_distinct"] / 600_000 - 1) < 0.15
    assert abs(numbers["quantiles"]["0.5"]) < 0.05
    assert abs(numbers["quantiles"]["0.95"] - 1.645) < 0.05
    assert sum(numbers["histogram"]["counts"]) == 600_000


def test_describe_names_repeated_texts() -> None:
    texts = [f"text {idx}" for idx in range(16_196)] + [f"text {idx}" for idx in range(4)]
    table = pa.table({"text": texts, "labels": [[f"l{idx % 151}"] for idx in range(16_200)]})
    document = statistics(table.append_column("_digest", digests(texts)), label_column="labels")
    lines = describe_statistics(document)
    assert lines[0] == "16,200 rows, 151 labels"
    assert "4 texts appear more than once (16,196 distinct)" in lines
    assert "4 rows repeat an earlier one (16,196 distinct)" in lines


def test_describe_names_broken_rows() -> None:
    accumulator = StatisticsAccumulator(pa.schema([("a", pa.int64())]))
    accumulator.add(pa.table({"a": [1]}))
    assert describe_statistics(accumulator.finish(num_rejected=3)) == ["1 row", "3 broken rows were left out"]


def test_statistics_are_quick() -> None:
    """16,000 texts in well under 60 ms of processor time; the bound here leaves room for busy machines."""
    texts = pa.array([f"a sentence of some length, number {idx}" for idx in range(16_000)])
    table = pa.table({"text": texts, "labels": [[f"l{idx % 151}"] for idx in range(16_000)]})
    best = 1.0
    for _ in range(3):
        start = time.thread_time()
        statistics(table, label_column="labels")
        best = min(best, time.thread_time() - start)
    assert best < 0.3


@pytest.mark.parametrize("values", [["b", "a", None], [3, 1, 2], [True, False], [["a"], ["b"]]], ids=str)
def test_values_that_all_occur_once_are_not_listed_as_frequent(values: list[object]) -> None:
    assert column(pa.array(values))["top"] == []
    assert column(pa.array([*values, values[0]]))["top"][0][1] == 2


def test_labels_that_all_occur_once_are_still_labels() -> None:
    accumulator = StatisticsAccumulator(pa.schema([pa.field("label", pa.string())]), label_column="label")
    accumulator.add(pa.table({"label": ["b", "a"]}))
    document = accumulator.finish()
    assert document["labels"] == [["a", 1], ["b", 1]]
    assert document["columns"]["label"]["top"] == []


def test_columns_that_come_later_count_as_null_before() -> None:
    first, second = pa.table({"b": [1, 2]}), pa.table({"a": ["x"], "b": [3]})
    late = StatisticsAccumulator(first.schema)
    late.add(first)
    late.extend(second.schema)
    late.add(second)
    early = StatisticsAccumulator(second.schema)
    early.add(first)
    early.add(second)
    assert late.finish() == early.finish()
    assert list(late.finish()["columns"]) == ["a", "b"]
