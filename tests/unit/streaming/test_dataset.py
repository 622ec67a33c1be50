"""A streaming dataset: samples by ordinal, filters and weights in the plan, errors that name the sample."""

from __future__ import annotations

import collections
import copy
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import headrace
from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, MissingExtra, NotFound, Unavailable
from headrace.streaming import DataLoader, IndexOptions, ShuffleOptions, StreamingDataset
from headrace.streaming.pages import PageFolder
from headrace.streaming.snapshot_rows import SnapshotRows
from tests.stream_lakes import (
    Noise,
    blob,
    epoch_of,
    fails_on_13,
    halved,
    is_cut_off_on_13,
    lacks_13,
    needs_a_package,
    numbers_of,
    rows,
    small_dataset,
    stream,
)


def test_sample_has_the_columns_of_its_row_and_its_id(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path))
    assert len(data) == 407
    sample = data[303]
    assert list(sample) == ["_id", "text", "n", "blob"]
    assert (sample["text"], sample["n"], sample["blob"]) == ("text 303", 303, blob(303))
    assert sample["_id"].startswith("2:")
    assert data[-1]["n"] == 406


@pytest.mark.parametrize("ordinal", [407, -408, 10**12])
def test_ordinal_outside_is_an_index_error(tmp_path: Path, ordinal: int) -> None:
    """Never another sample: defect (a) of the reference loader."""
    with pytest.raises(IndexError, match="407 samples"):
        stream(small_dataset(tmp_path))[ordinal]


def test_ordinal_must_be_a_number(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="whole numbers"):
        stream(small_dataset(tmp_path))["3"]  # type: ignore[index]


def test_iterating_by_index_ends(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path, commits=(5,)))
    assert [data[idx]["n"] for idx in range(len(data))] == list(range(5))


def test_reference_opens_the_snapshot(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    dataset.snapshot(upto="1").alias("prod")
    assert len(StreamingDataset(f"{tmp_path}/lake::numbers@prod")) == 300
    assert len(StreamingDataset(f"{tmp_path}/lake::numbers")) == 407
    with pytest.raises(NotFound):
        len(StreamingDataset(f"{tmp_path}/lake::nothing"))


def test_source_that_is_none_is_named() -> None:
    with pytest.raises(InvalidInput, match="float cannot be streamed"):
        len(StreamingDataset(3.5))


def test_where_and_max_samples_are_in_the_plan(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), where="n % 5 = 2", max_samples=60, columns=["n"])
    assert len(data) == 60
    assert [data[idx]["n"] for idx in range(3)] == [2, 7, 12]
    batches = epoch_of(DataLoader(data, batch_size=7, num_workers=0))
    assert sorted(n for batch in batches for _, n, _ in batch) == [2 + 5 * idx for idx in range(60)]


def test_plan_is_made_once(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    first = stream(dataset, where="n > 10").plan
    made = sorted((tmp_path / "lake/derived/stream").rglob("kept.npy"))
    assert stream(dataset, where="n > 10").plan.id == first.id
    assert stream(dataset, where="n > 11").plan.id != first.id
    assert set(made) < set((tmp_path / "lake/derived/stream").rglob("kept.npy"))


def test_where_of_an_unknown_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="m"):
        len(stream(small_dataset(tmp_path), where="m > 10"))


def test_unknown_column_is_named_with_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no column 'txt'"):
        stream(small_dataset(tmp_path), columns=["txt"])[0]


def test_nothing_that_matches_is_an_error_of_the_loader(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), where="n < 0")
    assert len(data) == 0
    with pytest.raises(InvalidInput, match="no samples"):
        next(iter(DataLoader(data, batch_size=4, num_workers=0)))


def test_weights_draw_rows_as_often_as_they_weigh(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path, commits=(100,))
    weights = [3.0 if n < 10 else 0.0 if n < 20 else 1.0 for n in range(100)]
    data = stream(dataset, weights=weights)
    assert len(data) == 100
    loader = DataLoader(data, batch_size=10, num_workers=0)
    drawn = collections.Counter(n for _ in range(20) for batch in loader for n in numbers_of(batch))
    share = 100 / sum(weights)
    for n, weight in enumerate(weights):
        assert abs(drawn[n] - 20 * weight * share) <= 20 * 0.5 + 1, n
    assert sum(drawn.values()) == 2000


