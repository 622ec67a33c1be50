"""Damages stored objects, one at a time: flips a bit, cuts, zeroes, swaps two. Reading tells or gives what was written.

After each damage everything that a user can see is read, item by item, and compared with what was read before; then
`verify` must name the object. Lance and Delta get the same flips, as a comparison that is counted apart.

HEADRACE_PROOF_LAKE names a place where the damaged lake lies instead, such as `s3://bucket/folder`.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import random
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.datasets.lake import Lake
from headrace.datasets.manifests import document_key
from headrace.errors import DataCorrupted
from headrace.storage.local import LocalStore
from headrace.storage.memory import MemoryStore
from headrace.storage.opening import open_store
from headrace.storage.store import ObjectStore
from proofs.forking import Tell, in_child
from proofs.object_kinds import DERIVED_KINDS, kind_of
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder
from proofs.story import NAME, OPERATIONS, Scene, View, open_lake, play, rows_of

__all__ = ["Damage", "cases", "check", "check_variant", "notes", "skip_reason"]

_PLACE = "HEADRACE_PROOF_LAKE"
_STORY = (
    "create",
    "commit",
    "commit",
    "snapshot",
    "alias",
    "reach_checkpoint",
    "commit",
    "delete",
    "commit",
    "snapshot",
)
_FLIPS = {"full": 200, "quick": 16}
_OTHERS = {"full": 25, "quick": 3}
_BLOCKS = 4
_PEERS = ("lance", "deltalake")
_PEER_FLIPS = {"full": 200, "quick": 10}

Damage = Callable[[dict[str, bytes], random.Random], tuple[str, bytes]]
"""Chooses an object and what becomes of its bytes."""


def cases(*, is_full: bool) -> list[str]:
    """`damage/size/block`, and `peer/name/size`."""
    size = "full" if is_full else "quick"
    num_blocks = _BLOCKS if is_full else 1
    ours = [f"{damage}/{size}/{block}" for block in range(num_blocks) for damage in _DAMAGES]
    return ours + [f"peer/{peer}/{size}" for peer in _PEERS if is_full and _interpreter_with(peer)]


def skip_reason() -> str | None:
    """None: the comparison alone may be missing."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Do one kind of damage at many places."""
    if case.startswith("peer/"):
        return _check_peer(case, seed=seed)
    return check_variant(case, seed=seed, damage=_DAMAGES[case.partition("/")[0]])


def check_variant(case: str, *, seed: int, damage: Damage) -> CaseResult:
    """The same with another kind of damage."""
    name, size, block = case.split("/")
    result = CaseResult(case)
    total = (_FLIPS if name == "flip" else _OTHERS)[size]
    places = range(int(block), total, _BLOCKS) if size == "full" else range(total)

    def work(tell: Tell) -> None:
        contents, seen = _build()
        elsewhere = _copy_elsewhere(contents)
        for place in places:
            randomness = random.Random(f"{seed} {name} {place}")
            key, damaged = damage(contents, randomness)
            if damaged == contents[key]:
                continue
            if elsewhere is not None:
                elsewhere.put(key, damaged)
                problems, told = _judge(elsewhere, seen, key)
                elsewhere.put(key, contents[key])
            else:
                # On disk reading goes other ways than in memory: ranges, kept descriptors, memory maps.
                problems, told = _try_damage(contents, seen, key, damaged, is_on_disk=place % 2 == 1)
            tell(
                json.dumps(
                    [kind_of(key), told, [f"{key} ({kind_of(key)}), place {place}: {text}" for text in problems]]
                )
            )

    end = in_child(work, timeout_seconds=600)
    for kind, told, problems in map(json.loads, end.lines):
        result.runs += 1
        result.count(f"kind {kind}")
        result.count(told)
        result.violations.extend(problems)
    if end.failure:
        result.violations.append(end.failure)
    return result


