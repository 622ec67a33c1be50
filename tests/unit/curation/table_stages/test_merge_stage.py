"""Several sources merged into one row of each identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headrace.curation.merge_rules import MergeFunction, MergeRules, SourceVocabulary
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.merge_stage import run_merge
from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.errors import InvalidInput
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows

WEIGHTS = {"danbooru": 1.0, "gelbooru": 0.5, "pixiv": 0.25}

ROWS = pa.Table.from_pylist(
    [
        {"_id": "1", "image": "a", "source": "danbooru", "tags": ["cat", "sky"], "rating": "g", "width": 100},
        {"_id": "2", "image": "a", "source": "pixiv", "tags": ["cat", "猫", "cat"], "rating": "s", "width": 400},
        {"_id": "3", "image": "a", "source": "gelbooru", "tags": [], "rating": None, "width": None},
        {"_id": "4", "image": "b", "source": "pixiv", "tags": ["猫"], "rating": "e", "width": 7},
        {"_id": "5", "image": "c", "source": "gelbooru", "tags": None, "rating": None, "width": None},
        {"_id": "6", "image": "d", "source": "gelbooru", "tags": ["sky", None, "dog"], "rating": "g", "width": 9},
        {"_id": "7", "image": "d", "source": "danbooru", "tags": ["dog"], "rating": "s", "width": 8},
    ]
)


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return open_stage_store(tmp_path)


def rules(functions: dict[str, MergeFunction], **changes: Any) -> MergeRules:
    weights: dict[str, float] = changes.pop("weights", WEIGHTS)
    values: dict[str, Any] = {
        "identity": "image",
        "source": "source",
        "weights": tuple(sorted(weights.items())),
        "functions": tuple(sorted(functions.items())),
        **changes,
    }
    return MergeRules(**values)


def merged(store: StageStore, tmp_path: Path, table: pa.Table, given: MergeRules, **options: Any) -> pa.Table:
    options = {"memory_bytes": ROOM_BYTES, "num_workers": 1, "scratch": tmp_path / "scratch", **options}
    found = run_merge(store, {"input": put_rows(store, table, part_rows=3)}, rules=given, **options)
    assert list((tmp_path / "scratch").iterdir()) == []
    return store.table(found)


def row(table: pa.Table, identity: object) -> dict[str, Any]:
    (found,) = [each for each in table.to_pylist() if each["image"] == identity]
    return dict(found)


def test_tags_are_voted_on_by_trust_where_the_vocabulary_covers_them(store: StageStore, tmp_path: Path) -> None:
    found = merged(store, tmp_path, ROWS, rules({"tags": "weighted_vote"}))
    assert found.column("image").to_pylist() == ["a", "b", "c", "d"]
    a = row(found, "a")
    # danbooru and gelbooru know "sky", gelbooru does not say it; only pixiv and danbooru know "cat"; only pixiv "猫".
    assert dict(zip(a["tags"], a["tags__confidence"])) == {
        "cat": pytest.approx(1.0),
        "猫": pytest.approx(1.0),
        "sky": pytest.approx(1.0 / 1.5),
    }
    # "猫" and "cat" are as sure; "cat" is said three times, "猫" twice.
    assert a["tags"] == ["cat", "猫", "sky"]
    assert a["tags__sources"] == [["danbooru", "pixiv"], ["pixiv"], ["danbooru"]]
    assert a["sources"] == ["danbooru", "gelbooru", "pixiv"]
    assert (a["danbooru__tags"], a["gelbooru__tags"], a["pixiv__tags"]) == (["cat", "sky"], [], ["cat", "猫", "cat"])
    c = row(found, "c")
    assert (c["tags"], c["tags__confidence"], c["tags__sources"], c["sources"]) == (None, None, None, ["gelbooru"])


def test_given_vocabulary_replaces_what_a_source_uses(store: StageStore, tmp_path: Path) -> None:
    words = tmp_path / "gelbooru.txt"
    words.write_text("cat\n\n猫\n sky \n", encoding="utf-8")
    given = (
        SourceVocabulary("tags", "danbooru", ("cat", "猫")),
        SourceVocabulary("tags", "gelbooru", words),
    )
    found = merged(store, tmp_path, ROWS, rules({"tags": "weighted_vote"}, vocabularies=given))
    a = row(found, "a")
    assert a["tags"] == ["cat", "猫"], "'sky' is not in danbooru's vocabulary"
    assert a["tags__confidence"] == [pytest.approx(1.25 / 1.75), pytest.approx(0.25 / 1.75)]
    assert row(found, "d")["tags"] == ["sky"], "'dog' is in nobody's vocabulary"


def test_noisy_or_adds_up_independent_evidence(store: StageStore, tmp_path: Path) -> None:
    kind = pa.list_(pa.struct([("name", pa.string()), ("score", pa.float32())]))
    scored = [[{"name": "cat", "score": 0.5}, {"name": "sky", "score": 0.0}], [{"name": "cat", "score": 1.0}]]
    table = pa.table(
        {"image": ["a", "a"], "source": ["danbooru", "pixiv"], "tags": pa.array(scored, kind), "_id": ["1", "2"]}
    )
    a = row(merged(store, tmp_path, table, rules({"tags": "noisy_or"})), "a")
    assert (a["tags"], a["tags__confidence"]) == (["cat"], [pytest.approx(1 - 0.5 * 0.75)])


def test_single_values_are_voted_on_too(store: StageStore, tmp_path: Path) -> None:
    found = merged(store, tmp_path, ROWS, rules({"rating": "weighted_vote", "width": "weighted_vote"}))
    a, d = row(found, "a"), row(found, "d")
    assert (a["rating"], a["rating__sources"]) == ("g", ["danbooru"])
    # A value speaks against all others, also against those that its source never says; null speaks against none.
    assert a["rating__confidence"] == pytest.approx(1 / 1.25)
    assert (d["rating"], d["rating__confidence"], d["rating__sources"]) == ("s", pytest.approx(1 / 1.5), ["danbooru"])
    c = row(found, "c")
    assert (c["rating"], c["rating__confidence"], c["rating__sources"]) == (None, None, None)
    assert found.schema.field("width").type == pa.int64()


@pytest.mark.parametrize(
    ("function", "wanted", "sources"),
    [
        ("best_source", [100, 7, None, 8], [["danbooru"], ["pixiv"], [], ["danbooru"]]),
        ("max", [400, 7, None, 9], [["pixiv"], ["pixiv"], [], ["gelbooru"]]),
        ("min", [100, 7, None, 8], [["danbooru"], ["pixiv"], [], ["danbooru"]]),
        ("first", [100, 7, None, 9], [["danbooru"], ["pixiv"], [], ["gelbooru"]]),
        (
            "mean",
            [pytest.approx((100 + 0.25 * 400) / 1.25), 7.0, None, pytest.approx((8 + 4.5) / 1.5)],
            [["danbooru", "pixiv"], ["pixiv"], [], ["danbooru", "gelbooru"]],
        ),
    ],
    ids=["best_source", "max", "min", "first", "mean"],
)
def test_functions_of_values(
    store: StageStore, tmp_path: Path, function: MergeFunction, wanted: list[object], sources: list[list[str]]
) -> None:
    found = merged(store, tmp_path, ROWS, rules({"width": function}))
    assert found.column("width").to_pylist() == wanted
    assert found.column("width__sources").to_pylist() == sources
    assert found.column("pixiv__width").to_pylist() == [400, 7, None, None]


@pytest.mark.parametrize("function", ["max", "min", "first", "best_source"])
def test_text_and_times_are_compared(store: StageStore, tmp_path: Path, function: MergeFunction) -> None:
    times = pa.array([3, 1], pa.timestamp("us", tz="UTC"))
    table = pa.table(
        {"_id": ["1", "2"], "image": [4, 4], "source": ["pixiv", "danbooru"], "at": times, "s": ["ä", "b"]}
    )
    found = merged(store, tmp_path, table, rules({"at": function, "s": function}))
    places = {"max": 0, "min": 1, "first": 0, "best_source": 1}
    assert found.column("at")[0] == times[places[function]]
    assert found.column("s").to_pylist() == [{"max": "ä", "min": "b", "first": "ä", "best_source": "b"}[function]]


def test_nan_is_no_value(store: StageStore, tmp_path: Path) -> None:
    table = pa.table({"image": [1, 1], "source": ["pixiv", "danbooru"], "x": [2.0, float("nan")]})
    for function in ("max", "min", "mean", "best_source"):
        found = merged(store, tmp_path, table, rules({"x": function}))
        assert found.column("x").to_pylist() == [2.0]
        assert found.column("danbooru__x").to_pylist() == [None]


def test_of_several_rows_of_a_source_the_first_with_a_value_counts(store: StageStore, tmp_path: Path) -> None:
    table = pa.table(
        {
            "_id": ["3", "1", "2"],
            "image": ["a"] * 3,
            "source": ["pixiv"] * 3,
            "tags": [["late"], None, ["early"]],
            "size": [3, 1, 2],
        }
    )
    found = merged(store, tmp_path, table, rules({"tags": "weighted_vote", "size": "max"}))
    a = row(found, "a")
    assert (a["tags"], a["size"], a["_id"]) == (["early"], 1, "1")
    with pytest.raises(InvalidInput, match="without '_id' it is open which comes first"):
        merged(store, tmp_path, table.drop_columns(["_id"]), rules({"size": "max"}))


def test_the_most_trusted_row_carries_its_media(store: StageStore, tmp_path: Path) -> None:
    media = pa.array([{"size": size, "digest": bytes([size]) * 32} for size in range(1, 8)], MEDIA_VIEW_TYPE)
    table = ROWS.append_column(_photo(), media)
    table = table.append_column("_source", pa.array(["s"] * 7)).append_column("_row", pa.array(range(7), pa.int64()))
    found = merged(store, tmp_path, table, rules({"width": "max"}, carry=("photo",), keep=("rating",)))
    assert media_kind(found.schema.field("photo")) == "image"
    assert [each["size"] for each in found.column("photo").to_pylist()] == [1, 4, 5, 7]
    assert found.column("_row").to_pylist() == [0, 3, 4, 6]
    assert found.column("_id").to_pylist() == ["1", "4", "5", "7"]
    assert found.column("gelbooru__rating").to_pylist() == [None, None, None, "g"]


def _photo() -> pa.Field:
    return pa.field("photo", MEDIA_VIEW_TYPE, metadata={b"headrace.media": b"image"})


def test_each_source_may_be_a_table_of_its_own(store: StageStore, tmp_path: Path) -> None:
    whole = merged(store, tmp_path, ROWS, rules({"tags": "weighted_vote", "width": "mean"}, keep=("rating",)))
    inputs = {}
    for source in WEIGHTS:
        table = ROWS.filter(pa.compute.equal(ROWS.column("source"), source)).drop_columns(["source"])
        if source == "gelbooru":
            table = table.drop_columns(["width"]).append_column("width", pa.array([None, None, 9], pa.int64()))
        inputs[source] = put_rows(store, table, part_rows=2)
    given = rules({"tags": "weighted_vote", "width": "mean"}, keep=("rating",), source=None)
    for number in (1, 3):
        found = run_merge(
            store,
            inputs,
            rules=given,
            memory_bytes=ROOM_BYTES,
            num_workers=2,
            scratch=tmp_path / "scratch",
            num_partitions=number,
        )
        assert store.table(found).select(whole.column_names).equals(whole)


def test_partitions_workers_and_order_of_rows_change_nothing(store: StageStore, tmp_path: Path) -> None:
    functions: dict[str, MergeFunction] = {"tags": "weighted_vote", "rating": "noisy_or", "width": "mean"}
    given = rules(functions, keep=(), vocabularies=(SourceVocabulary("tags", "pixiv", ("cat", "猫", "dog")),))
    whole = merged(store, tmp_path, ROWS, given)
    backwards = ROWS.take(pa.array(range(ROWS.num_rows - 1, -1, -1)))
    assert merged(store, tmp_path, backwards, given).equals(whole)
    assert merged(store, tmp_path, ROWS, given, num_partitions=3, num_workers=2).equals(whole)
    assert merged(store, tmp_path, backwards, given, num_partitions=2).equals(whole)


def test_no_rows(store: StageStore, tmp_path: Path) -> None:
    functions: dict[str, MergeFunction] = {"tags": "weighted_vote", "rating": "weighted_vote", "width": "max"}
    found = merged(store, tmp_path, ROWS.slice(0, 0), rules(functions))
    assert found.num_rows == 0
    assert found.schema.field("tags__sources").type == pa.list_(pa.list_(pa.string()))
    first = merged(store, tmp_path, ROWS.slice(0, 0), rules({"width": "first", "tags": "best_source"}))
    assert first.num_rows == 0


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("image", ["a", None], "1 rows have no image; give them one"),
        ("source", ["pixiv", "yandere"], "1 rows are of sources that source_weight_map does not name: yandere"),
        ("source", ["pixiv", None], "1 rows are of sources that source_weight_map does not name: None"),
        (
            "tags",
            [[{"name": "cat", "score": 1.5}], []],
            "'tags' has the score 1.5 for 'cat'; expected a probability from 0 to 1",
        ),
        ("tags", [[{"name": "cat", "score": None}], []], "'tags' has the score nan for 'cat'"),
    ],
    ids=["identity", "unknown source", "no source", "score above 1", "no score"],
)
def test_rows_that_cannot_be_merged_are_refused(
    store: StageStore, tmp_path: Path, column: str, values: list[object], message: str
) -> None:
    kind = pa.list_(pa.struct([("name", pa.string()), ("score", pa.float64())]))
    columns: dict[str, Any] = {"image": ["a", "b"], "source": ["pixiv", "pixiv"], "tags": [[], []], column: values}
    columns["tags"] = pa.array(columns["tags"], kind)
    with pytest.raises(InvalidInput, match=message):
        merged(store, tmp_path, pa.table(columns), rules({"tags": "weighted_vote"}))
