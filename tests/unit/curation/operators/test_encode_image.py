"""encode.image: what becomes of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from blake3 import blake3

from headrace.curation import OperatorUnusable, find_operator
from headrace.errors import InvalidInput
from headrace.testing import run_operator
from tests.encode_models import Towers, image_onnx, write_safetensors
from tests.unit.curation.operators.image_rows import png

ENCODE = find_operator("encode.image")
BASE: dict[str, Any] = {"shape": [5], "size": 8}


def images(count: int) -> list[bytes]:
    return [png(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)) for seed in range(count)]


def values(table: pa.Table) -> list[Any]:
    found: list[Any] = table["embedding"].to_pylist()
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    image_onnx(tmp_path / "modèle.onnx")
    return tmp_path / "modèle.onnx"


def test_rows_are_encoded_null_or_told(model: Path) -> None:
    given = images(3)
    rows = [{"image": value} for value in (given[0], None, b"no image", given[1][:50], given[2])]
    found = run_operator(ENCODE, rows, model=model, **BASE)
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), 5)
    assert [value is None for value in values(found)] == [False, True, True, True, False]
    assert [reason is None for reason in found["_failed"].to_pylist()] == [True, True, False, False, True]
    alone = [values(run_operator(ENCODE, [{"image": value}], model=model, **BASE))[0] for value in (given[0], given[2])]
    assert [values(found)[0], values(found)[4]] == alone


def test_no_rows_and_only_nulls(model: Path) -> None:
    assert run_operator(ENCODE, [], model=model, **BASE).num_rows == 0
    found = run_operator(ENCODE, [{"image": None}] * 3, model=model, **BASE)
    assert values(found) == [None] * 3
    assert found["_failed"].null_count == 3


def test_calls_of_any_size_give_the_same_bits(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = write_safetensors(tmp_path / "towers.safetensors", Towers().state_dict())
    settings: dict[str, Any] = {
        "model": model, "module": "tests.encode_models:Towers", "shape": [33], "size": 16, "unit_length": True
    }  # fmt: skip
    rows = [{"image": value} for value in images(21)]
    found = [values(run_operator(ENCODE, rows, max_batch=most, **settings)) for most in (1, 4, 21, 64)]
    assert found[0] == found[1] == found[2] == found[3]
    turned = values(run_operator(ENCODE, rows[::-1], **settings))
    assert turned[::-1] == found[0]


def test_half_floats_and_unit_length(model: Path) -> None:
    rows = [{"image": value} for value in images(4)]
    half = run_operator(ENCODE, rows, model=model, dtype="float16", into="clip", **BASE)
    assert half.schema.field("clip").type == pa.list_(pa.float16(), 5)
    full = np.array(values(run_operator(ENCODE, rows, model=model, **BASE)), np.float32)
    assert np.array_equal(np.array(half["clip"].to_pylist(), np.float16), full.astype(np.float16))
    unit = np.array(values(run_operator(ENCODE, rows, model=model, unit_length=True, **BASE)))
    np.testing.assert_allclose(unit, full / np.linalg.norm(full.astype(np.float64), axis=1)[:, None], rtol=1e-6)


def test_what_half_floats_do_not_hold_fails_its_row(model: Path) -> None:
    rows = [{"image": value} for value in images(2)]
    found = run_operator(ENCODE, rows, model=model, dtype="float16", std=[1e-7], **BASE)
    assert all("float16 does not hold" in reason for reason in found["_failed"].to_pylist())


def test_other_file_than_declared_is_refused(model: Path) -> None:
    digest = blake3(model.read_bytes()).hexdigest()
    rows = [{"image": images(1)[0]}]
    assert run_operator(ENCODE, rows, model=model, digest=f"blake3:{digest}", **BASE)["_failed"].null_count == 1
    with pytest.raises(OperatorUnusable, match="has the digest"):
        run_operator(ENCODE, rows, model=model, digest="00" * 32, **BASE)


def test_model_that_changes_in_place_is_opened_anew(model: Path) -> None:
    rows = [{"image": images(1)[0]}]
    before = values(run_operator(ENCODE, rows, model=model, **BASE))
    image_onnx(model, seed=4)
    assert values(run_operator(ENCODE, rows, model=model, **BASE)) != before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "weights.safetensors"}, "holds weights and no model"),
        ({"model": "model.txt"}, "ends like no model"),
        ({"model": "model.onnx", "module": "a:B"}, "leave module out"),
        ({"model": "model.pt", "module": "a.b"}, "expected package.module:Class"),
        ({"model": "model.onnx", "shape": []}, "shape"),
        ({"model": "model.onnx", "shape": [0]}, "shape"),
        ({"model": "model.onnx", "size": [3]}, "size"),
        ({"model": "model.onnx", "batch": 0}, "batch"),
    ],
    ids=["weights", "no model", "module of onnx", "no class", "no shape", "zero", "one side", "no rows"],
)
def test_settings_that_do_not_go_together_are_told_before_anything_runs(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run_operator(ENCODE, [], **{**BASE, **settings})


def test_missing_file_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(OperatorUnusable, match="cannot be read"):
        run_operator(ENCODE, [{"image": images(1)[0]}], model=tmp_path / "none.onnx", **BASE)