def _build() -> tuple[dict[str, bytes], dict[str, Any]]:
    """The objects of a lake, and what a user sees in it."""
    store = MemoryStore("memory://bit-rot")
    store.clear()
    story = [name for name in _STORY if OPERATIONS[name].built()]
    lake = open_lake(store)
    play(lake, story, Scene("bit rot"), View())
    dataset = lake.dataset(NAME)
    lake.record_run(dataset.snapshot(), name="run", metrics={"accuracy": 0.5})
    keys = [row[0] for row in rows_of(dataset.select())]
    table = pa.table({"id": list(dict.fromkeys(keys)), "score": [float(idx) for idx in range(len(set(keys)))]})
    dataset.add_columns(table)
    dataset.snapshot().pack()
    dataset.purge(where="label = 'l2'")
    dataset.compact()
    lake.gc(grace_seconds=0)
    # What nobody refers to is nobody's to verify: the list of what that collection took.
    garbage = {dataset.base + document_key(item.condemned) for item in dataset.state().collections}
    contents = {stat.key: store.get(stat.key) for stat in store.list("") if stat.key not in garbage}
    return contents, {name: read() for name, read in _reads(open_lake(store)).items()}


def _copy_elsewhere(contents: dict[str, bytes]) -> ObjectStore | None:
    place = os.environ.get(_PLACE)
    if place is None:
        return None
    store = open_store(f"{place.rstrip('/')}/{secrets.token_hex(8)}")
    for key, content in contents.items():
        store.put(key, content)
    return store


def _reads(lake: Lake) -> dict[str, Callable[[], Any]]:
    """Everything that a user can look at, one thing a call."""

    def each_row(snapshot_id: str) -> Any:
        snapshot = lake.dataset(NAME).logged_snapshot(snapshot_id)
        return [(row["id"], row["label"], bytes(row["image"])) for row in snapshot.take([0, -1]).to_pylist()]

    return {
        "datasets": lambda: [dataset.to_json() for dataset in lake.datasets()],
        "commits": lambda: [commit.to_json() for commit in lake.dataset(NAME).log()],
        "sources": lambda: [repr(commit.sources) for commit in lake.dataset(NAME).log()],
        "statistics": lambda: [commit.statistics for commit in lake.dataset(NAME).log()],
        "rows": lambda: rows_of(lake.dataset(NAME).select()),
        "labels": lambda: lake.dataset(NAME).select().to_arrow(["id", "label"]).to_pylist(),
        "snapshots": lambda: [
            rows_of(lake.dataset(NAME).logged_snapshot(name)) for name in lake.dataset(NAME).snapshots
        ],
        "single rows": lambda: each_row(lake.dataset(NAME).snapshots[0]),
        "aliases": lambda: lake.dataset(NAME).aliases,
        "runs": lambda: [(run.name, run.snapshot_id) for run in lake.dataset(NAME).runs],
        "changes": lambda: lake.dataset(NAME).changes(since=1).to_json(),
        "added column": lambda: lake.dataset(NAME).select(columns=["id", "score"]).to_arrow().to_pylist(),
        "audit": lambda: [(entry.operation, entry.actor) for entry in lake.audit()],
    }


def _try_damage(
    contents: dict[str, bytes], seen: dict[str, Any], key: str, damaged: bytes, *, is_on_disk: bool
) -> tuple[list[str], str]:
    """What went wrong, and how the damage was told: "error", "warning" or "verify" alone."""
    changed = {**contents, key: damaged}
    if not is_on_disk:
        store = MemoryStore("memory://damaged")
        store.clear()
        for name, content in changed.items():
            store.put(name, content)
        return _judge(store, seen, key)
    with scratch_folder() as folder:
        for name, content in changed.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return _judge(LocalStore(folder), seen, key)


def _judge(store: ObjectStore, seen: dict[str, Any], key: str) -> tuple[list[str], str]:
    problems: list[str] = []
    errors = 0
    with _warnings() as warnings:
        for name, read in _reads(open_lake(store)).items():
            found, error = _try(read)
            if error is not None:
                errors += 1
                if key not in str(error):
                    problems.append(f"reading {name} blames another object: {error}")
            elif found != seen[name]:
                problems.append(f"SILENT: reading {name} gave something else than was written")
        report, error = _try(lambda: open_lake(store).verify())
    is_derived = kind_of(key) in DERIVED_KINDS
    if is_derived and errors:
        problems.append("the object is derived, and reading failed all the same")
    if error is None and (report.ok or not any(key in problem.message for problem in report.problems)):
        problems.append("verify does not name it")
    if error is not None and key not in str(error):
        problems.append(f"verify blames another object: {error}")
    return problems, "error" if errors else "warning" if warnings else "verify"


def _try(read: Callable[[], Any]) -> tuple[Any, DataCorrupted | None]:
    try:
        return read(), None
    except DataCorrupted as error:
        return None, error


