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
from headrace.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from headrace.schema.tags import has_tags
from headrace.units import parse_timestamp
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


Address = tuple[int, int]  # commit number, ordinal


@dataclass(frozen=True)
class Visible:
    """What new snapshots may choose."""

    hidden: frozenset[int] = frozenset()  # commits
    deleted: frozenset[Address] = frozenset()


@dataclass
class Model:
    """What a dataset should hold."""

    name: str
    kind: Kind
    commits: list[tuple[dict[str, str], list[Row]]] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)  # version hash to snapshot id, the first one
    aliases: dict[str, str] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)  # snapshot ids
    purged: set[Address] = field(default_factory=set)
    visible: Visible = field(default_factory=Visible)
    after_commit: list[Visible] = field(default_factory=list)
    history: list[tuple[int, int, Visible]] = field(default_factory=list)  # time, number of commits, what was visible

    @property
    def replaces(self) -> bool:
        return self.name.startswith("replace")

    def chosen(self, tags: dict[str, str], upto: int | None, visible: Visible | None = None) -> list[int]:
        last = len(self.commits) if upto is None else upto
        hidden = (visible or self.visible).hidden
        return [
            n for n in range(1, last + 1) if n not in hidden and has_tags(self.commits[n - 1][0].items(), tags.items())
        ]

    def addresses(self, commits: list[int]) -> list[Address]:
        """Of the rows that were not purged."""
        found = [(number, idx) for number in commits for idx in range(len(self.commits[number - 1][1]))]
        return [address for address in found if address not in self.purged]

    def row(self, address: Address) -> Row:
        return {**self.commits[address[0] - 1][1][address[1]], "_commit": str(address[0])}

    def select(self, addresses: list[Address], where: str | None) -> list[Address]:
        """Those of them that are seen: the newest of each key where rows replace, and the filter is true."""
        if self.replaces:
            last = {self.row(address)["id"]: address for address in addresses}
            addresses = [address for address in addresses if last[self.row(address)["id"]] == address]
        return [item for item in addresses if where is None or self.kind.where[where](self.row(item))]

    def meant(self, addresses: list[Address], where: str) -> set[Address]:
        """Those that a deletion or restoration by filter means."""
        found = self.select(addresses, where)
        return self.same_keys(addresses, found) if self.replaces else set(found)

    def same_keys(self, addresses: list[Address], some: list[Address]) -> set[Address]:
        keys = [self.row(address)[str(self.kind.key)] for address in some]
        return {address for address in addresses if self.row(address)[str(self.kind.key)] in keys}

    def choice(self, commits: list[int], where: str | None, visible: Visible | None = None) -> list[Address]:
        deleted = (visible or self.visible).deleted
        addresses = [address for address in self.addresses(commits) if address not in deleted]
        return self.select(addresses, where)

    def present(self) -> list[Address]:
        """Rows of visible commits that are not deleted."""
        return [item for item in self.addresses(self.chosen({}, None)) if item not in self.visible.deleted]

    def restorable(self) -> list[Address]:
        """Deleted rows of visible commits."""
        return [item for item in self.addresses(self.chosen({}, None)) if item in self.visible.deleted]