def test_weights_by_column_and_their_errors(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path, commits=(10,))
    assert sorted({int(stream(dataset, weights="n")[idx]["n"]) for idx in range(10)})[0] > 0
    for weights, message in (
        ("text", "expected a column of numbers"),
        ("m", "no such column"),
        ([1.0], "1 weights for 10 rows"),
        ([0.0] * 10, "all weights are 0"),
        ([-1.0] + [1.0] * 9, "weight of row 0"),
        ([float("nan")] + [1.0] * 9, "weight of row 0"),
    ):
        with pytest.raises(InvalidInput, match=message):
            len(stream(dataset, weights=weights))


def test_transform_that_fails_names_the_sample(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), transforms=[halved, fails_on_13])
    assert data[12]["half"] == 6
    with pytest.raises(InvalidInput, match=r"sample '1:[^']+': transform fails_on_13 failed: ValueError: thirteen"):
        data[13]


def test_transform_that_gives_nothing_is_refused(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), transforms=[lambda sample: None])
    with pytest.raises(InvalidInput, match="NoneType, expected a dict"):
        data[0]


def test_substitute_takes_the_place_the_same_on_every_run(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    runs = []
    for workers in (0, 2):
        loader = DataLoader(
            stream(dataset, transforms=[fails_on_13], on_error="substitute"), batch_size=16, num_workers=workers
        )
        runs.append(epoch_of(loader))
        figures = loader.statistics()
        assert figures.num_failed == 1
        assert figures.failed[0].reason.endswith("ValueError: thirteen")
        loader.close()
    assert runs[0] == runs[1]
    counts = collections.Counter(n for batch in runs[0] for _, n, _ in batch)
    assert counts[13] == 0
    assert sum(counts.values()) == 407


def test_damaged_blob_raises_or_is_substituted(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path, commits=(50,))
    (shard,) = (tmp_path / "lake").rglob("*.tar")
    data = bytearray(shard.read_bytes())
    at = bytes(data).index(b"blob 7 ")
    data[at] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(data)
    with pytest.raises(DataCorrupted, match="another checksum"):
        stream(dataset)[7]
    loader = DataLoader(stream(dataset, on_error="substitute"), batch_size=50, num_workers=0)
    (batch,) = loader
    assert len(batch.failed) == 1
    assert "checksum" in batch.failed[0].reason
    assert batch.failed[0].row == 7


def test_sample_that_is_not_there_is_substituted(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), transforms=[lacks_13], on_error="substitute")
    (batch,) = DataLoader(data, batch_size=407, num_workers=0)
    assert [item.reason for item in batch.failed] == ["no latent of 13"]


