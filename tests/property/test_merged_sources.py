"""Laws of merges: the votes are those of thirty lines of Python; neither order nor partitions matter."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.curation.merge_rules import MergeFunction, MergeRules, SourceVocabulary
from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.merge_stage import run_merge
from tests.merge_reference import ordered_votes
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows

SOURCES = ["danbooru", "pixiv", "yandere"]
NAMES = st.sampled_from(["cat", "sky", "猫", "😀", "", "z"])
SCORES = st.floats(0, 1, allow_subnormal=False)
PLAIN = st.lists(st.none() | NAMES, max_size=4)
SCORED = st.lists(st.none() | st.fixed_dictionaries({"name": NAMES, "score": SCORES}), max_size=4)
KIND = pa.schema(
    [
        ("_id", pa.string()),
        ("image", pa.int64()),
        ("source", pa.string()),
        ("plain", pa.list_(pa.string())),
        ("scored", pa.list_(pa.struct([("name", pa.string()), ("score", pa.float64())]))),
        ("rating", pa.string()),
        ("level", pa.int64()),
    ]
)
VOTED = ("plain", "scored", "rating", "level")


@st.composite
def rows_of_sources(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = [
        {
            "image": draw(st.integers(0, 3)),
            "source": draw(st.sampled_from(SOURCES)),
            "plain": draw(st.none() | PLAIN),
            "scored": draw(st.none() | SCORED),
            "rating": draw(st.none() | NAMES),
            "level": draw(st.none() | st.integers(0, 3)),
        }
        for _ in range(draw(st.integers(0, 12)))
    ]
    return [{"_id": f"{idx:02d}", **row} for idx, row in enumerate(found)]


@st.composite
def merge_rules(draw: st.DrawFn) -> MergeRules:
    function: MergeFunction = draw(st.sampled_from(["weighted_vote", "noisy_or"]))
    weights = [(name, draw(st.floats(0.01, 1))) for name in SOURCES]
    words = draw(st.dictionaries(st.sampled_from(SOURCES), st.sets(NAMES), max_size=2))
    return MergeRules(
        identity="image",
        source="source",
        weights=tuple(weights),
        functions=tuple((field, function) for field in sorted(VOTED)),
        vocabularies=tuple(
            SourceVocabulary(field, source, tuple(sorted(words[source])))
            for field in ("plain", "scored")
            for source in sorted(words)
        ),
    )


def merged(store: StageStore, folder: Path, table: pa.Table, rules: MergeRules, **options: Any) -> pa.Table:
    found = run_merge(
        store,
        {"input": put_rows(store, table, part_rows=3)},
        rules=rules,
        memory_bytes=ROOM_BYTES,
        num_workers=1,
        scratch=folder / "scratch",
        **options,
    )
    return store.table(found)


@given(rows=rows_of_sources(), rules=merge_rules(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_votes_are_those_of_the_reference(rows: list[dict[str, Any]], rules: MergeRules, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_stage_store(Path(folder))
        found = merged(store, Path(folder), pa.Table.from_pylist(rows, schema=KIND), rules)
        shuffled = random.Random(seed).sample(rows, len(rows))
        again = merged(store, Path(folder), pa.Table.from_pylist(shuffled, schema=KIND), rules)
    assert again.equals(found)
    assert found.column("image").to_pylist() == sorted({row["image"] for row in rows})
    words = {field: {each.source: each.values for each in rules.vocabularies if each.field == field} for field in VOTED}
    for row in found.to_pylist():
        for field, function in rules.functions:
            votes = ordered_votes(rows, row["image"], field, dict(rules.weights), function, words[field])
            check_votes(row, field, votes)


def check_votes(row: dict[str, Any], field: str, votes: list[tuple[Any, float, list[str]]] | None) -> None:
    values, confidences, sources = (row[name] for name in (field, f"{field}__confidence", f"{field}__sources"))
    if votes is None:
        assert (values, confidences, sources) == (None, None, None)
    elif field in ("rating", "level"):
        first = votes[0] if votes else (None, None, None)
        assert (values, sources) == (first[0], first[2])
        assert confidences == pytest.approx(first[1], abs=1e-9)
    else:
        assert values == [vote[0] for vote in votes]
        assert confidences == pytest.approx([vote[1] for vote in votes], abs=1e-9)
        assert sources == [vote[2] for vote in votes]


@given(rows=rows_of_sources(), rules=merge_rules())
@settings(deadline=None, max_examples=3)
def test_partitions_change_nothing(rows: list[dict[str, Any]], rules: MergeRules) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_stage_store(Path(folder))
        table = pa.Table.from_pylist(rows, schema=KIND)
        whole = merged(store, Path(folder), table, rules)
        assert merged(store, Path(folder), table, rules, num_partitions=3).equals(whole)
