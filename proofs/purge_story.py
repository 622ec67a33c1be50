"""A lake full of canaries: two datasets, two persons in each, everything that may keep a copy, in an order by seed.

What a person's rows hold occurs nowhere else: texts, labels, keys, numbers, pictures, names of files and of archives,
reasons of rejected rows, values of added columns. What other rows hold is plain.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.columns import media_field
from headrace.datasets.ingest import IngestLayout
from headrace.datasets.lake import Lake
from headrace.datasets.layout_writing import ContainerSizes
from headrace.datasets.snapshot import Snapshot
from headrace.errors import Unavailable
from headrace.storage.digests import digest_of
from proofs.canaries import Canaries, noise_picture, token
from proofs.stepping import KindInHand, SteppedStore

__all__ = ["PEOPLE", "PurgeStory", "canaries_of"]

PEOPLE = ("ada", "ben")
_Cells = dict[str, Any]
_Source = Callable[[Path, Sequence[_Cells], Sequence[_Cells]], Any]
"""Makes a source below a new folder: of a person's rows, and of plain ones."""


@dataclass(slots=True)
class Planter:
    """Gives out canaries; the same seed, dataset, person and place give the same."""

    seed: str
    dataset: str
    planted: dict[str, Any] = field(default_factory=dict)  # name to text, number or hex of bytes

    def text(self, person: str, place: str) -> str:
        name = f"{self.dataset}/{person}/{place}"
        found = token(f"{self.seed} {name}")
        self.planted[name] = found
        return found

    def number(self, person: str, place: str) -> int:
        name = f"{self.dataset}/{person}/{place}"
        found = random.Random(f"{self.seed} {name}").randrange(1 << 60, 1 << 62)
        self.planted[name] = found
        return found

    def data(self, person: str, place: str, *, is_picture: bool) -> bytes:
        name = f"{self.dataset}/{person}/{place}"
        seed = f"{self.seed} {name}"
        comment = self.text(person, f"comment of a {place}") if is_picture else ""
        found = noise_picture(seed, comment) if is_picture else random.Random(seed).randbytes(80)
        self.planted[name] = {"hex": found.hex()}
        return found