@pytest.mark.parametrize(
    ("transform", "kind"), [(is_cut_off_on_13, Unavailable), (needs_a_package, MissingExtra)], ids=["store", "package"]
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_outage_is_no_reason_for_another_sample(
    tmp_path: Path, transform: Callable[..., Any], kind: type[HeadraceError], num_workers: int
) -> None:
    data = stream(small_dataset(tmp_path), transforms=[transform], on_error="substitute")
    with DataLoader(data, batch_size=48, num_workers=num_workers) as loader, pytest.raises(kind):
        list(loader)


class FailingReads(SnapshotRows):
    """Rows whose next reads fail as told."""

    errors: tuple[HeadraceError, ...] = ()

    def read(self, rows: np.ndarray, columns: Sequence[str]) -> dict[str, list[Any]]:
        if self.errors:
            error, self.errors = self.errors[0], self.errors[1:]
            raise error
        return super().read(rows, columns)


@pytest.mark.parametrize("num_damaged", [0, 1, 2], ids=["batch", "row of the batch", "substitute"])
def test_store_that_does_not_answer_is_no_reason_for_other_samples(tmp_path: Path, num_damaged: int) -> None:
    """Wherever in the search for a sample the store goes away."""
    provider = FailingReads(small_dataset(tmp_path).snapshot(), pages=PageFolder(tmp_path / "pages"))
    provider.errors = (*[DataCorrupted("damaged")] * num_damaged, Unavailable("the bucket does not answer"))
    loader = DataLoader(StreamingDataset(provider, on_error="substitute"), batch_size=1, num_workers=0)
    with pytest.raises(Unavailable):
        next(iter(loader))
    assert not provider.errors


def test_random_numbers_follow_from_seed_epoch_and_sample(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    data = stream(dataset, transforms=[Noise()], shuffle=ShuffleOptions(seed=5))
    loader = DataLoader(data, batch_size=16, num_workers=0)
    first = next(iter(loader))
    keys = first.restore_keys()
    for idx, key in enumerate(keys):
        restored = data.restore(key)
        assert restored["_id"] == first["_id"][idx]
        assert np.array_equal(restored["noise"], first["noise"][idx])
    loader.set_epoch(1)
    later = {name: noise for batch in loader for name, noise in zip(batch["_id"], np.asarray(batch["noise"]).copy())}
    assert not np.array_equal(later[first["_id"][0]], first["noise"][0])


@pytest.mark.parametrize("key", ["", "1", "a:b", "0:12", "{rows}:0:0:-1", "{rows}:0:0:١", "{rows}:0:0:" + "9" * 5000])
def test_restore_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    data = stream(small_dataset(tmp_path))
    with pytest.raises(InvalidInput, match="restores nothing"):
        data.restore(key.format(rows=data.provider.identity[:8]))


def test_restore_key_beyond_the_rows_is_refused(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path))
    with pytest.raises(InvalidInput, match="407 rows"):
        data.restore(f"{data.provider.identity[:8]}:0:0:407")


def test_restore_key_of_other_rows_or_another_seed_is_refused(tmp_path: Path) -> None:
    """Another sample would stand there, or other random numbers."""
    dataset = small_dataset(tmp_path)
    batch = next(iter(DataLoader(stream(dataset), batch_size=4, num_workers=0)))
    (key, *_) = batch.restore_keys()
    assert stream(dataset).restore(key)["_id"] == batch["_id"][0]
    with pytest.raises(InvalidInput, match=r"with seed 0, this dataset has rows .* with seed 5"):
        stream(dataset, shuffle=ShuffleOptions(seed=5)).restore(key)
    then = dataset.snapshot().id[:8]
    dataset.delete_rows(where="n = 0")
    now = dataset.snapshot().id[:8]
    with pytest.raises(InvalidInput, match=f"is of rows {then} .* this dataset has rows {now}"):
        stream(dataset).restore(key)


def test_restore_keys_of_the_last_batch_name_its_epoch(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), shuffle=None, transforms=[Noise()])
    loader = DataLoader(data, batch_size=300, num_workers=0)
    for _ in range(2):
        for batch in loader:
            restored = data.restore(batch.restore_keys()[0])
            assert restored["_id"] == batch["_id"][0]
            assert np.array_equal(restored["noise"], batch["noise"][0])


def test_pickled_dataset_gives_the_same_samples(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), where="n > 3", transforms=[halved])
    copied = pickle.loads(pickle.dumps(data))
    assert copied[5] == data[5]
    assert len(copied) == len(data)


