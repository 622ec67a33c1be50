"""The document that names a snapshot."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa

from headrace.datasets.addresses import EMPTY
from headrace.datasets.selection import Selection, SplitStep
from headrace.storage.canonical import canonical_json

_SCHEMA = pa.schema([("b", pa.string()), ("a", pa.int64())])
_SELECTION = Selection("TABLE", 1, _SCHEMA, "a", "replace", ("d1", "d2"))
_STEP = SplitStep("train", (("train", "0.9"), ("val", "0.1")), 7, "b", None)
_FULL = replace(_SELECTION, columns=("b",), where="a > 1", splits=(_STEP, replace(_STEP, seed=8)))


def test_selection_reads_back() -> None:
    for selection in (_SELECTION, _FULL):
        document = json.loads(canonical_json(selection.to_json()))
        again = Selection.from_json(document, column_order=selection.schema.names, deleted=EMPTY)
        assert again == selection
        assert again.id == selection.id


def test_every_choice_is_another_id() -> None:
    others = [
        replace(_SELECTION, type_name="GENERIC"),
        replace(_SELECTION, type_version=2),
        replace(_SELECTION, schema=_SCHEMA.remove(0)),
        replace(_SELECTION, key=None),
        replace(_SELECTION, on_duplicate_key="keep"),
        replace(_SELECTION, commits=("d2", "d1")),
        replace(_SELECTION, commits=("d1",)),
        replace(_SELECTION, columns=("b", "a")),
        replace(_SELECTION, columns=("a", "b")),
        replace(_SELECTION, where="a > 1"),
        replace(_SELECTION, splits=(_STEP,)),
        replace(_SELECTION, splits=(replace(_STEP, name="val"),)),
        replace(_SELECTION, splits=(replace(_STEP, seed=8),)),
        replace(_SELECTION, splits=(replace(_STEP, group="b"),)),
        replace(_SELECTION, splits=(_STEP, _STEP)),
    ]
    assert len({_SELECTION.id, *(other.id for other in others)}) == len(others) + 1


def test_order_of_columns_in_the_source_does_not_count() -> None:
    turned = replace(_SELECTION, schema=pa.schema([_SCHEMA.field("a"), _SCHEMA.field("b")]))
    assert turned.id == _SELECTION.id
    assert turned.visible_schema.names == ["a", "b"]
    assert replace(turned, columns=("b",)).visible_schema.names == ["b"]


def test_counts_need_no_reading_only_where_all_rows_belong() -> None:
    assert replace(_SELECTION, on_duplicate_key="keep").selects_all_rows
    assert replace(_SELECTION, commits=("d1",)).selects_all_rows
    assert not _SELECTION.selects_all_rows
    assert not replace(_SELECTION, commits=("d1",), where="true").selects_all_rows
    assert not replace(_SELECTION, commits=("d1",), splits=(_STEP,)).selects_all_rows
