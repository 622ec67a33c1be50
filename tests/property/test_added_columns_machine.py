"""Added columns against a model of plain dicts, over random sequences of calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import headrace
from headrace.datasets.layout_writing import ContainerSizes
from headrace.errors import InvalidInput, NotFound
from headrace.schema.references import Selector
from tests.scripted_store import fresh_memory_uri

Address = tuple[int, int]
_SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])
_NAMES = ["score", "length"]
_VALUE = st.none() | st.integers(0, 3)


@dataclass
class Model:
    """What the dataset should hold."""

    rows: dict[Address, dict[str, Any]] = field(default_factory=dict)
    deleted: set[Address] = field(default_factory=set)
    purged: set[Address] = field(default_factory=set)
    columns: dict[str, dict[Address, int]] = field(default_factory=dict)
    num_commits: int = 0


class AddedColumnsMachine(RuleBasedStateMachine):
    @initialize(rule=st.sampled_from(["keep", "replace"]))
    def start(self, rule: str) -> None:
        self.uri = fresh_memory_uri()
        self.lake = headrace.connect(self.uri)
        self.rule = rule
        self.dataset = self.lake.create_dataset("t", schema=_SCHEMA, key="id", on_duplicate_key=rule)
        self.model = Model()
        self.taken: dict[str, tuple[list[str], list[Address], dict[str, dict[Address, int]]]] = {}
        self.commit([0, 1])
        self.commit([1, 2, 3])

    def _id(self, address: Address) -> str:
        key = self.model.rows[address]["id"]
        return str(key) if self.rule == "replace" else f"{address[0]}:{key}"

    def _chosen(self) -> list[Address]:
        """Addresses of the rows of a new snapshot, in order."""
        found = [item for item in sorted(self.model.rows) if item not in self.model.deleted | self.model.purged]
        if self.rule == "replace":
            last = {self.model.rows[item]["id"]: item for item in found}
            found = [item for item in found if last[self.model.rows[item]["id"]] == item]
        return found

    @rule(ids=st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
    def commit(self, ids: list[int]) -> None:
        rows = [{"id": key, "name": "x" * key} for key in ids]
        self.dataset.commit(rows)
        self.model.num_commits += 1
        self.model.rows.update({(self.model.num_commits, idx): row for idx, row in enumerate(rows)})

    @rule(name=st.sampled_from(_NAMES), anew=st.booleans(), data=st.data())
    def add_table(self, name: str, anew: bool, data: st.DataObject) -> None:
        chosen = self._chosen()
        if not chosen:
            return
        picked = data.draw(st.lists(st.sampled_from(chosen), min_size=1, max_size=4, unique=True))
        values = {item: data.draw(_VALUE) for item in picked}
        table = pa.table(
            {"_id": [self._id(item) for item in picked], name: pa.array(list(values.values()), pa.int64())}
        )
        known = {} if anew else self.model.columns.get(name, {})
        given = {item: value for item, value in values.items() if value is not None}
        if any(known.get(item, value) != value for item, value in given.items()) or (anew and not given):
            with pytest.raises(InvalidInput):
                self.dataset.add_columns(table, replace=anew)
            return
        report = self.dataset.add_columns(table, replace=anew)
        assert report.num_values == len(given.keys() - known.keys())
        if given or known:
            self.model.columns[name] = {**known, **given}

    @rule(name=st.sampled_from(_NAMES), anew=st.booleans(), chunk_rows=st.integers(1, 3))
    def add_function(self, name: str, anew: bool, chunk_rows: int) -> None:
        visible = [item for item in self.model.rows if item not in self.model.deleted | self.model.purged]
        known = {} if anew else self.model.columns.get(name, {})
        missing = [item for item in sorted(visible) if item not in known]
        seen: list[str] = []

        def measure(rows: pa.Table) -> list[int]:
            assert rows.num_rows <= chunk_rows
            seen.extend(rows.column("_id").to_pylist())
            return [len(text) + 10 for text in rows.column("name").to_pylist()]

        def add() -> None:
            self.dataset.add_columns(
                measure, name=name, columns=["name", "_id"], replace=anew, chunk_rows=chunk_rows, type=pa.int64()
            )

        if anew and not missing:
            with pytest.raises(InvalidInput):
                add()
            return
        add()
        # Rows that are equal in all that the function gets are asked for once.
        assert set(seen) == {self._id(item) for item in missing}
        if missing:
            values = {item: self.model.rows[item]["id"] + 10 for item in missing}
            self.model.columns[name] = {**known, **values}

    @rule(name=st.sampled_from(_NAMES))
    def drop(self, name: str) -> None:
        if name in self.model.columns:
            self.dataset.drop_columns(name)
            del self.model.columns[name]
        else:
            with pytest.raises(NotFound):
                self.dataset.drop_columns(name)

    @precondition(lambda self: self.model.columns)
    @rule(data=st.data(), where=st.booleans())
    def snapshot(self, data: st.DataObject, where: bool) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.model.columns)), min_size=1, unique=True))
        condition = f"{names[0]} > 1" if where else None
        taken = self.dataset.snapshot(columns=["id", *names], where=condition)
        columns = {name: dict(self.model.columns[name]) for name in names}
        rows = [item for item in self._chosen() if not where or columns[names[0]].get(item, 0) > 1]
        assert taken.statistics["columns"][names[0]]["null_count"] == sum(
            item not in columns[names[0]] for item in rows
        )
        self.taken[taken.id] = (names, rows, columns)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        if self.taken:
            snapshot_id = data.draw(st.sampled_from(sorted(self.taken)))
            self.dataset.forget(snapshot_id)
            del self.taken[snapshot_id]

    @rule(data=st.data())
    def delete_rows(self, data: st.DataObject) -> None:
        if self._chosen():
            address = data.draw(st.sampled_from(self._chosen()))
            self.dataset.delete_rows(keys=[self._id(address)])
            key = self.model.rows[address]["id"]
            same = {item for item, row in self.model.rows.items() if row["id"] == key}
            self.model.deleted |= same if self.rule == "replace" else {address}

    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        there = [item for item in sorted(self.model.rows) if item not in self.model.purged]
        if not there:
            return
        address = data.draw(st.sampled_from(there))
        self.dataset.purge(keys=[self._id(address)])
        key = self.model.rows[address]["id"]
        same = {item for item, row in self.model.rows.items() if row["id"] == key}
        self.model.purged |= same if self.rule == "replace" else {address}
        for values in self.model.columns.values():
            for item in self.model.purged:
                values.pop(item, None)

    @rule()
    def restore(self) -> None:
        self.dataset.restore_rows()
        self.model.deleted.clear()

    @rule(part_rows=st.integers(2, 8))
    def compact(self, part_rows: int) -> None:
        self.dataset.compact(sizes=ContainerSizes(part_rows=part_rows))

    @rule()
    def collect(self) -> None:
        self.lake.gc(dry_run=False, grace_seconds=0)

    @rule()
    def reopen(self) -> None:
        self.lake = headrace.connect(self.uri)
        self.dataset = self.lake.dataset("t")

    @invariant()
    def columns_are_what_was_added(self) -> None:
        names = sorted(self.model.columns)
        assert [item.name for item in self.dataset.added_columns] == names
        assert [item.num_values for item in self.dataset.added_columns] == [
            len(self.model.columns[name]) for name in names
        ]
        rows = self.dataset.select(columns=["id", *names]).to_arrow(["id", *names]).to_pylist()
        assert rows == [
            {"id": self.model.rows[item]["id"], **{name: self.model.columns[name].get(item) for name in names}}
            for item in self._chosen()
        ]

    @invariant()
    def logged_snapshots_keep_their_version(self) -> None:
        for snapshot_id, (names, rows, columns) in self.taken.items():
            snapshot = self.dataset.resolve(Selector("id", snapshot_id))
            assert snapshot.id == snapshot_id
            assert snapshot.to_arrow(["id", *names]).to_pylist() == [
                {"id": self.model.rows[item]["id"], **{name: columns[name].get(item) for name in names}}
                for item in rows
                if item not in self.model.purged
            ]

    def teardown(self) -> None:
        if hasattr(self, "dataset"):
            report = headrace.connect(self.uri).verify()
            assert report.ok, report.problems


TestAddedColumns = AddedColumnsMachine.TestCase
TestAddedColumns.settings = settings(max_examples=25, stateful_step_count=15)
