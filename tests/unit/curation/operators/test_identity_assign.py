"""identity.assign: what is the same, and that it does not matter who came first."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.curation.operators.identity_assign import identity_assign
from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from tests.unit.curation.operators.table_rows import shuffled

KINDS = pa.schema(
    [
        ("_id", pa.string()),
        ("content", pa.string()),
        ("phash", pa.uint64()),
        ("vector", pa.list_(pa.float32())),
        ("before", pa.string()),
    ]
)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=KINDS)


def groups(table: pa.Table, **settings: Any) -> list[list[str]]:
    """Ids of the rows of each identity."""
    found: dict[str, list[str]] = {}
    identities = run_operator(identity_assign, table, content="content", **settings)["identity_id"].to_pylist()
    for row, identity in zip(table["_id"].to_pylist(), identities):
        if identity is not None:
            found.setdefault(identity, []).append(row)
    return sorted(sorted(group) for group in found.values())


TABLE = table_of(
    [
        {"_id": "1", "content": "x", "phash": 0b0000, "vector": [1, 0]},
        {"_id": "2", "content": "x", "phash": 0b0000, "vector": [1, 0]},
        {"_id": "3", "content": "y", "phash": 0b0011, "vector": [1, 0.1]},
        {"_id": "4", "content": "z", "phash": 0b1111, "vector": [1, 0.2]},
        {"_id": "5", "content": "other", "phash": 0b0001, "vector": [0, 1]},
        {"_id": "6", "content": "far", "phash": 2**64 - 1, "vector": [1, 0]},
        {"_id": "7", "content": "no hash", "phash": None, "vector": [1, 0]},
        {"_id": "8", "content": None, "phash": 0, "vector": [1, 0]},
    ]
)


def test_equal_content_is_one_item_and_near_hashes_are_joined() -> None:
    assert groups(TABLE) == [["1", "2"], ["3"], ["4"], ["5"], ["6"], ["7"]]
    assert groups(TABLE, phash="phash", radius=0) == [["1", "2"], ["3"], ["4"], ["5"], ["6"], ["7"]]
    assert groups(TABLE, phash="phash", radius=2) == [["1", "2", "3", "4", "5"], ["6"], ["7"]]


def test_embeddings_decide_about_near_hashes() -> None:
    checked = {"phash": "phash", "radius": 2, "embedding": "vector", "least_cosine": 0.95}
    assert groups(TABLE, **checked) == [["1", "2", "3", "4"], ["5"], ["6"], ["7"]]
    without = TABLE.set_column(3, KINDS.field("vector"), pa.array([None] * 8, KINDS.field("vector").type))
    assert groups(without, **checked) == [["1", "2"], ["3"], ["4"], ["5"], ["6"], ["7"]]


def test_id_is_the_smallest_item_of_the_group_and_of_media_its_digest() -> None:
    found = run_operator(identity_assign, TABLE, content="content", phash="phash", radius=2)
    items = found["item_id"].to_pylist()
    assert found["identity_id"].to_pylist()[:5] == [min(items[:5])] * 5
    assert (items[7], found["identity_id"].to_pylist()[7]) == (None, None)
    media = pa.array([{"digest": bytes(range(32))}, None], MEDIA_VIEW_TYPE)
    table = pa.table({"_id": ["a", "b"], "image": media})
    assert run_operator(identity_assign, table, content="image")["item_id"].to_pylist() == [
        bytes(range(16)).hex(),
        None,
    ]
    joined = pa.table({"_id": ["a"], "image": pa.array([{"digest": bytes(range(32))}])})
    assert run_operator(identity_assign, joined, content="image")["item_id"].to_pylist() == [bytes(range(16)).hex()]


ITEM = st.integers(0, 11)
HASHES = [0, 1, 3, 7, 15, 31, 1 << 63, 3 << 62, 7 << 61, 0xFF << 20, 0xFE << 20, 0xFC << 20]


@given(
    order=st.lists(ITEM, min_size=1, max_size=14), cuts=st.lists(st.integers(1, 4), max_size=6), seed=st.integers(0, 9)
)
@settings(deadline=None)
def test_any_order_of_arrival_gives_the_same_ids(order: list[int], cuts: list[int], seed: int) -> None:
    rows = [
        {"_id": f"{idx:02d}", "content": f"c{item}", "phash": HASHES[item], "vector": [1.0, item / 30]}
        for idx, item in enumerate(order)
    ]
    chosen: dict[str, Any] = {"content": "content", "phash": "phash", "radius": 1, "embedding": "vector"}
    whole = run_operator(identity_assign, table_of(rows), **chosen)["identity_id"].to_pylist()
    mixed = shuffled(table_of(rows), seed=seed)
    again = run_operator(identity_assign, mixed, **chosen)["identity_id"].to_pylist()
    assert dict(zip(mixed["_id"].to_pylist(), again)) == {row["_id"]: each for row, each in zip(rows, whole)}
    pending = mixed.to_pylist()
    known: list[dict[str, Any]] = []
    aliases: dict[str, str] = {}
    given_first: dict[str, str] = {}
    for count in [*cuts, len(rows)]:
        arrived = known + [{**row, "before": None} for row in pending[:count]]
        pending = pending[count:]
        if not arrived:
            continue
        now = run_operator(identity_assign, table_of(arrived), **chosen, known="before")["identity_id"].to_pylist()
        for row, identity in zip(arrived, now):
            given_first.setdefault(row["_id"], identity)
            if row["before"] not in (None, identity):
                aliases[row["before"]] = identity
        known = [{**row, "before": identity} for row, identity in zip(arrived, now)]
    wanted = {row["_id"]: each for row, each in zip(rows, whole)}
    assert {row["_id"]: row["before"] for row in known} == wanted
    assert {row: resolved(identity, aliases) for row, identity in given_first.items()} == wanted


def resolved(identity: str, aliases: dict[str, str]) -> str:
    while identity in aliases:
        identity = aliases[identity]
    return identity


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"content": "vector"}, "column 'vector' is list<.*>; expected media, or text"),
        ({"content": "content", "phash": "content"}, "column 'content' is string; expected whole numbers of 64 bits"),
        (
            {"content": "content", "phash": "phash", "embedding": "vector"},
            "have 1, 2 numbers; expected as many in each",
        ),
        ({"content": "contents"}, "no.* there. Did you mean 'content'"),
        ({"content": "content", "radius": 13}, "radius"),
    ],
    ids=["content", "hash", "embedding", "column", "radius"],
)
def test_columns_of_other_types_are_refused(settings: dict[str, Any], said: str) -> None:
    table = table_of(
        [
            {"_id": "1", "content": "a", "phash": 1, "vector": [1]},
            {"_id": "2", "content": "b", "phash": 1, "vector": [1, 2]},
        ]
    )
    with pytest.raises(InvalidInput, match=said):
        run_operator(identity_assign, table, **settings)


def test_no_rows() -> None:
    assert run_operator(identity_assign, TABLE.slice(0, 0), content="content", phash="phash").num_rows == 0
