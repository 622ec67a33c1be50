"""What Headrace hands out can be committed again as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput
from tests.generated_media import image_bytes


def _captions(lake: Any) -> Snapshot:
    rows = [{"id": f"{idx}.png", "image": image_bytes("PNG", shade=idx), "text": f"text {idx}"} for idx in range(4)]
    snapshot: Snapshot = lake.create_dataset("captions", type="IMAGE_TEXT", source=rows).snapshot()
    return snapshot


@pytest.mark.parametrize("form", ["parquet", "arrow", "pandas", "polars", "dicts"])
def test_rows_that_were_handed_out_are_committed_again(tmp_path: Path, form: str) -> None:
    lake = headrace.connect(tmp_path / "lake")
    snapshot = _captions(lake)
    source: Any
    if form == "parquet":
        snapshot.export(str(tmp_path / "out"), format="parquet")
        source = str(tmp_path / "out" / "*.parquet")
    elif form == "dicts":
        source = [snapshot[idx] for idx in range(snapshot.num_rows)]
    elif form == "polars":
        import polars as pl

        source = pl.from_arrow(snapshot.to_arrow())
    else:
        source = snapshot.to_arrow() if form == "arrow" else snapshot.to_pandas()
    again = lake.create_dataset("again", type="IMAGE_TEXT", source=source)
    assert again.schema.names == ["id", "image", "text"]
    assert again.log()[0].digest == lake.dataset("captions").log()[0].digest


def test_table_export_keeps_columns_and_types(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    rows = [{"n": 1, "score": 0.5, "names": ["a"]}, {"n": 2, "score": None, "names": []}]
    first = lake.create_dataset("rows", type="TABLE", source=rows)
    first.snapshot().export(str(tmp_path / "out"), format="parquet")
    again = lake.create_dataset("again", type="TABLE", source=str(tmp_path / "out" / "part-00000.parquet"))
    assert again.log()[0].digest == first.log()[0].digest


def test_webdataset_export_is_committed_again(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    _captions(lake).export(str(tmp_path / "out"), format="webdataset")
    again = lake.create_dataset("again", type="IMAGE_TEXT", source=str(tmp_path / "out" / "shard-000000.tar"))
    assert not [name for name in again.schema.names if name.startswith("_")]
    assert again.snapshot().to_arrow(columns=["text"]).column("text").to_pylist() == [f"text {idx}" for idx in range(4)]


def test_reserved_name_of_somebody_else_is_refused(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    with pytest.raises(InvalidInput, match="cannot be called '_id'"):
        lake.create_dataset("rows", type="TABLE", source=[{"_id": "5f", "n": 1}])