def test_packed_compacted_and_changed_layouts_give_the_same_stream(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    dataset.delete_rows(where="n % 3 = 0")
    before = epoch_of(DataLoader(stream(dataset), batch_size=20, num_workers=0))
    dataset.compact()
    assert epoch_of(DataLoader(stream(dataset), batch_size=20, num_workers=0)) == before
    dataset.snapshot().pack()
    data = stream(dataset)
    assert epoch_of(DataLoader(data, batch_size=20, num_workers=0)) == before
    assert all(data[idx]["blob"] == blob(data[idx]["n"]) for idx in range(0, len(data), 17))


def test_added_column_is_streamed_where_it_is_asked_for(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    dataset.add_columns(lambda batch: pa.array([n * 0.5 for n in batch.column("n").to_pylist()]), name="half")
    snapshot = dataset.snapshot(columns=["n", "half"])
    data = StreamingDataset(snapshot, where="half > 50")
    assert data[0]["half"] * 2 == data[0]["n"] == 101
    with DataLoader(data, batch_size=8, num_workers=1, workers="subprocess") as loader:
        batch = next(iter(loader))
    assert list(np.asarray(batch["half"]) * 2) == list(np.asarray(batch["n"]))


def test_adopted_media_is_streamed_and_a_changed_file_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for idx in range(5):
        (folder / f"ü {idx}.bin").write_bytes(b"%d" % idx * 100)
    lake = headrace.connect(str(tmp_path / "lake"))
    dataset = lake.create_dataset("files", type="GENERIC")
    dataset.commit(str(folder), media="reference")
    data = stream(dataset)
    assert [data[idx]["data"] for idx in range(5)] == [b"%d" % idx * 100 for idx in range(5)]
    (folder / "ü 3.bin").write_bytes(b"other")
    with pytest.raises(DataCorrupted, match="changed"):
        stream(dataset)[3]


def test_null_values_are_none(tmp_path: Path) -> None:
    lake = headrace.connect(str(tmp_path / "lake"))
    schema = rows(0, 1).schema
    dataset = lake.create_dataset("nulls", schema=pa.schema([field.with_nullable(True) for field in schema]))
    dataset.commit(pa.table({"text": ["a", None], "n": [None, 2], "blob": [None, b"x"]}, schema=dataset.schema))
    data = stream(dataset)
    assert (data[0]["n"], data[0]["blob"], data[1]["text"]) == (None, None, None)
    batch = next(iter(DataLoader(stream(dataset, shuffle=None), batch_size=2, num_workers=0)))
    assert batch["n"] == [None, 2]
    assert batch["blob"] == [None, b"x"]


def test_purge_removes_what_streams_derived(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    len(stream(dataset, where="n > 5"))
    stream(dataset)[0]
    derived = tmp_path / "lake/derived/stream"
    assert any(path.is_file() for path in derived.rglob("*.arrow"))
    dataset.purge(where="n = 5")
    assert not [path for path in derived.rglob("*") if path.is_file()]
    data = stream(dataset)
    assert [data[idx]["n"] for idx in (4, 5)] == [4, 6]


def test_lake_in_memory_streams_with_pages_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path / "cache"))
    dataset = headrace.connect("memory://stream-test").create_dataset("numbers", schema=rows(0, 1).schema)
    dataset.commit(rows(0, 100))
    assert stream(dataset)[3]["blob"] == blob(3)
    assert list((tmp_path / "cache").rglob("*.arrow"))


def test_order_on_local_disk_is_global(tmp_path: Path) -> None:
    assert stream(small_dataset(tmp_path)).mode == "global"
    assert stream(small_dataset(tmp_path, name="other"), shuffle=None).mode == "none"


def test_repr_says_what_it_is(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path))
    assert "not opened yet" in repr(data)
    len(data)
    assert "407 samples, order global, seed 0" in repr(data)
    assert "407" in data._repr_html_()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shuffle": True}, r"shuffle is True: expected ShuffleOptions\(seed=…\), or None"),
        ({"shuffle": False}, "shuffle is False: .* or None to keep the source's order"),
        ({"index": {}}, "expected IndexOptions"),
        ({"transforms": halved}, "expected a list of functions"),
        ({"transforms": [halved, 5]}, "transforms holds 5"),
        ({"max_samples": 2.5}, "max_samples is 2.5: expected a whole number from 1"),
        ({"max_samples": 0}, "max_samples is 0"),
        ({"batch_size": "4"}, "batch_size is '4'"),
        ({"batch_size": True}, "batch_size is True"),
        ({"weights": ["a"]}, "weights=.*expected a column's name, or one number for each row"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_opened(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        StreamingDataset("nowhere", **options)


def test_numbers_may_be_those_of_numpy(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), batch_size=np.int64(16), max_samples=np.int32(40))
    assert data.num_batches == 3


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data = stream(small_dataset(tmp_path), index=IndexOptions(directory=tmp_path / "file/below"))
    with pytest.raises(InvalidInput, match=r"file/below cannot be made: .*IndexOptions"):
        len(data)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_epoch_that_no_state_could_name_is_refused(tmp_path: Path, batch_size: int | None) -> None:
    data = stream(small_dataset(tmp_path), batch_size=batch_size)
    for epoch in (-1, 2**40, 1.5):
        with pytest.raises(InvalidInput, match="expected a whole number from 0 to 2147483648"):
            data.set_epoch(epoch)  # type: ignore[arg-type]


def test_copies_stand_where_the_dataset_stood_and_move_on_their_own(tmp_path: Path) -> None:
    data = stream(small_dataset(tmp_path), batch_size=16)
    batches = iter(data)
    next(batches)
    for copied in (pickle.loads(pickle.dumps(data)), copy.copy(data), copy.deepcopy(data)):
        assert copied.state_dict() == data.state_dict()
        assert [batch.step for batch in copied] == list(range(1, 26))
        assert data.state_dict()["segments"][-1]["to"] == 16


def test_copy_of_a_dataset_without_a_rank_finds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    snapshot = small_dataset(tmp_path).snapshot()
    unknown = pickle.dumps(StreamingDataset(snapshot, batch_size=16))
    told = pickle.dumps(StreamingDataset(snapshot, batch_size=16, rank=0, world_size=1))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    found = pickle.dumps(StreamingDataset(snapshot, batch_size=16))
    assert [pickle.loads(data).num_batches for data in (unknown, told, found)] == [7, 26, 7]
    monkeypatch.delenv("RANK")
    assert pickle.loads(found).num_batches == 7
