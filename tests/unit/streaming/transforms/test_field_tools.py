"""Fields renamed, kept, dropped, filled, merged and gathered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.streaming.transforms import (
    AddConstant,
    ClassNameToId,
    DropFields,
    EnsureFields,
    ExtractSubfield,
    GatherFields,
    KeepFields,
    MergeDict,
    OneHot,
    RenameFields,
)
from tests.unit.streaming.transforms.samples_for_transforms import apply


@given(st.permutations(["a", "b", "c", "d"]))
def test_renaming_back_gives_the_sample(names: list[str]) -> None:
    sample = {"_id": "k", "a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    there = dict(zip("abcd", names))
    renamed = apply(RenameFields(there), sample)
    assert list(renamed.values()) == list(sample.values())
    assert apply(RenameFields({new: old for old, new in there.items()}), renamed) == sample


def test_renaming_refuses_lost_and_missing_fields() -> None:
    with pytest.raises(InvalidInput, match="field 'b': is there already"):
        apply(RenameFields({"a": "b"}), {"a": 1, "b": 2})
    with pytest.raises(InvalidInput, match="field 'b': is there already"):
        apply(RenameFields({"z": "b"}), {"b": 2, "z": 1})
    with pytest.raises(InvalidInput, match=r"field 'lable': is not there. Did you mean 'label'"):
        apply(RenameFields({"lable": "class"}), {"label": 1})
    assert apply(RenameFields({"x": "y"}, is_strict=False), {"a": 1}) == {"_id": "k", "a": 1}
    with pytest.raises(InvalidInput, match="two fields get one name"):
        RenameFields({"a": "c", "b": "c"})


def test_keep_and_drop_leave_the_id() -> None:
    sample = {"a": 1, "b": 2, "c": 3}
    assert list(apply(KeepFields("c", "a"), sample).items()) == [("_id", "k"), ("c", 3), ("a", 1)]
    assert apply(DropFields("a", "_id", "zzz"), sample) == {"_id": "k", "b": 2, "c": 3}
    with pytest.raises(InvalidInput, match="field 'd': is not there"):
        apply(KeepFields("d"), sample)


@pytest.mark.parametrize("make", [KeepFields, DropFields])
@pytest.mark.parametrize("names", [(), ("a", "a"), (3,), (["a"],), ("",)])
def test_names_that_are_none_are_refused(make: Any, names: Any) -> None:
    with pytest.raises(InvalidInput, match=make.__name__):
        make(*names)


def test_ensure_fields_fills_and_refuses() -> None:
    step = EnsureFields(["a", "b"], {"b": 0, "c": "none"})
    assert apply(step, {"a": 1}) == {"_id": "k", "a": 1, "b": 0, "c": "none"}
    assert apply(step, {"a": 0, "b": float("nan"), "c": ""}) == {"_id": "k", "a": 0, "b": 0, "c": ""}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"a": None}, "is None"),
        ({"a": float("nan")}, "is nan"),
        ({}, "is not"),
    ]
    for sample, found in refused:
        with pytest.raises(InvalidInput, match=f"sample 'k', field 'a': {found}.*; expected a value: .*where="):
            apply(step, sample)
    assert apply(EnsureFields(["a"]), {"a": np.array([np.nan])})["a"].shape == (1,)


def test_ensure_fields_needs_a_name() -> None:
    with pytest.raises(InvalidInput, match="EnsureFields"):
        EnsureFields()


def test_constant_is_put_in() -> None:
    assert apply(AddConstant("source", "web"), {"source": "x"}) == {"_id": "k", "source": "web"}


def test_class_names_become_numbers() -> None:
    step = ClassNameToId(["cat", "dog"])
    assert apply(step, {"label": "dog"})["label"] == 1
    assert apply(step, {"label": ["dog", "cat"]})["label"] == [1, 0]
    assert apply(ClassNameToId({"cat": 7}, output_field="id"), {"label": "cat"}) == {
        "_id": "k",
        "label": "cat",
        "id": 7,
    }
    for name in ("cow", None, 3):
        assert apply(ClassNameToId(["cat"], unknown_id=-1), {"label": name})["label"] == -1
    with pytest.raises(InvalidInput, match=r"holds 'cot', which is none of the 2 classes.*Did you mean 'cat'"):
        apply(step, {"label": "cot"})
    for classes in ([], ["a", "a"], "cat"):
        with pytest.raises(InvalidInput, match="ClassNameToId"):
            ClassNameToId(classes)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(2, [0, 0, 1]), (np.int64(0), [1, 0, 0]), ([0, 2], [1, 0, 1]), ([], [0, 0, 0]), (np.array(1), [0, 1, 0])],
)
def test_one_hot_has_ones_at_the_numbers(value: Any, wanted: list[int]) -> None:
    vector = apply(OneHot(3), {"label": value})["label"]
    assert vector.dtype == np.float32
    assert vector.tolist() == wanted


@pytest.mark.parametrize("value", [3, -1, 1.0, "1", None, [[0]], True])
def test_one_hot_refuses_what_is_no_class(value: Any) -> None:
    with pytest.raises(InvalidInput, match="field 'label': holds"):
        apply(OneHot(3), {"label": value})


def test_merge_dict_refuses_to_overwrite() -> None:
    sample = {"meta": {"a": 1, "b": 2}, "b": 0}
    assert apply(MergeDict("meta", prefix="m_"), sample) == {"_id": "k", "b": 0, "m_a": 1, "m_b": 2}
    assert apply(MergeDict("meta", replace=True), sample) == {"_id": "k", "a": 1, "b": 2}
    assert apply(MergeDict("meta"), {"meta": {"meta": 3}}) == {"_id": "k", "meta": 3}
    with pytest.raises(InvalidInput, match="entry 'b', and the sample a field 'b'; take a prefix= or replace"):
        apply(MergeDict("meta"), sample)
    with pytest.raises(InvalidInput, match="entry '_id'"):
        apply(MergeDict("meta", replace=True), {"meta": {"_id": "other"}})
    with pytest.raises(InvalidInput, match="type str; expected a dict: put ParseJson"):
        apply(MergeDict("meta"), {"meta": "{}"})


def test_subfield_is_found_in_dicts_and_lists() -> None:
    sample = {"meta": {"boxes": [{"label": "cat"}], "n": None}}
    assert apply(ExtractSubfield("meta.boxes.0.label"), sample)["label"] == "cat"
    assert apply(ExtractSubfield("meta.n", "count"), sample)["count"] is None
    for path in ("meta.boxes.1.label", "meta.author", "meta.n.x", "meta.boxes.x"):
        with pytest.raises(InvalidInput, match=f"field 'meta': has nothing at '{path}'"):
            apply(ExtractSubfield(path), sample)
        assert apply(ExtractSubfield(path, "out", is_required=False), sample)["out"] is None
    assert apply(ExtractSubfield("none.x", is_required=False), sample)["x"] is None
    for path in ("meta", "meta.", ".x", ""):
        with pytest.raises(InvalidInput, match="path is"):
            ExtractSubfield(path)


def test_gathered_fields_are_dict_list_or_array() -> None:
    sample = {"a": 1, "b": 2.5, "c": 3}
    assert apply(GatherFields(("a", "b"), "x"), sample) == {"_id": "k", "c": 3, "x": {"a": 1, "b": 2.5}}
    assert apply(GatherFields(("b", "a"), "b", "list"), sample) == {"_id": "k", "c": 3, "b": [2.5, 1]}
    kept = apply(GatherFields(("a", "b"), "x", "array", is_kept=True), sample)
    assert kept["x"].tolist() == [1.0, 2.5]
    assert kept["a"] == 1
    for value in ("text", None, np.zeros(2)):
        with pytest.raises(InvalidInput, match=r"field 'b': holds .*expected numbers of the shape \[\]"):
            apply(GatherFields(("a", "b"), "x", "array"), {"a": 1, "b": value})
    with pytest.raises(InvalidInput, match="kind is"):
        GatherFields(("a",), "x", "set")  # type: ignore[arg-type]
