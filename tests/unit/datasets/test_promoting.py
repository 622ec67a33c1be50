"""Rows of one dataset that become another of a type."""

from __future__ import annotations

import io

import pytest
from PIL import Image

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, InvalidInput
from tests.scripted_store import fresh_memory_uri

_MAPPING = {"image": "data", "label": "split_part(name, '/', 1)"}


def _picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def lake() -> Lake:
    return headrace.connect(fresh_memory_uri())


@pytest.fixture
def inbox(lake: Lake) -> Dataset:
    rows = [{"name": f"{'rose' if idx % 2 else 'lily'}/{idx}.png", "data": _picture(idx)} for idx in range(4)]
    return lake.create_dataset("inbox", type="GENERIC", source=[*rows, {"name": "rose/notes.txt", "data": b"hello"}])


def test_rows_become_samples_with_their_way_back(lake: Lake, inbox: Dataset) -> None:
    report = inbox.promote("flowers", type="IMAGE_CLASS", mapping=_MAPPING, on_invalid="skip")
    assert (report.num_rows, report.num_refused) == (4, 1)
    assert report.refused[0].member == "1:rose/notes.txt"
    assert "not an image" in report.refused[0].reason
    snapshot = lake.dataset("flowers").snapshot()
    assert snapshot.to_arrow(["id", "label"]).to_pylist()[:2] == [
        {"id": "lily/0.png", "label": "lily"},
        {"id": "rose/1.png", "label": "rose"},
    ]
    assert snapshot[1]["image"] == _picture(1)
    sample = lake.lineage(snapshot[1]["_id"])[-1]
    assert (sample.dataset, sample.member) == ("flowers", "1:rose/1.png")
    assert [(item.dataset, item.id, item.source) for item in sample.promoted_from] == [
        ("inbox", "1:rose/1.png", "memory:rows")
    ]
    assert report.to_json()["refused"][0]["id"] == "1:rose/notes.txt"
    assert report.snapshot in inbox.snapshots
    assert lake.verify().ok


def test_same_rows_promoted_or_committed_have_the_same_digest(lake: Lake, inbox: Dataset) -> None:
    report = inbox.promote("flowers", type="IMAGE_CLASS", mapping=_MAPPING, where="data.size > 10")
    rows = [
        {
            "id": f"{'rose' if idx % 2 else 'lily'}/{idx}.png",
            "image": _picture(idx),
            "label": "rose" if idx % 2 else "lily",
        }
        for idx in range(4)
    ]
    other = lake.create_dataset("other", type="IMAGE_CLASS", source=rows)
    assert report.dataset.log()[0].digest == other.log()[0].digest


def test_repeated_keys_become_ids(lake: Lake, inbox: Dataset) -> None:
    inbox.commit([{"name": "lily/0.png", "data": _picture(9)}])
    report = inbox.promote("flowers", type="IMAGE_CLASS", mapping=_MAPPING, on_invalid="skip")
    assert report.dataset.snapshot().to_arrow(["id"]).column(0).to_pylist()[-1] == "2:lily/0.png"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (_MAPPING, "1:rose/notes.txt: is not an image"),
        ({**_MAPPING, "label": "read_text('/etc/passwd')"}, "mapping of 'label'"),
        ({**_MAPPING, "label": "count(*)"}, "mapping of 'label'"),
        ({**_MAPPING, "label": "nome"}, 'unknown column "nome"'),
        ({**_MAPPING, "label": "'a') AS x, ('b'"}, "mapping of 'label'"),
        ({"image": "data"}, "label"),
        ({}, "mapping="),
    ],
)
def test_failed_promotion_leaves_no_dataset(lake: Lake, inbox: Dataset, mapping: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        inbox.promote("flowers", type="IMAGE_CLASS", mapping=mapping)
    assert [item.name for item in lake.datasets()] == ["inbox"]


def test_taken_name_is_refused_before_anything_is_read(inbox: Dataset) -> None:
    with pytest.raises(AlreadyExists):
        inbox.promote("inbox", type="IMAGE_CLASS", mapping=_MAPPING)
    assert inbox.snapshots == []
