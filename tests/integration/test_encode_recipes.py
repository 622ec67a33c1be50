"""Recipes with models: from images and texts to columns of vectors, and on into training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import headrace
from headrace.curation import Media, Recipe, Stage
from headrace.curation.operators.encode_image import encode_image
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from headrace.streaming import DataLoader, StreamingDataset
from headrace.streaming.transforms import ConvertDtype
from tests.encode_models import Latents, image_onnx, write_safetensors
from tests.generated_media import image_bytes


def photos(lake: Lake, names: range, *, message: str = "") -> None:
    rows = [{"id": f"ö{idx:04d}", "image": image_bytes("PNG", shade=idx)} for idx in names]
    table = pa.Table.from_pylist(rows, pa.schema([("id", pa.string()), ("image", pa.large_binary())]))
    if names.start == 0:
        table = table.append_column("text", pa.array([f"Bild {idx}" for idx in names]))
        lake.create_dataset("photos", type="IMAGE_TEXT", source=table)
    else:
        table = table.append_column("text", pa.array([f"Bild {idx}" for idx in names]))
        lake.dataset("photos").commit(table)


def recipe(model: Path, **settings: object) -> Recipe:
    return Recipe(
        "encode",
        sources={"photos": "photos"},
        stages=[
            Stage(
                name="encode",
                operator="encode.image",
                settings={"model": str(model), "shape": [5], "size": 8, **settings},
            )
        ],
        outputs={"final": {"stage": "encode", "dataset": "encoded"}},
    )


def vectors(rows: pa.Table, name: str = "embedding") -> np.ndarray[Any, Any]:
    return np.stack([np.array(row[name]) for row in sorted(rows.to_pylist(), key=lambda row: str(row["id"]))])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = headrace.connect(tmp_path / "lake")
    photos(made, range(40))
    return made


def test_vectors_go_through_commit_and_snapshot_into_the_loader(lake: Lake, tmp_path: Path) -> None:
    image_onnx(tmp_path / "clip.onnx")
    run = recipe(tmp_path / "clip.onnx", unit_length=True).plan(lake).run(workers=2)
    snapshot = run.outputs["final"]
    assert snapshot.schema.field("embedding").type == pa.list_(pa.float32(), 5)
    table = snapshot.to_arrow()
    expected = encode_image(
        [Media(row["image"]) for row in sorted(table.to_pylist(), key=lambda row: str(row["id"]))],
        model=tmp_path / "clip.onnx",
        shape=[5],
        size=8,
        unit_length=True,
    )["embedding"].to_pylist()
    assert vectors(table).tolist() == expected
    assert np.allclose(np.linalg.norm(vectors(table), axis=1), 1, atol=1e-6)
    data = StreamingDataset(snapshot, columns=["id", "embedding"], transforms=[ConvertDtype("embedding", "float32")])
    batches = list(DataLoader(data, batch_size=8, workers="threads", num_workers=1))
    known = {row["id"]: row["embedding"] for row in table.to_pylist()}
    seen = 0
    for batch in batches:
        assert torch.as_tensor(batch["embedding"]).shape == (8, 5)
        for name, values in zip(batch["id"], batch["embedding"], strict=True):
            assert values.tolist() == known[name]
            seen += 1
    assert seen == 40
    assert lake.verify().problems == []


def test_second_run_is_known_and_more_rows_are_computed_alone(lake: Lake, tmp_path: Path) -> None:
    image_onnx(tmp_path / "clip.onnx")
    first = recipe(tmp_path / "clip.onnx").plan(lake).run(workers=0)
    assert dict(first.stages["encode"].record.calls) == {"encode.image": 40}
    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.move(tmp_path / "clip.onnx", tmp_path / "elsewhere" / "größer.onnx"))
    again = recipe(moved, max_batch=3, into="embedding").plan(lake).run(workers=0)
    assert again.plan.hash == first.plan.hash, "neither the file's name nor how many rows fit at once count"
    assert again.stages["encode"].cached
    photos(lake, range(40, 42))
    more = recipe(moved).plan(lake).run(workers=0)
    assert dict(more.stages["encode"].record.calls) == {"encode.image": 2}
    renamed = recipe(moved, into="clip").plan(lake).run(workers=0)
    assert dict(renamed.stages["encode"].record.calls) == {"encode.image": 0}, "another name computes nothing"
    assert (
        vectors(renamed.stages["encode"].to_arrow(), "clip").tolist()
        == vectors(more.stages["encode"].to_arrow()).tolist()
    )
    image_onnx(moved, seed=1)
    other = recipe(moved).plan(lake).run(workers=0)
    assert dict(other.stages["encode"].record.calls) == {"encode.image": 42}, "other weights compute everything"


def test_any_chunks_and_workers_give_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    torch.manual_seed(5)
    from tests.encode_models import Towers

    model = write_safetensors(tmp_path / "towers.safetensors", Towers().state_dict())
    found = []
    for idx, (workers, most) in enumerate(((0, 64), (1, 7), (2, 3))):
        own = headrace.connect(tmp_path / f"lake{idx}")
        photos(own, range(40))
        run = (
            recipe(model, module="tests.encode_models:Towers", shape=[33], size=16, max_batch=most)
            .plan(own)
            .run(workers=workers)
        )
        found.append((run.plan.hash, run.outputs["final"].id, vectors(run.outputs["final"].to_arrow()).tobytes()))
    assert found[0] == found[1] == found[2]


def test_latents_keep_their_shape(lake: Lake, tmp_path: Path) -> None:
    torch.manual_seed(3)
    module = Latents()
    model = write_safetensors(tmp_path / "vae.safetensors", module.state_dict())
    run = (
        recipe(
            model,
            module="tests.encode_models:Latents",
            output_name="latent",
            shape=[4, 2, 3],
            size=[16, 24],
            fit="stretch",
            into="latent",
            dtype="float16",
        )
        .plan(lake)
        .run(workers=0)
    )
    snapshot = run.outputs["final"]
    assert snapshot.schema.field("latent").type == pa.list_(pa.list_(pa.list_(pa.float16(), 3), 2), 4)
    data = StreamingDataset(snapshot, columns=["latent"], transforms=[ConvertDtype("latent", "float32")])
    batch = next(iter(DataLoader(data, batch_size=4)))
    assert torch.as_tensor(batch["latent"]).shape == (4, 4, 2, 3)
    filtered = Recipe(
        "few",
        sources={"encoded": "encoded"},
        stages=[
            Stage(name="some", filter="id < 'ö0010'"),
            Stage(name="sorted", sql="SELECT * FROM input", key=["id"]),
        ],
        outputs={"few": {"stage": "sorted", "dataset": "few"}},
    )
    few = filtered.plan(lake).run(workers=0).outputs["few"]
    assert few.num_rows == 10
    assert few.schema.field("latent").type == snapshot.schema.field("latent").type


def test_poisoned_rows_go_to_quarantine_alone(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float64()))])
    rows: list[dict[str, Any]] = [{"id": f"k{idx:03d}", "vector": [float(idx), 1.0, 2.0]} for idx in range(70)]
    rows[11]["vector"] = [500.0, 0.0, 0.0]
    rows[30]["vector"] = [-500.0, 0.0, 0.0]
    rows[50]["vector"] = [1.0]
    rows[51]["vector"] = None
    lake.create_dataset("rows", type="TABLE", schema=schema, key="id", source=pa.Table.from_pylist(rows, schema))
    model = tmp_path / "moody.pt"
    torch.save({}, model)
    run = (
        Recipe(
            "moody",
            sources={"rows": "rows"},
            stages=[
                Stage(
                    name="encode",
                    operator="encode.vector",
                    settings={
                        "model": str(model),
                        "module": "tests.encode_models:Moody",
                        "shape": [3],
                        "input_shape": [3],
                    },
                )
            ],
            outputs={"final": {"stage": "encode", "dataset": "out"}},
        )
        .plan(lake)
        .run(workers=1)
    )
    reasons = {row["_id"]: row["message"] for row in run.stages["encode"].quarantined_rows().to_pylist()}
    assert len(reasons) == 3
    assert sorted(reason.partition(":")[0].partition(",")[0] for reason in reasons.values()) == [
        "it has 1 numbers",
        "the model failed",
        "the model gives NaN or infinity for it",
    ]
    found = {row["id"]: row["embedding"] for row in run.outputs["final"].to_arrow().to_pylist()}
    assert len(found) == 67
    assert found["k051"] is None
    assert found["k012"] == [24.0, 2.0, 4.0]


def test_mistake_in_the_settings_stops_the_run_and_blames_no_row(lake: Lake, tmp_path: Path) -> None:
    image_onnx(tmp_path / "clip.onnx")
    for workers in (0, 1):
        with pytest.raises(InvalidInput, match=r"set shape: \[5\]"):
            recipe(tmp_path / "clip.onnx", shape=[7]).plan(lake).run(workers=workers)
    assert "encoded" not in [dataset.name for dataset in lake.datasets()]


def test_vectors_become_a_sidecar_column(lake: Lake, tmp_path: Path) -> None:
    image_onnx(tmp_path / "clip.onnx")
    run = recipe(tmp_path / "clip.onnx").plan(lake).run(workers=0)
    rows = run.outputs["final"].to_arrow(columns=["id", "embedding"])
    lake.dataset("photos").add_columns(rows, name="embedding")
    snapshot = lake.dataset("photos").snapshot(columns=["id", "image", "embedding"])
    assert vectors(snapshot.to_arrow()).tolist() == vectors(rows).tolist()
