"""What `verify` reports."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import headrace
from headrace.datasets.lake import Lake
from headrace.datasets.manifests import CommitManifest, document_key, write_document
from headrace.datasets.verification import Problem
from headrace.errors import NotFound
from headrace.storage.canonical import canonical_json, read_json
from headrace.storage.digests import digest_hex
from headrace.storage.sealed import read_sealed, seal
from tests.generated_media import image_bytes
from tests.scripted_store import ScriptedStore


@pytest.fixture
def store() -> ScriptedStore:
    store = ScriptedStore()
    lake = Lake(store)
    photos = lake.create_dataset("photos", type="IMAGE_CLASS")
    for label in "ab":
        photos.commit(
            [{"id": str(idx), "image": image_bytes(shade=ord(label) + idx), "label": label} for idx in range(5)]
        )
    photos.snapshot(tags=None).alias("prod")
    lake.create_dataset("texts", type="TEXT_INTENT")
    return store


class _Stages:
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.num_rows = 0
        self.num_finished = 0

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        self.stages.append(stage)

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the interface's name
        self.num_rows += rows

    def finish(self) -> None:
        self.num_finished += 1


def test_report_counts_everything_that_was_read(store: ScriptedStore) -> None:
    progress = _Stages()
    report = Lake(store).verify(progress=progress)
    assert report.ok
    assert (report.num_datasets, report.num_rows) == (2, 10)
    assert report.num_entries == 2 + 5 + 1  # lake log; create, commits, snapshot, alias; create
    objects = {key: data for key, data in store.contents().items() if "/objects/" in key}
    assert report.num_objects == len(objects)
    assert report.num_bytes == sum(map(len, objects.values()))
    assert (progress.stages, progress.num_rows, progress.num_finished) == (["lake log", "photos", "texts"], 10, 1)
    assert report.to_json()["ok"] is True


def test_every_problem_is_reported_and_the_rest_is_read(store: ScriptedStore) -> None:
    shards = [key for key in store.contents() if key.endswith(".tar")]
    for key in shards:
        store.flip_bit(key, 5000)
    report = Lake(store).verify()
    assert not report.ok
    assert sorted(key for key in shards if any(key in problem.message for problem in report.problems)) == sorted(shards)
    assert {problem.dataset for problem in report.problems} == {"photos"}
    assert report.to_json()["problems"][0]["code"] == "data-corrupted"
    assert report.num_entries == 8


def _forge_rows(store: ScriptedStore, *, with_digest: bool) -> None:
    """As somebody would who knows the format: another digest of all rows in commit 1, and every chain made to fit."""
    dataset = Lake(store).dataset("photos")
    record = dataset.state().commits[0]
    document: Any = read_json(store.get(f"{dataset.base}{document_key(record.manifest)}"), name="manifest")
    document["logical"]["rows"] = "00" * 32
    manifest = write_document(store, dataset.base, data=canonical_json(document))
    previous: str | None = None
    for number in range(1, dataset.log_of_entries.number + 1):
        key = dataset.log_of_entries.key(number)
        entry = read_sealed(store.get(key), name=key)
        if number == record.entry:
            entry["body"]["manifest"] = manifest
            if with_digest:
                entry["body"]["digest"] = CommitManifest.from_json(document).logical.digest
        entry["previous"] = previous
        store.replace(key, seal(entry))
        previous = digest_hex(store.get(key))


def test_commit_whose_name_does_not_fit_its_manifest_is_found(store: ScriptedStore) -> None:
    _forge_rows(store, with_digest=False)
    (problem,) = Lake(store).verify().problems
    assert (problem.dataset, problem.code) == ("photos", "data-corrupted")
    assert "manifest and log name different digests" in problem.message


def test_commit_whose_rows_do_not_fit_its_name_is_found(store: ScriptedStore) -> None:
    _forge_rows(store, with_digest=True)
    (problem,) = Lake(store).verify().problems
    assert (problem.dataset, problem.code) == ("photos", "data-corrupted")
    assert "commit 1 of 'photos': its rows do not add up to its digest" in problem.message


def test_lake_that_is_not_there_cannot_be_verified() -> None:
    with pytest.raises(NotFound, match="there is no lake"):
        headrace.connect("memory://test-nothing-here").verify()


def test_problem_is_plain() -> None:
    assert Problem("d", "data-corrupted", "m") == Problem(dataset="d", code="data-corrupted", message="m")


def test_rows_in_many_batches_are_all_compared() -> None:
    store = ScriptedStore()
    dataset = Lake(store).create_dataset("rows", schema=pa.schema([("id", pa.int64()), ("v", pa.list_(pa.float32()))]))
    dataset.commit(pa.table({"id": range(20_000), "v": [[float(idx), None] for idx in range(20_000)]}))
    report = Lake(store).verify()
    assert (report.ok, report.num_rows) == (True, 20_000)
