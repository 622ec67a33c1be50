"""A lake against a model of plain dicts and lists, over random sequences of calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.snapshot import Snapshot
from headrace.datasets.version_hash import version_hash
from headrace.errors import AlreadyExists, InvalidInput, NotFound
from headrace.schema.tags import has_tags
from tests.scripted_store import fresh_memory_uri

Row = dict[str, Any]
_SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
_WORD = st.text("abü", min_size=1, max_size=3)
_TAGS = st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"), max_size=2)


@dataclass(frozen=True)
class Kind:
    """A way to create a dataset, rows for it, and filters in SQL with the same in Python."""

    arguments: dict[str, Any]
    key: str | None
    columns: tuple[str, ...]
    row: st.SearchStrategy[Row]
    bad: list[Any]
    where: dict[str, Callable[[Row], bool]]


_TABLE_ROW = st.fixed_dictionaries({"id": st.integers(0, 3), "name": st.none() | _WORD})
_TABLE_BAD = [
    [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}],
    [{"id": None}],
    [{"id": "x"}],
    [{"id": 1, "nam": "a"}],
    [],
]
_TABLE_WHERE: dict[str, Callable[[Row], bool]] = {
    "id < 3": lambda row: row["id"] < 3,
    "name IS NULL": lambda row: row["name"] is None,
    "false": lambda row: False,
}
_KINDS = {
    "texts": Kind(
        {"type": "TEXT_INTENT"},
        None,
        ("text", "labels"),
        st.fixed_dictionaries({"text": _WORD, "labels": st.lists(_WORD, min_size=1, max_size=2)}),
        [[{"text": "a"}], [{"text": None, "labels": ["b"]}], "/nowhere.csv", [], 5],
        {
            "len(text) > 1": lambda row: len(row["text"]) > 1,
            "list_contains(labels, 'a')": lambda row: "a" in row["labels"],
        },
    ),
    "files": Kind(
        {"type": "GENERIC"},
        "name",
        ("name", "data"),
        st.fixed_dictionaries({"name": _WORD, "data": st.binary(max_size=600)}),
        [[{"name": "a", "data": b""}] * 2, [{"name": "", "data": b""}], [{"name": "a", "data": None}]],
        {"data.size > 2": lambda row: len(row["data"]) > 2, "true": lambda row: True},
    ),
    "keep": Kind(
        {"schema": _SCHEMA, "key": "id", "on_duplicate_key": "keep"},
        "id",
        ("id", "name"),
        _TABLE_ROW,
        _TABLE_BAD,
        _TABLE_WHERE,
    ),
    "replace": Kind({"schema": _SCHEMA, "key": "id"}, "id", ("id", "name"), _TABLE_ROW, _TABLE_BAD, _TABLE_WHERE),
}


@dataclass
class Model:
    """What a dataset should hold."""

    name: str
    kind: Kind
    commits: list[tuple[dict[str, str], list[Row]]] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)  # version hash to snapshot id, the first one
    aliases: dict[str, str] = field(default_factory=dict)

    def chosen(self, tags: dict[str, str], upto: int | None) -> list[int]:
        last = len(self.commits) if upto is None else upto
        return [n for n in range(1, last + 1) if has_tags(self.commits[n - 1][0].items(), tags.items())]

    def rows(self, commits: list[int], where: str | None) -> list[Row]:
        found = [{**row, "_commit": str(number)} for number in commits for row in self.commits[number - 1][1]]
        if self.name.startswith("replace"):
            last = {row["id"]: idx for idx, row in enumerate(found)}
            found = [row for idx, row in enumerate(found) if last[row["id"]] == idx]
        return [row for row in found if where is None or self.kind.where[where](row)]


@dataclass(frozen=True)
class Taken:
    """A snapshot with what it held when it was taken."""

    model: Model
    snapshot_id: str
    rows: list[Row]
    version_hash: str | None


class LakeMachine(RuleBasedStateMachine):
    datasets = Bundle("datasets")
    snapshots = Bundle("snapshots")

    @initialize(
        target=datasets, names=st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=2), data=st.data()
    )
    def start(self, names: list[str], data: st.DataObject) -> Any:
        """A lake in which something happened, so that every step can find something to do."""
        self.uri = fresh_memory_uri()
        self.lake = headrace.connect(self.uri)
        self.models: list[Model] = []
        models = [self._create(name, data) for name in names]
        for model in models * 2:
            self.commit(model, data.draw(_TAGS), data)
        return multiple(*models)

    def _dataset(self, model: Model) -> Dataset:
        return self.lake.dataset(model.name)

    def _check(self, taken: Taken, snapshot: Snapshot) -> None:
        columns = [*taken.model.kind.columns, "_commit"]
        rows = snapshot.to_arrow([*columns, "_id"]).to_pylist()
        ids = [row.pop("_id") for row in rows]
        assert (snapshot.id, rows, snapshot.num_rows) == (taken.snapshot_id, taken.rows, len(taken.rows))
        assert snapshot.version_hash == taken.version_hash
        assert len(set(ids)) == len(ids)
        if taken.model.kind.key is not None:
            prefix = "" if taken.model.name.startswith("replace") else "{_commit}:"
            assert ids == [(prefix + "{" + taken.model.kind.key + "}").format(**row) for row in rows]

    def _taken(self, model: Model, snapshot: Snapshot, rows: list[Row], name: str | None) -> Taken:
        taken = Taken(model, snapshot.id, rows, name)
        self._check(taken, snapshot)
        if name is not None:
            first = model.hashes.setdefault(name, snapshot.id)
            assert self._dataset(model).snapshot_by_version_hash(name).id == first
        return taken

    @rule(target=datasets, name=st.sampled_from(sorted(_KINDS)), data=st.data())
    def create(self, name: str, data: st.DataObject) -> Any:
        if len(self.models) < 4:
            return self._create(name, data)
        with pytest.raises(AlreadyExists):
            self.lake.create_dataset(self.models[0].name, **_KINDS[name].arguments)
        return multiple()

    def _create(self, name: str, data: st.DataObject) -> Model:
        kind = _KINDS[name]
        model = Model(f"{name}{len(self.models)}", kind)
        if data.draw(st.booleans()):
            with pytest.raises((InvalidInput, NotFound)):
                self.lake.create_dataset(model.name, source=data.draw(st.sampled_from(kind.bad)), **kind.arguments)
        rows = data.draw(st.none() | self._rows_of(kind))
        tags = data.draw(_TAGS)
        created = self.lake.create_dataset(model.name, source=rows, tags=tags, **kind.arguments)
        if rows is not None:
            model.commits.append((tags, rows))
        self.models.append(model)
        assert created.id == str(len(self.models))
        return model

    def _rows_of(self, kind: Kind) -> st.SearchStrategy[list[Row]]:
        unique_by = None if kind.key is None else lambda row: row[kind.key]
        return st.lists(kind.row, min_size=1, max_size=4, unique_by=unique_by)

    @rule(model=datasets, tags=_TAGS, data=st.data())
    def commit(self, model: Model, tags: dict[str, str], data: st.DataObject) -> None:
        rows = data.draw(self._rows_of(model.kind))
        commit = self._dataset(model).commit(rows, tags=tags, message="m")
        model.commits.append((tags, rows))
        assert (commit.id, commit.num_rows, commit.tags) == (
            str(len(model.commits)),
            len(rows),
            dict(sorted(tags.items())),
        )

    @rule(model=datasets, data=st.data())
    def bad_commit(self, model: Model, data: st.DataObject) -> None:
        dataset = self._dataset(model)
        before = (dataset.state().updated_at, dataset.log_of_entries.digest)
        with pytest.raises((InvalidInput, NotFound)):
            dataset.commit(data.draw(st.sampled_from(model.kind.bad)))
        assert (dataset.state().updated_at, dataset.log_of_entries.digest) == before

    @rule(target=snapshots, model=datasets, tags=st.just({}) | _TAGS, data=st.data())
    def snapshot(self, model: Model, tags: dict[str, str], data: st.DataObject) -> Taken:
        upto = data.draw(st.none() | st.integers(1, len(model.commits))) if model.commits else None
        where = data.draw(st.none() | st.sampled_from(sorted(model.kind.where)))
        commits = model.chosen(tags, upto)
        found = self._dataset(model).snapshot(tags=tags, upto=upto, where=where)
        return self._taken(model, found, model.rows(commits, where), version_hash(commits) if where is None else None)

    @rule(taken=snapshots, name=st.sampled_from(["prod", "test"]))
    def alias(self, taken: Taken, name: str) -> None:
        self._dataset(taken.model).resolve(_by_id(taken)).alias(name)
        taken.model.aliases[name] = taken.snapshot_id

    @rule(target=snapshots, taken=consumes(snapshots), seed=st.integers(0, 3), share=st.sampled_from([0.1, 0.5]))
    def split(self, taken: Taken, seed: int, share: float) -> Any:
        whole = self._dataset(taken.model).resolve(_by_id(taken))
        sides = whole.split({"a": share, "b": 1 - share}, seed=seed)
        digests = {name: set(side.to_arrow(["_digest"]).column(0).to_pylist()) for name, side in sides.items()}
        if taken.model.kind.key is None:
            assert not digests["a"] & digests["b"], "equal rows stay together"
        positions = {row["_id"]: idx for idx, row in enumerate(whole.to_arrow(["_id"]).to_pylist())}
        parts = {
            name: [positions[row["_id"]] for row in side.to_arrow(["_id"]).to_pylist()] for name, side in sides.items()
        }
        assert sorted(parts["a"] + parts["b"]) == list(range(len(taken.rows)))
        return multiple(
            *(self._taken(taken.model, sides[name], [taken.rows[idx] for idx in parts[name]], None) for name in parts)
        )

    @rule(first=snapshots, second=snapshots)
    def diff(self, first: Taken, second: Taken) -> None:
        if first.model is not second.model:
            return
        resolve = self._dataset(first.model).resolve
        diff = resolve(_by_id(first)).diff(resolve(_by_id(second)))
        key = first.model.kind.key
        is_kept = key is not None and not first.model.name.startswith("replace")
        names = [
            [
                repr(row[key] if key else {**row, "_commit": 0}) + (row["_commit"] if is_kept else "")
                for row in taken.rows
            ]
            for taken in (first, second)
        ]
        assert len(diff.added) == (Counter(names[1]) - Counter(names[0])).total()
        assert len(diff.removed) == (Counter(names[0]) - Counter(names[1])).total()
        if key is not None and not is_kept:
            before = {row[key]: row["name"] for row in first.rows}
            assert len(diff.changed) == sum(before.get(row[key], row["name"]) != row["name"] for row in second.rows)
        else:
            assert len(diff.changed) == 0

    @rule(taken=snapshots, data=st.data())
    def take_and_scan(self, taken: Taken, data: st.DataObject) -> None:
        snapshot = self._dataset(taken.model).resolve(_by_id(taken))
        columns = [*taken.model.kind.columns, "_commit"]
        size = len(taken.rows)
        wanted = data.draw(st.lists(st.integers(-size, size - 1), max_size=5)) if size else []
        assert snapshot.take(wanted, columns=columns).to_pylist() == [taken.rows[idx] for idx in wanted]
        batches = list(snapshot.scan(data.draw(st.integers(1, 5)), columns=columns))
        assert [row for batch in batches for row in batch.to_pylist()] == taken.rows
        with pytest.raises(IndexError):
            snapshot.take([size])

    @rule(taken=snapshots)
    def read_again(self, taken: Taken) -> None:
        self._check(taken, self._dataset(taken.model).resolve(_by_id(taken)))

    @rule()
    def reopen(self) -> None:
        self.lake = headrace.connect(self.uri)

    @invariant()
    def ids_are_dense_and_names_hold(self) -> None:
        assert [(item.id, item.name) for item in self.lake.datasets()] == [
            (str(number), model.name) for number, model in enumerate(self.models, 1)
        ]
        for model in self.models:
            dataset = self._dataset(model)
            assert [commit.id for commit in dataset.log()] == [
                str(number) for number in range(1, len(model.commits) + 1)
            ]
            assert (dataset.aliases, dataset.num_rows) == (model.aliases, sum(len(rows) for _, rows in model.commits))

    def teardown(self) -> None:
        if getattr(self, "models", []):
            report = headrace.connect(self.uri).verify()
            assert report.ok, report.problems
            assert report.num_rows == sum(len(rows) for model in self.models for _, rows in model.commits)


def _by_id(taken: Taken) -> Any:
    from headrace.schema.references import Selector

    return Selector("id", taken.snapshot_id)


TestLake = LakeMachine.TestCase
TestLake.settings = settings(max_examples=60, stateful_step_count=30)
