"""A lake opens lazily and registers its datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace
from headrace.datasets.lake import Lake, default_actor
from headrace.errors import DataCorrupted, InvalidInput, NotFound, Unavailable
from headrace.storage.sealed import seal
from tests.scripted_store import ScriptedStore, fresh_memory_uri


def test_connecting_creates_and_reads_nothing(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    assert not lake.exists
    assert lake.datasets() == []
    assert "not created yet" in repr(lake)
    assert lake._repr_html_().startswith("<table>")
    assert list(tmp_path.iterdir()) == []
    store = ScriptedStore()
    Lake(store)
    assert store.calls.total() == 0


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/lake", "https://example.org"])
def test_web_address_is_no_lake(uri: str) -> None:
    with pytest.raises(InvalidInput, match="read-only storage, not a lake"):
        headrace.connect(uri)


def test_actor_is_the_argument_the_environment_or_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_ACTOR", "from-environment")
    assert headrace.connect(fresh_memory_uri()).actor == "from-environment"
    assert headrace.connect(fresh_memory_uri(), actor="me").actor == "me"
    monkeypatch.delenv("HEADRACE_ACTOR")
    assert headrace.connect(fresh_memory_uri()).actor == default_actor()
    assert "@" in default_actor()


def test_lake_of_a_newer_version_is_not_touched() -> None:
    store = ScriptedStore()
    store.replace("headrace.json", seal({"format": 2, "lake": "x"}))
    with pytest.raises(Unavailable, match=r"format 2.*update"):
        Lake(store).datasets()
    with pytest.raises(Unavailable, match=r"format 2.*update"):
        Lake(store).create_dataset("a", type="GENERIC")
    assert list(store.contents()) == ["headrace.json"]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"no json", seal({"format": "one"})])
def test_marker_that_is_none_is_told(data: bytes) -> None:
    store = ScriptedStore()
    store.replace("headrace.json", data)
    with pytest.raises((DataCorrupted, InvalidInput), match=r"headrace\.json"):
        Lake(store).datasets()


def test_dataset_is_found_by_name_and_id() -> None:
    lake = headrace.connect(fresh_memory_uri())
    first = lake.create_dataset("a", type="GENERIC")
    second = lake.create_dataset("b", type="TEXT_INTENT", description="d", owner="o")
    assert lake.dataset("2").name == "b"
    assert lake.dataset("a").id == first.id == "1"
    assert (second.type, second.description, second.owner) == ("TEXT_INTENT", "d", "o")
    assert lake.dataset("a") is lake.dataset("1")
    assert [dataset.name for dataset in headrace.connect(lake.uri).datasets()] == ["a", "b"]
    assert second.to_json()["num_rows"] == 0


def test_create_that_meets_no_answer_keeps_what_may_be_registered() -> None:
    """The entry may have been written: deleting the dataset's objects could destroy an acknowledged dataset."""
    store = ScriptedStore()

    def time_out(key: str, created: bool) -> bool:
        if key.startswith("log/"):
            raise Unavailable("no answer")
        return created

    store.after_put_new = time_out
    with pytest.raises(Unavailable):
        Lake(store).create_dataset("a", type="TEXT_INTENT", source=[{"text": "a", "labels": ["b"]}])
    store.after_put_new = lambda key, created: created
    lake = Lake(store)
    assert lake.dataset("a").snapshot().num_rows == 1
    assert lake.verify().ok


def test_create_that_fails_before_it_is_registered_leaves_nothing() -> None:
    store = ScriptedStore()

    def fail(key: str) -> None:
        raise Unavailable("full")

    store.before_put = fail
    with pytest.raises(Unavailable):
        Lake(store).create_dataset("a", type="TEXT_INTENT", source=[{"text": "a", "labels": ["b"]}])
    assert store.contents() == {}


def test_commit_whose_outcome_is_unknown_is_found_by_the_next_look() -> None:
    store = ScriptedStore()
    dataset = Lake(store).create_dataset("a", type="TEXT_INTENT")

    def time_out(key: str, created: bool) -> bool:
        raise Unavailable("no answer")

    store.after_put_new = time_out
    with pytest.raises(Unavailable):
        dataset.commit([{"text": "a", "labels": ["b"]}])
    store.after_put_new = lambda key, created: created
    assert [commit.id for commit in dataset.log()] == ["1"]
    assert dataset.commit([{"text": "c", "labels": ["d"]}]).id == "2"
    assert Lake(store).verify().ok


def test_marker_that_is_another_sealed_object_is_told(tmp_path: Path) -> None:
    """Each object proves itself, so a swap shows only in what it says."""
    lake = headrace.connect(str(tmp_path))
    lake.create_dataset("a", type="GENERIC")
    (tmp_path / "headrace.json").unlink()
    (tmp_path / "headrace.json").write_bytes((tmp_path / "log" / "0000000001.json").read_bytes())
    with pytest.raises(DataCorrupted, match=r"headrace\.json holds another object"):
        headrace.connect(str(tmp_path)).verify()


def test_names_that_are_no_text_are_told() -> None:
    lake = headrace.connect(fresh_memory_uri())
    lake.create_dataset("rows", "TABLE", source=[{"a": 1}])
    for name in (1, None):
        with pytest.raises(TypeError, match="a dataset is named by text, by its id too, such as '1'"):
            lake.dataset(name)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a lake is a folder or a URI"):
        headrace.connect(None)  # type: ignore[arg-type]


def test_alias_of_another_datasets_snapshot_is_refused() -> None:
    lake = headrace.connect(fresh_memory_uri())
    rows = lake.create_dataset("rows", "TABLE", source=[{"a": 1}])
    others = lake.create_dataset("others", "TABLE", source=[{"b": 1}, {"b": 2}])
    with pytest.raises(InvalidInput, match="a snapshot of dataset 'others', not of 'rows'"):
        rows.set_alias("prod", others.snapshot())
    assert rows.aliases == {}
    assert rows.snapshots == []


def test_commit_into_a_dataset_that_was_deleted_meanwhile_is_refused() -> None:
    uri = fresh_memory_uri()
    lake = headrace.connect(uri)
    rows = lake.create_dataset("rows", "TABLE", source=[{"a": 1}])
    headrace.connect(uri).delete_dataset("rows")
    with pytest.raises(NotFound, match=r"was deleted meanwhile.*headrace dataset restore"):
        rows.commit([{"a": 2}])
    lake.restore_dataset("rows")
    assert rows.commit([{"a": 2}]).id == "2"


def test_artefacts_are_a_list() -> None:
    lake = headrace.connect(fresh_memory_uri())
    rows = lake.create_dataset("rows", "TABLE", source=[{"a": 1}])
    with pytest.raises(InvalidInput, match=r"artefacts is 'model.pt'; expected a list"):
        lake.record_run(rows.snapshot(), name="run", artefacts="model.pt")


def test_run_on_another_lakes_snapshot_is_recorded_whole_where_the_snapshot_is() -> None:
    """The entry names a document; both must lie in one lake."""
    lake, other = headrace.connect(fresh_memory_uri()), headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("rows", "TABLE", source=[{"a": 1}])
    other.create_dataset("rows", "TABLE", source=[{"a": 1}])
    run = other.record_run(dataset.snapshot(), name="train", metrics={"loss": 0.5})
    assert [item.run_id for item in dataset.runs] == [run.run_id]
    assert other.dataset("rows").runs == []
    assert lake.verify().ok
    assert other.verify().ok