@dataclass(frozen=True)
class Taken:
    """A snapshot with what it held when it was taken."""

    model: Model
    snapshot_id: str
    chosen: list[Address]
    version_hash: str | None

    @property
    def addresses(self) -> list[Address]:
        """Without those that were purged since."""
        return [address for address in self.chosen if address not in self.model.purged]

    @property
    def rows(self) -> list[Row]:
        return [self.model.row(address) for address in self.addresses]


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
        of_commits = [address for address in taken.model.purged if str(address[0]) in snapshot.commit_ids]
        assert snapshot.num_redacted == len(of_commits)
        assert len(set(ids)) == len(ids)
        if taken.model.kind.key is not None:
            prefix = "" if taken.model.replaces else "{_commit}:"
            assert ids == [(prefix + "{" + taken.model.kind.key + "}").format(**row) for row in rows]

    def _taken(self, model: Model, snapshot: Snapshot, chosen: list[Address], name: str | None) -> Taken:
        taken = Taken(model, snapshot.id, chosen, name)
        self._check(taken, snapshot)
        if snapshot.id not in model.logged and name is not None:
            model.hashes.setdefault(name, snapshot.id)
        model.logged.add(snapshot.id)
        if name in model.hashes:
            assert self._dataset(model).snapshot_by_version_hash(name).id == model.hashes[name]
        return taken

    def _logged(self, taken: Taken) -> Snapshot | None:
        """The snapshot, or None once it was forgotten."""
        dataset = self._dataset(taken.model)
        if taken.snapshot_id in taken.model.logged:
            return dataset.resolve(_by_id(taken))
        with pytest.raises(NotFound):
            dataset.resolve(_by_id(taken))
        return None

    def _changed(self, model: Model, visible: Visible) -> None:
        """Note what is visible after an entry."""
        model.visible = visible
        moment = parse_timestamp(self._dataset(model).state().updated_at)
        model.history.append((moment, len(model.commits), visible))

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
        self.models.append(model)
        if rows is not None:
            self._committed(model, tags, rows)
        assert created.id == str(len(self.models))
        return model

    def _committed(self, model: Model, tags: dict[str, str], rows: list[Row]) -> None:
        model.commits.append((tags, rows))
        model.after_commit.append(model.visible)
        self._changed(model, model.visible)

    def _rows_of(self, kind: Kind) -> st.SearchStrategy[list[Row]]:
        unique_by = None if kind.key is None else lambda row: row[kind.key]
        return st.lists(kind.row, min_size=1, max_size=4, unique_by=unique_by)

    @rule(model=datasets, tags=_TAGS, data=st.data())
    def commit(self, model: Model, tags: dict[str, str], data: st.DataObject) -> None:
        rows = data.draw(self._rows_of(model.kind))
        commit = self._dataset(model).commit(rows, tags=tags, message="m")
        self._committed(model, tags, rows)
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
        return self._taken(model, found, model.choice(commits, where), version_hash(commits) if where is None else None)

    @rule(taken=snapshots, name=st.sampled_from(["prod", "test"]))
    def alias(self, taken: Taken, name: str) -> None:
        snapshot = self._logged(taken)
        if snapshot is not None:
            snapshot.alias(name)
            taken.model.aliases[name] = taken.snapshot_id

    @rule(target=snapshots, taken=consumes(snapshots), seed=st.integers(0, 3), share=st.sampled_from([0.1, 0.5]))
    def split(self, taken: Taken, seed: int, share: float) -> Any:
        whole = self._logged(taken)
        if whole is None:
            return multiple()
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
            *(
                self._taken(taken.model, sides[name], [taken.addresses[idx] for idx in parts[name]], None)
                for name in parts
            )
        )

    @rule(first=snapshots, second=snapshots)
    def diff(self, first: Taken, second: Taken) -> None:
        if first.model is not second.model:
            return
        before, after = self._logged(first), self._logged(second)
        if before is None or after is None:
            return
        diff = before.diff(after)
        key = first.model.kind.key
        is_kept = key is not None and not first.model.replaces
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
            names_before = {row[key]: row["name"] for row in first.rows}
            assert len(diff.changed) == sum(
                names_before.get(row[key], row["name"]) != row["name"] for row in second.rows
            )
        else:
            assert len(diff.changed) == 0

    @rule(taken=snapshots, data=st.data())
    def take_and_scan(self, taken: Taken, data: st.DataObject) -> None:
        snapshot = self._logged(taken)
        if snapshot is None:
            return
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
        snapshot = self._logged(taken)
        if snapshot is not None:
            self._check(taken, snapshot)

    # -- deletion -------------------------------------------------------------------------------------------------

    @rule(model=datasets, data=st.data())
    def delete_rows_where(self, model: Model, data: st.DataObject) -> None:
        where = data.draw(st.sampled_from(sorted(model.kind.where)))
        found = model.meant(model.present(), where)
        dataset = self._dataset(model)
        assert dataset.delete_rows(where=where, dry_run=True) == len(found)
        assert dataset.delete_rows(where=where) == len(found)
        if found:
            self._changed(model, Visible(model.visible.hidden, model.visible.deleted | found))

    @rule(model=datasets, by_key=st.booleans(), data=st.data())
    def delete_rows_of_keys(self, model: Model, by_key: bool, data: st.DataObject) -> None:
        dataset = self._dataset(model)
        seen = model.select(model.present(), None)
        if not seen:
            with pytest.raises(NotFound):
                dataset.delete_rows(keys=["9:none"])
            return
        idx = data.draw(st.integers(0, len(seen) - 1))
        found = {seen[idx]}
        key: object = dataset.select().take([idx], columns=["_id"]).column("_id")[0].as_py()
        if model.replaces or (by_key and model.kind.key is not None):
            found = model.same_keys(model.present(), [seen[idx]])
            key = model.row(seen[idx])[str(model.kind.key)]
        assert dataset.delete_rows(keys=[key]) == len(found)
        self._changed(model, Visible(model.visible.hidden, model.visible.deleted | found))

    @rule(model=datasets, data=st.data())
    def restore_rows(self, model: Model, data: st.DataObject) -> None:
        where = data.draw(st.none() | st.sampled_from(sorted(model.kind.where)))
        candidates = model.restorable()
        found = set(candidates) if where is None else model.meant(candidates, where)
        assert self._dataset(model).restore_rows(where=where) == len(found)
        if found:
            self._changed(model, Visible(model.visible.hidden, model.visible.deleted - found))

    @rule(model=datasets, data=st.data())
    def delete_or_restore_commit(self, model: Model, data: st.DataObject) -> None:
        dataset = self._dataset(model)
        if not model.commits:
            return
        number = data.draw(st.integers(1, len(model.commits)))
        hidden = model.visible.hidden
        if number in hidden:
            with pytest.raises(Conflict):
                dataset.delete_commit(number)
            dataset.restore_commit(number)
        else:
            with pytest.raises(Conflict):
                dataset.restore_commit(number)
            dataset.delete_commit(number)
        self._changed(model, Visible(hidden ^ {number}, model.visible.deleted))

    @rule(model=datasets, data=st.data())
    def revert(self, model: Model, data: st.DataObject) -> None:
        if not model.commits:
            return
        number = data.draw(st.integers(1, len(model.commits)))
        then = model.after_commit[number - 1]
        self._dataset(model).revert(number)
        later = range(number + 1, len(model.commits) + 1)
        self._changed(model, Visible(then.hidden.union(later), then.deleted))

    @rule(model=datasets, data=st.data())
    def look_back(self, model: Model, data: st.DataObject) -> None:
        """Any moment shows what was visible then."""
        if not model.history:
            return
        moment, num_commits, visible = data.draw(st.sampled_from(model.history))
        commits = model.chosen({}, num_commits, visible)
        rows = self._dataset(model).select(until=moment).to_arrow([*model.kind.columns, "_commit"]).to_pylist()
        assert rows == [model.row(address) for address in model.choice(commits, None, visible)]

    # -- layouts and purge ------------------------------------------------------------------------------------------

    @rule(model=datasets)
    def compact(self, model: Model) -> None:
        self._dataset(model).compact()

    @rule(taken=snapshots)
    def pack(self, taken: Taken) -> None:
        snapshot = self._logged(taken)
        if snapshot is None:
            return
        if taken.rows:
            assert snapshot.pack().num_rows == len(taken.rows)
        else:
            with pytest.raises(InvalidInput):
                snapshot.pack()
        self._check(taken, snapshot)

    @rule(model=datasets, by_key=st.booleans(), data=st.data())
    def purge(self, model: Model, by_key: bool, data: st.DataObject) -> None:
        """Rows of all commits, deleted ones too."""
        dataset = self._dataset(model)
        everywhere = model.addresses(list(range(1, len(model.commits) + 1)))
        if by_key and model.kind.key is not None and everywhere:
            address = data.draw(st.sampled_from(everywhere))
            found = model.same_keys(everywhere, [address])
            assert dataset.purge(keys=[model.row(address)[model.kind.key]]).num_rows == len(found)
        else:
            where = data.draw(st.sampled_from(sorted(model.kind.where)))
            found = {item for item in everywhere if model.kind.where[where](model.row(item))}
            found = model.same_keys(everywhere, list(found)) if model.replaces else found
            assert dataset.purge(where=where, dry_run=True).num_rows == len(found)
            assert dataset.purge(where=where).num_rows == len(found)
        model.purged |= found

    @rule(taken=snapshots)
    def forget(self, taken: Taken) -> None:
        snapshot = self._logged(taken)
        if snapshot is None:
            return
        model = taken.model
        if taken.snapshot_id in model.aliases.values():
            with pytest.raises(Conflict):
                snapshot.forget()
            return
        snapshot.forget()
        model.logged.remove(taken.snapshot_id)
        model.hashes = {name: target for name, target in model.hashes.items() if target != taken.snapshot_id}

    @rule(model=datasets, is_renamed=st.booleans())
    def delete_and_restore_dataset(self, model: Model, is_renamed: bool) -> None:
        dataset = self._dataset(model)
        self.lake.delete_dataset(model.name)
        for name in (model.name, dataset.id):
            with pytest.raises(NotFound):
                self.lake.dataset(name)
        assert len(self.lake.datasets()) == len(self.models) - 1
        self.lake.gc(grace_seconds=0)
        rename = f"{model.name}_" if is_renamed else None
        assert self.lake.restore_dataset(model.name, rename=rename).id == dataset.id
        model.name = rename or model.name

    @rule()
    def collect(self) -> None:
        """What must stay is asked for by `read_again`, `look_back` and the end."""
        expected = self._collected(dry_run=True)
        assert self._collected(dry_run=False) == expected
        assert self.lake.verify().ok

    def _collected(self, *, dry_run: bool) -> set[str]:
        """Keys without checkpoints: the collection's own entries may let it write one, which supersedes others."""
        report = self.lake.gc(grace_seconds=0, dry_run=dry_run)
        return {item.key for item in report.objects if "checkpoints/" not in item.key}

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
            assert (dataset.aliases, dataset.num_rows) == (model.aliases, len(model.present()))
            hidden = {int(commit.id) for commit in dataset.log() if commit.is_deleted}
            assert hidden == set(model.visible.hidden)

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