def canaries_of(planted: Mapping[str, Any], *, digests: Mapping[str, Sequence[bytes]] | None = None) -> Canaries:
    """The search for all that was planted, and for digests that would prove later what it was."""
    found = Canaries()
    for name, value in planted.items():
        if isinstance(value, str):
            found.add_text(name, value)
        elif isinstance(value, int):
            found.add_number(name, value)
        else:
            data = bytes.fromhex(value["hex"])
            found.add_bytes(name, data)
            if "picture" in name or "content" in name:
                found.add_digest(f"{name}, its digest", digest_of(data))
    for person, values in (digests or {}).items():
        for idx, value in enumerate(values):
            found.add_digest(f"{person}/digest of row {idx}", value)
    return found


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of dataset: its rows, and the sources that they come in."""

    type_name: str
    marker: str  # the column that says whose a row is
    row: Callable[[Planter, str, int, int], _Cells]  # person or "nobody", number of the commit, of the row
    sources: tuple[_Source, ...]
    schema: pa.Schema | None = None


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _in_memory(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
    return [_values(row) for row in (*mine, *plain)]


def _values(row: _Cells) -> _Cells:
    """Without what only names files, which begins with a dot."""
    return {name: value for name, value in row.items() if not name.startswith(".")}


def _lines(rows: Sequence[_Cells]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


# -- a table with a key, pictures and nested values --------------------------------------------------------------------

_TABLE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("person", pa.string()),
        pa.field("text", pa.string()),
        pa.field("label", pa.string()),
        pa.field("number", pa.int64()),
        pa.field("nested", pa.list_(pa.struct([pa.field("a", pa.string())]))),
        pa.field("payload", pa.large_binary()),
        media_field("image", "image", nullable=True),
    ]
)


def _table_row(planter: Planter, person: str, number: int, idx: int) -> _Cells:
    return {
        "id": planter.text(person, f"key {number % 3} {idx}") if person in PEOPLE else f"{number}-{idx}",
        "person": planter.text(person, "person"),
        "text": f"said {planter.text(person, 'text')} and left",
        "label": planter.text(person, "label") if person in PEOPLE else f"label {idx % 3}",
        "number": planter.number(person, f"number {number} {idx}"),
        "nested": [{"a": planter.text(person, "nested")}, {"a": None}],
        "payload": planter.data(person, f"payload {number} {idx}", is_picture=False),
        "image": planter.data(person, f"picture {number} {idx}", is_picture=True),
        ".file": planter.text(person, f"name of a file {number}"),
        ".reason": planter.text(person, f"reason {number}"),
    }


def _parquet_files(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
    """A file of a person, named after them, and one of others."""
    paths = []
    for name, rows in ((mine[0][".file"] if mine else "none", mine), ("others", plain)):
        if rows:
            table = pa.Table.from_pylist([_values(row) for row in rows], schema=_TABLE_SCHEMA)
            paths.append(folder / f"{name}.parquet")
            pq.write_table(table, paths[-1])
    return [str(path) for path in paths]


def _csv_with_pictures(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
    """Tables that name pictures by path; a row that cannot be read quotes the person in its reason."""
    names = ("id", "person", "text", "label", "number", "image")
    paths = []
    for rows in (mine, plain):
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(names)
        for idx, row in enumerate(rows):
            path = _write(folder / f"{row['.file']}-{idx}.png", row["image"])
            writer.writerow([path.name if name == "image" else row[name] for name in names])
        if rows and rows[0][".reason"]:
            writer.writerow([f"bad {folder.name}", "nobody", "text", "label", rows[0][".reason"], ""])
        if rows:
            paths.append(str(_write(folder / f"{rows[0]['.file']}.csv", out.getvalue().encode())))
    return paths


def _json_lines(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
    rows = [{name: value for name, value in row.items() if name in ("id", "person", "nested")} for row in mine]
    rows += [{name: row[name] for name in ("id", "person", "text", "number")} for row in plain]
    return str(_write(folder / "mixed.jsonl", _lines(rows)))


# -- pictures with labels or texts -------------------------------------------------------------------------------------


def _labelled_row(planter: Planter, person: str, number: int, idx: int) -> _Cells:
    is_canary = person in PEOPLE
    return {
        "id": planter.text(person, f"key {number} {idx}") if is_canary else f"{number}-{idx}",
        "label": planter.text(person, "label") if is_canary else f"label{idx % 3}",
        "text": planter.text(person, "text"),
        "image": planter.data(person, f"picture {number} {idx}", is_picture=True),
        ".file": planter.text(person, f"name of a file {number}"),
        ".reason": planter.text(person, f"reason {number}"),
    }


def _class_files(rows: Sequence[_Cells]) -> Iterator[tuple[str, bytes]]:
    for row in rows:
        yield f"{row['label']}/{row['id']}.png", row["image"]
    if rows and rows[0][".reason"]:  # it is no picture, so that it is left out and named
        yield f"{rows[0]['label']}/{rows[0]['.reason']}.png", b"no picture"


def _text_files(rows: Sequence[_Cells]) -> Iterator[tuple[str, bytes]]:
    for row in rows:
        yield f"{row['id']}/picture.png", row["image"]
        yield f"{row['id']}/picture.txt", row["text"].encode()
    if rows and rows[0][".reason"]:
        yield f"{rows[0]['.reason']}/picture.png", b"no picture"
        yield f"{rows[0]['.reason']}/picture.txt", rows[0]["text"].encode()


def _plain_files(rows: Sequence[_Cells]) -> Iterator[tuple[str, bytes]]:
    for row in rows:
        yield row["name"], row["data"]


_Files = Callable[[Sequence[_Cells]], Iterator[tuple[str, bytes]]]


def _in_folder(files: _Files) -> _Source:
    def make(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
        for rows in (mine, plain):
            for name, data in files(rows):
                _write(folder / "files" / name, data)
        return str(folder / "files")

    return make


def _in_zip(files: _Files) -> _Source:
    def make(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
        paths = [folder / f"{rows[0]['.file']}.zip" for rows in (mine, plain) if rows]
        for path, rows in zip(paths, [rows for rows in (mine, plain) if rows]):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in files(rows):
                    archive.writestr(name, data)
        return [str(path) for path in paths]

    return make


def _in_tar(files: _Files) -> _Source:
    def make(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
        paths = [folder / f"{rows[0]['.file']}.tar" for rows in (mine, plain) if rows]
        for path, rows in zip(paths, [rows for rows in (mine, plain) if rows]):
            with tarfile.open(path, "w") as archive:
                for name, data in files(rows):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return [str(path) for path in paths]

    return make


def _named_row(planter: Planter, person: str, number: int, idx: int) -> _Cells:
    folder = planter.text(person, "folder") if person in PEOPLE else "plain"
    name = planter.text(person, f"file {number} {idx}") if person in PEOPLE else f"{number}-{idx}"
    return {
        "name": f"{folder}/{name}.bin",
        "data": planter.data(person, f"content {number} {idx}", is_picture=False),
        ".file": planter.text(person, f"name of an archive {number}"),
    }


# -- texts with labels -------------------------------------------------------------------------------------------------


def _intent_row(planter: Planter, person: str, number: int, idx: int) -> _Cells:
    return {
        "text": f"{planter.text(person, 'text')} {number} {idx}",
        "labels": [planter.text(person, "label") if person in PEOPLE else f"label{idx % 3}", "any"],
        ".file": planter.text(person, f"name of a file {number}"),
    }


def _intent_files(folder: Path, mine: Sequence[_Cells], plain: Sequence[_Cells]) -> Any:
    paths = []
    for rows in (mine, plain):
        if rows:
            lines = [f"{row['text']},{';'.join(row['labels'])}\n" for row in rows]
            lines.append(f"{rows[0]['text']}\n")  # no label, so that it is left out
            paths.append(str(_write(folder / f"{rows[0]['.file']}.csv", "".join(lines).encode())))
    return paths


_KINDS = {
    "TABLE": _Kind(
        "TABLE",
        "person",
        _table_row,
        (_in_memory, _parquet_files, _csv_with_pictures, _json_lines),
        _TABLE_SCHEMA,
    ),
    "IMAGE_CLASS": _Kind(
        "IMAGE_CLASS", "label", _labelled_row, (_in_memory, _in_folder(_class_files), _in_zip(_class_files))
    ),
    "IMAGE_TEXT": _Kind(
        "IMAGE_TEXT", "text", _labelled_row, (_in_memory, _in_folder(_text_files), _in_tar(_text_files))
    ),
    "GENERIC": _Kind("GENERIC", "name", _named_row, (_in_memory, _in_folder(_plain_files), _in_zip(_plain_files))),
    "TEXT_INTENT": _Kind("TEXT_INTENT", "text", _intent_row, (_in_memory, _intent_files)),
}
_TYPED = ("IMAGE_CLASS", "IMAGE_TEXT", "GENERIC", "TEXT_INTENT")
_MARKERS = {"TABLE": "person", "IMAGE_CLASS": "label", "IMAGE_TEXT": "text", "GENERIC": "folder", "TEXT_INTENT": "text"}


class PurgeStory:
    """What happens to one dataset before its rows are purged."""

    def __init__(self, seed: str, number: int, *, is_table: bool, folder: Path) -> None:
        kind = "TABLE" if is_table else _TYPED[number % len(_TYPED)]
        self.name = "people" if is_table else "others"
        self._seed = f"{seed} {self.name}"
        self._kind = _KINDS[kind]
        self._folder = folder
        self.planter = Planter(seed, self.name)
        self._is_replacing = is_table and number % 2 == 1
        self._num_commits = 0

    def state_dict(self) -> dict[str, Any]:
        """What another process needs to go on."""
        return {"planted": self.planter.planted, "num_commits": self._num_commits}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.planter.planted = dict(state["planted"])
        self._num_commits = state["num_commits"]

    def marker(self, person: str) -> str:
        """What all rows of a person have in one column, and no other row."""
        return self.planter.text(person, _MARKERS[self._kind.type_name])

    def condition(self, person: str) -> str:
        """The person's rows, as a filter."""
        return f"contains({self._kind.marker}, '{self.marker(person)}')"

    def rows_of(self, lake: Lake, person: str) -> tuple[list[str], list[bytes]]:
        """`_id`s and digests of the person's rows in all commits, deleted and replaced ones too."""
        dataset = lake.dataset(self.name)
        state = dataset.state()
        everything = dataset.selection_of(
            state.commits, left_out=dataset.addresses(state.redacted_rows), every_version=True
        )
        table = everything.to_arrow(["_id", "_digest", self._kind.marker])
        mine = [row for row in table.to_pylist() if self._person_in(row[self._kind.marker]) == person]
        ids = {row["_id"].partition(":")[2] if self._is_replacing else row["_id"] for row in mine}
        return sorted(ids), [row["_digest"] for row in mine]

    def build(self, lake: Lake) -> None:
        """All operations, each at least once."""
        randomness = random.Random(f"{self._seed} order")
        options: dict[str, Any] = {}
        if self._kind.schema is not None:
            rule = "replace" if self._is_replacing else "keep"
            options = {"schema": self._kind.schema, "key": "id", "on_duplicate_key": rule}
        lake.create_dataset(self.name, None if options else self._kind.type_name, **options)
        self.commit(lake, PEOPLE, source=0)
        operations = [*self._operations(), self._compact, self._compact]
        operations += [
            partial(self.commit, people=people, source=source)
            for source in range(len(self._kind.sources))
            for people in ((), PEOPLE[:1], PEOPLE[1:])
        ]
        randomness.shuffle(operations)
        for operate in operations:
            operate(lake)

    def leave_rests(self, lake: Lake) -> None:
        """What no entry refers to, and a collection without grace would take."""
        self._litter(lake)
        self._leave_index(lake)

    def go_on(self, lake: Lake, *, count: int) -> None:
        """A few more operations, none of which brings a person back."""
        randomness = random.Random(f"{self._seed} after {self._num_commits}")
        for operate in randomness.choices([*self._operations(), self._compact], k=count):
            operate(lake)
        self.commit(lake, (), source=0)

    def commit(self, lake: Lake, people: Sequence[str], *, source: int) -> None:
        """Rows of some people between plain ones."""
        randomness = random.Random(f"{self._seed} commit {self._num_commits}")
        lake.dataset(self.name).commit(
            self.source(people, source=source),
            on_invalid="skip",
            tags={"n": str(self._num_commits % 3)},
            layout=IngestLayout(part_rows=randomness.choice((2, 100)), shard_bytes=randomness.choice((1500, 100_000))),
        )
        self._num_commits += 1

    def source(self, people: Sequence[str], *, source: int) -> Any:
        """The rows of the next commit as a user hands them in."""
        number = self._num_commits
        randomness = random.Random(f"{self._seed} rows {number}")
        mine = [
            self._kind.row(self.planter, person, number, 10 * PEOPLE.index(person) + idx)
            for person in people
            for idx in range(randomness.randrange(1, 3))
        ]
        plain = [self._kind.row(self.planter, "nobody", number, idx) for idx in range(randomness.randrange(1, 4))]
        if not people:
            for row in plain:
                row[".reason"] = ""
        folder = self._folder / f"{self.name}-{number}-{source}"
        folder.mkdir(parents=True, exist_ok=True)
        # Whose file would one be that holds rows of both?
        return self._kind.sources[source if len(people) < 2 else 0](folder, mine, plain)

    # -- operations ------------------------------------------------------------------------------------------------

    def _operations(self) -> list[Callable[[Lake], None]]:
        return [
            lambda lake: self._snapshot(lake),
            lambda lake: self._snapshot(lake, tags={"n": "1"}),
            lambda lake: self._snapshot(lake, where=f"length({self._kind.marker}) > 1"),
            lambda lake: self._snapshot(lake, columns=[self._kind.marker]),
            lambda lake: self._snapshot(lake, columns=[self._kind.marker, *self._columns(lake)]),
            self._split,
            self._alias,
            self._pack,
            lambda lake: self._materialise(lake.dataset(self.name).snapshot()),
            lambda lake: self._materialise(lake.dataset(self.name).select(where=f"length({self._kind.marker}) > 2")),
            self._delete_rows,
            self._delete_commit,
            lambda lake: self.add_column(lake, "note"),
            lambda lake: self.add_column(lake, "other note"),
            self._interrupted_function,
            self._record_run,
            lambda lake: self._collect(lake, 0.0),
            lambda lake: self._collect(lake, 3600.0),
        ]

    def killable(self) -> dict[str, Callable[[Lake], None]]:
        """Operations that a kill may interrupt, and that leave rests with the first person's bytes."""
        return {
            "commit": lambda lake: self.commit(lake, PEOPLE[:1], source=len(self._kind.sources) - 1),
            "view": lambda lake: self._materialise(
                lake.dataset(self.name).select(where=f"length({self._kind.marker}) > 3")
            ),
            "compact": self._compact,
            "pack": self._pack,
            "column": lambda lake: self.add_column(lake, "note"),
            "purge": lambda lake: self._interrupted_purge(lake),
        }

    def _interrupted_purge(self, lake: Lake) -> None:
        lake.dataset(self.name).purge(where=self.condition(PEOPLE[0]))

    def _snapshot(self, lake: Lake, **choice: Any) -> None:
        lake.dataset(self.name).snapshot(**choice)

    def _columns(self, lake: Lake) -> list[str]:
        """Added columns that there are by now."""
        return sorted(lake.dataset(self.name).state().columns)

    def _newest(self, lake: Lake) -> Snapshot:
        dataset = lake.dataset(self.name)
        return dataset.logged_snapshot(dataset.snapshots[-1]) if dataset.snapshots else dataset.snapshot()

    def _split(self, lake: Lake) -> None:
        column = "label" if self._kind.type_name in ("TABLE", "IMAGE_CLASS") else None
        lake.dataset(self.name).snapshot().split({"a": 0.5, "b": 0.5}, seed=1, stratify=column)

    def _alias(self, lake: Lake) -> None:
        self._newest(lake).alias("prod")

    def _pack(self, lake: Lake) -> None:
        snapshot = self._newest(lake)
        if snapshot.num_rows:
            snapshot.pack()

    def _materialise(self, snapshot: Snapshot) -> None:
        if snapshot.num_rows:
            snapshot.materialise()

    def _compact(self, lake: Lake) -> None:
        lake.dataset(self.name).compact(sizes=ContainerSizes(part_rows=7))

    def _delete_rows(self, lake: Lake) -> None:
        dataset = lake.dataset(self.name)
        ids = dataset.select().to_arrow(["_id"]).column(0).to_pylist()
        randomness = random.Random(f"{self._seed} delete {len(ids)}")
        if len(ids) > 2:
            dataset.delete_rows(keys=randomness.sample(ids, 2))

    def _delete_commit(self, lake: Lake) -> None:
        dataset = lake.dataset(self.name)
        shown = [commit.id for commit in dataset.log() if not commit.is_deleted][1:]
        if shown:
            dataset.delete_commit(random.Random(f"{self._seed} hide {len(shown)}").choice(shown))

    def add_column(self, lake: Lake, place: str) -> None:
        """A new version of a column, with values that name the persons; another place is another version."""
        dataset = lake.dataset(self.name)
        table = dataset.select().to_arrow(["_id", self._kind.marker])
        values = [self._value(text, place) for text in table.column(1).to_pylist()]
        dataset.add_columns(pa.table({"_id": table.column(0), "note": values}), replace=True)

    def _value(self, text: str | None, place: str) -> str:
        person = self._person_in(text)
        return f"a {place}" if person is None else self.planter.text(person, place)

    def _person_in(self, text: str | None) -> str | None:
        return next((person for person in PEOPLE if text is not None and self.marker(person) in text), None)

    def _interrupted_function(self, lake: Lake) -> None:
        """Leaves finished chunks below derived/."""
        has_seen = False

        def name_person(rows: pa.Table) -> list[str]:
            nonlocal has_seen
            if has_seen:
                raise InterruptedError("the function gives up")
            values = [self._value(text, "value of a function") for text in rows.column(0).to_pylist()]
            has_seen = any(not value.startswith("a ") for value in values)
            return values

        with contextlib.suppress(InterruptedError):
            lake.dataset(self.name).add_columns(
                name_person, name="named", columns=[self._kind.marker], version=str(self._num_commits), chunk_rows=2
            )

    def _litter(self, lake: Lake) -> None:
        """A commit whose claim fails leaves objects that nothing refers to."""

        def refuse(point: str) -> None:
            if point == "before put_new dataset log":
                raise Unavailable("no claims today")

        with contextlib.suppress(Unavailable):
            self.commit(Lake(SteppedStore(lake.store, refuse, kinds=KindInHand())), PEOPLE[:1], source=0)
        self._num_commits += 1

    def _leave_index(self, lake: Lake) -> None:
        """What an adoption that was interrupted after a second of reading leaves: small files, compressed."""
        text = " ".join(self.planter.text(person, "small file of a shard") for person in PEOPLE)
        lake.store.put(f"derived/adopt/{token(text)}", pa.compress(text.encode() * 9, codec="zstd", asbytes=True))

    def _record_run(self, lake: Lake) -> None:
        lake.record_run(self._newest(lake), name="run", metrics={"accuracy": 0.5})

    def _collect(self, lake: Lake, grace_seconds: float) -> None:
        lake.gc(grace_seconds=grace_seconds)