class _warnings(logging.Handler):  # noqa: N801 - read as a statement
    """The warnings of the body."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __enter__(self) -> list[logging.LogRecord]:
        logging.disable(logging.NOTSET)
        logger = logging.getLogger("headrace")
        logger.addHandler(self)
        logger.propagate = False
        return self.records

    def __exit__(self, *error: object) -> None:
        logging.getLogger("headrace").removeHandler(self)
        logging.disable(logging.WARNING)


def _any_object(contents: dict[str, bytes], randomness: random.Random) -> str:
    """Each kind equally often, however many objects it has."""
    kinds: dict[str, list[str]] = {}
    for key in sorted(contents):
        kinds.setdefault(kind_of(key), []).append(key)
    return randomness.choice(kinds[randomness.choice(sorted(kinds))])


def _flip(contents: dict[str, bytes], randomness: random.Random) -> tuple[str, bytes]:
    key = _any_object(contents, randomness)
    changed = bytearray(contents[key])
    changed[randomness.randrange(len(changed))] ^= 1 << randomness.randrange(8)
    return key, bytes(changed)


def _cut(contents: dict[str, bytes], randomness: random.Random) -> tuple[str, bytes]:
    key = _any_object(contents, randomness)
    return key, contents[key][: randomness.randrange(len(contents[key]))]


def _zero(contents: dict[str, bytes], randomness: random.Random) -> tuple[str, bytes]:
    """From some byte on, as after a lost write."""
    key = _any_object(contents, randomness)
    start = randomness.choice((0, randomness.randrange(len(contents[key]))))
    return key, contents[key][:start] + bytes(len(contents[key]) - start)


def _swap(contents: dict[str, bytes], randomness: random.Random) -> tuple[str, bytes]:
    """Another whole object in its place, mostly one of the same kind."""
    key = _any_object(contents, randomness)
    same = [other for other in sorted(contents) if other != key and kind_of(other) == kind_of(key)]
    others = same if same and randomness.randrange(4) else [other for other in sorted(contents) if other != key]
    return key, contents[randomness.choice(others)]


_DAMAGES: dict[str, Damage] = {"flip": _flip, "cut": _cut, "zero": _zero, "swap": _swap}


def _interpreter_with(package: str) -> str | None:
    """A Python that has the package: this one, or that of the benchmarks."""
    if importlib.util.find_spec(package) is not None:
        return sys.executable
    bench = Path(__file__).resolve().parents[1] / ".venv-bench" / "bin" / "python"
    if not bench.exists():
        return None
    tried = subprocess.run([bench, "-c", f"import {package}"], capture_output=True, check=False)
    return str(bench) if tried.returncode == 0 else None


def _check_peer(case: str, *, seed: int) -> CaseResult:
    """Flips in another format's table; what it does not notice is counted, and is no violation of ours."""
    _, peer, size = case.split("/")
    result = CaseResult(case)
    interpreter = _interpreter_with(peer)
    if interpreter is None:
        return result
    script = Path(__file__).with_name("bit_rot_peers.py")
    with scratch_folder() as folder:
        command = [interpreter, str(script), peer, str(folder), str(seed), str(_PEER_FLIPS[size])]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if ran.returncode != 0:
        result.count(f"peer {peer} could not be measured")
        return result
    for answer, amount in json.loads(ran.stdout.splitlines()[-1]).items():
        result.count(f"peer {peer} {answer}", amount)
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """How damage was told, on what, and what others say to it."""
    kinds = ", ".join(f"{name[5:]} {amount:.0f}" for name, amount in sorted(counts.items()) if name.startswith("kind "))
    told = (
        f"{counts.get('error', 0):.0f} told by an error that names the object, {counts.get('warning', 0):.0f} derived "
        f"(warned, right data), {counts.get('verify', 0):.0f} in bytes that no read needs (verify names the object)"
    )
    lines = [told, f"damaged: {kinds}"]
    peers = [f"{name[5:]} {amount:.0f}" for name, amount in sorted(counts.items()) if name.startswith("peer ")]
    for peer in _PEERS:
        mine = [text.removeprefix(f"{peer} ") for text in peers if text.startswith(peer)]
        if mine:
            lines.append(f"the same flips in {peer}: {', '.join(mine)}")
        elif not _interpreter_with(peer):
            lines.append(f"{peer} is not installed, so it is not compared")
    return lines
