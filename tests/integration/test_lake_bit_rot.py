"""Whatever happens to stored bytes: reading gives what was written or an error that names the object."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.datasets.ingest import IngestLayout
from headrace.datasets.lake import Lake
from headrace.errors import DataCorrupted, NotFound
from headrace.storage.local import LocalStore
from tests.generated_media import image_bytes
from tests.scripted_store import ScriptedStore

_KINDS = {
    "marker": r"headrace\.json",
    "lake log": r"log/\d+\.json",
    "dataset log": r"datasets/\w+/log/\d+\.json",
    "checkpoint": r"datasets/\w+/checkpoints/\d+/\d+\.json",
    "page": r"datasets/\w+/checkpoints/pages/\w+\.json",
    "part": r".*\.parquet",
    "shard": r".*\.tar",
    "document": r".*objects/\w+/\w+\.json",  # manifests of commits and snapshots, statistics, runs
}


def _build(lake: Lake) -> None:
    layout = IngestLayout(part_rows=4, shard_bytes=2000)
    photos = lake.create_dataset("photos", type="IMAGE_CLASS")
    for commit in range(2):
        photos.commit(
            [
                {"id": f"{commit}{idx}", "image": image_bytes(shade=10 * commit + idx), "label": f"l{idx % 3}"}
                for idx in range(6)
            ],
            layout=layout,
            message=f"commit {commit}",
            tags={"n": str(commit)},
        )
    photos.snapshot(tags={"n": "1"}).alias("prod")
    lake.record_run(photos.snapshot(where="label = 'l1'"), name="run", metrics={"accuracy": 0.5})
    texts = lake.create_dataset("texts", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}])
    snapshot = texts.select()
    for number in range(68):
        lake.record_run(snapshot, name=f"run {number}")  # a log that is long enough for checkpoints with pages


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    store = ScriptedStore()
    _build(Lake(store))
    return store.contents()


def _read_everything(lake: Lake) -> Any:
    """All that a user can see of the lake."""
    seen: list[Any] = []
    for dataset in lake.datasets():
        snapshot = dataset.select()
        rows = snapshot.to_arrow().to_pylist()
        seen += [dataset.to_json(), [commit.to_json() for commit in dataset.log()], snapshot.id, rows]
        seen += [snapshot.statistics, [commit.statistics for commit in dataset.log()], dataset.aliases]
        seen += [[commit.sources for commit in dataset.log()], [run.name for run in dataset.runs]]
        seen += [snapshot.take([0, -1]).to_pylist(), [row["_id"] for row in rows]]
        seen += [[dataset.logged_snapshot(name).to_arrow().to_pylist() for name in dataset.snapshots]]
        seen += [[item.to_json() for item in lake.lineage(rows[0]["_id"])]]
    return seen


def _try(call: Callable[[], Any]) -> tuple[Any, DataCorrupted | None]:
    """What the call gave, or the error that it raised."""
    try:
        return call(), None
    except DataCorrupted as error:
        return None, error


def _store_of(contents: dict[str, bytes]) -> ScriptedStore:
    store = ScriptedStore("memory://bit-rot")
    store.clear()
    for key, data in contents.items():
        store.replace(key, data)
    return store


@pytest.fixture(scope="module")
def expected(contents: dict[str, bytes]) -> Any:
    return _read_everything(Lake(_store_of(contents)))


def _flip(data: bytes, randomness: random.Random) -> bytes:
    changed = bytearray(data)
    changed[randomness.randrange(len(data))] ^= 1 << randomness.randrange(8)
    return bytes(changed)


_DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": _flip,
    "cut": lambda data, randomness: data[: randomness.randrange(len(data))],
    "zero": lambda data, randomness: bytes(len(data)),
    "zero tail": lambda data, randomness: (
        (cut := data[: randomness.randrange(len(data) - 1)]) + bytes(len(data) - len(cut))
    ),
    "grow": lambda data, randomness: data + b"\0",
}


def test_every_object_is_of_a_kind_that_is_damaged(contents: dict[str, bytes]) -> None:
    for kind, pattern in _KINDS.items():
        assert any(re.fullmatch(pattern, key) for key in contents), kind
    for key in contents:
        assert any(re.fullmatch(pattern, key) for pattern in _KINDS.values()), key


@pytest.mark.parametrize("damage", _DAMAGE)
@pytest.mark.parametrize("kind", _KINDS)
def test_damage_is_told_and_never_read(contents: dict[str, bytes], expected: Any, kind: str, damage: str) -> None:
    randomness = random.Random(f"{kind} {damage}")
    keys = sorted(key for key in contents if re.fullmatch(_KINDS[kind], key))
    for _ in range(5 if damage == "flip" else 2):
        key = randomness.choice(keys)
        store = _store_of(contents)
        damaged = _DAMAGE[damage](contents[key], randomness)
        if damaged == contents[key]:
            continue
        store.replace(key, damaged)
        found, error = _try(partial(_read_everything, Lake(store)))
        assert found == expected or f"{store.uri}/{key}" in str(error)
        report, error = _try(Lake(store).verify)
        if report is None:
            assert f"{store.uri}/{key}" in str(error)
        else:
            assert not report.ok, f"{key} is damaged and verify did not notice"
            assert any(key in problem.message for problem in report.problems)
            assert {problem.code for problem in report.problems} == {"data-corrupted"}


@pytest.mark.parametrize("kind", [kind for kind in _KINDS if kind not in ("marker", "checkpoint", "page")])
def test_missing_object_is_told(contents: dict[str, bytes], kind: str) -> None:
    keys = sorted(key for key in contents if re.fullmatch(_KINDS[kind], key))
    for key in keys[:: max(1, len(keys) // 4)]:
        if key.endswith(
            f"log/{sum('log/' in other and other.startswith(key.rpartition('/')[0]) for other in keys):010d}.json"
        ):
            continue  # a log without its last entry is a shorter log
        store = _store_of(contents)
        store.delete(key)
        try:
            _read_everything(Lake(store))
        except (DataCorrupted, NotFound):
            pass
        report = Lake(store).verify()
        assert not report.ok, f"{key} is missing and verify did not notice"


@pytest.mark.parametrize("kind", ["checkpoint", "page"])
def test_missing_checkpoint_is_no_harm(contents: dict[str, bytes], expected: Any, kind: str) -> None:
    store = _store_of(contents)
    for key in contents:
        if re.fullmatch(_KINDS[kind], key):
            store.delete(key)
    assert _read_everything(Lake(store)) == expected


@pytest.mark.parametrize("kind", _KINDS)
def test_damage_on_a_disk_is_told_and_never_read(tmp_path: Path, kind: str) -> None:
    """The same through files, where reading goes other ways than in memory."""
    root = tmp_path / "lake"
    _build(headrace.connect(root))
    expected = _read_everything(headrace.connect(root))
    randomness = random.Random(kind)
    keys = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    for key in randomness.sample(
        matching := [key for key in keys if re.fullmatch(_KINDS[kind], key)], min(2, len(matching))
    ):
        before = (root / key).read_bytes()
        for damage in ("flip", "cut"):
            (root / key).write_bytes(_DAMAGE[damage](before, randomness))
            found, error = _try(partial(_read_everything, Lake(LocalStore(root))))
            assert found == expected or str(root / key) in str(error)
        (root / key).write_bytes(before)
    assert headrace.connect(root).verify().ok


def test_row_that_reads_well_is_given_out_beside_one_that_does_not(contents: dict[str, bytes]) -> None:
    store = _store_of(contents)
    shard = next(key for key in contents if key.endswith(".tar"))
    start = contents[shard].index(b"\xff\xd8\xff")
    store.flip_bit(shard, (start + 50) * 8)
    photos = Lake(store).dataset("photos").select()
    outcomes = [_try(partial(photos.__getitem__, idx)) for idx in range(photos.num_rows)]
    (error,) = [error for _, error in outcomes if error is not None]
    assert shard in str(error)
    assert len({found["id"] for found, _ in outcomes if found is not None}) == photos.num_rows - 1
    assert photos.to_arrow(columns=["id", "label"]).num_rows == photos.num_rows
