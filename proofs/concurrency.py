"""Eight processes commit to one dataset, others snapshot, compact and collect garbage meanwhile; nobody is told of it.

HEADRACE_PROOF_LAKE names the place of the lake, such as `s3://bucket/folder` (credentials from the usual variables);
by default it is a folder of the local disk.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import headrace
from headrace.datasets.lake import Lake
from proofs.forking import ChildEnd, Tell, in_child, in_children
from proofs.outcomes import CaseResult
from proofs.story import NAME, OPERATIONS, Row, rows_of, source_of
from proofs.variants import SOUND, Variant

__all__ = ["cases", "check", "check_variant", "notes", "skip_reason"]

_PLACE = "HEADRACE_PROOF_LAKE"
_SIZES = {"full": (8, 50), "quick": (4, 6)}
"""Processes that commit, commits of each."""


def cases(*, is_full: bool) -> list[str]:
    """One; its processes are its own."""
    return ["full" if is_full else "quick"]


def skip_reason() -> str | None:
    """None: a local folder is always there."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Let them race."""
    return check_variant(case, seed=seed, variant=SOUND)


def check_variant(case: str, *, seed: int, variant: Variant) -> CaseResult:
    """The same with another store, on the local disk."""
    num_writers, num_commits = _SIZES[case]
    result = CaseResult(case)
    with _place() as uri:

        def connect() -> Lake:
            return Lake(variant.open(Path(uri))) if variant is not SOUND else headrace.connect(uri)

        _run(lambda tell: _create(connect()))
        over = (
            f"{uri}.over" if "://" not in uri else os.path.join(tempfile.gettempdir(), f"over-{secrets.token_hex(8)}")
        )
        others: list[Callable[[Tell], None]] = [lambda tell: _take_snapshots(connect(), tell, over)]
        if OPERATIONS["gc"].built():
            others.append(lambda tell: _repeat(lambda: connect().gc(dry_run=False, grace_seconds=600), over))
        if OPERATIONS["compact"].built():
            others.append(lambda tell: _repeat(lambda: connect().dataset(NAME).compact(), over))
        writers = [
            (lambda tell, writer=writer: _commit(connect(), tell, writer, num_commits)) for writer in range(num_writers)
        ]
        started = time.perf_counter()
        ends = in_children([*writers, *others], first=num_writers, then=lambda: Path(over).touch())
        seconds = time.perf_counter() - started
        Path(over).unlink(missing_ok=True)
        for end in ends:
            if end.failure or end.was_killed:
                result.violations.append(f"a user met an error: {end.failure or 'killed'}")
        checked = in_child(lambda tell: _check(connect(), tell, ends, num_writers, num_commits), timeout_seconds=300)
        result.violations.extend([*checked.lines, *([checked.failure] if checked.failure else [])])
    acknowledged = [line for end in ends[:num_writers] for line in end.lines]
    result.runs = len(acknowledged)
    result.count("acknowledged", len(acknowledged))
    result.count("commit seconds", seconds)
    result.count("processes", num_writers)
    result.count("snapshots", len(ends[num_writers].lines))
    result.count("others", len(others) - 1)
    return result


@contextmanager
def _place() -> Iterator[str]:
    place = os.environ.get(_PLACE)
    if place is not None:
        yield f"{place.rstrip('/')}/{secrets.token_hex(8)}"
        return
    with tempfile.TemporaryDirectory(prefix="headrace-proof-") as folder:
        yield f"{folder}/lake"


def _run(work: Callable[[Tell], None]) -> None:
    end = in_child(work)
    if end.failure:
        raise RuntimeError(end.failure)


def _create(lake: Lake) -> None:
    lake.create_dataset(NAME, type="IMAGE_CLASS")


def _row(writer: int, count: int) -> Row:
    label = (writer + count) % 3
    return f"{writer}-{count}", f"l{label}", 3 * (count % 8) + label


def _commit(lake: Lake, tell: Tell, writer: int, num_commits: int) -> None:
    dataset = lake.dataset(NAME)
    for count in range(num_commits):
        commit = dataset.commit(source_of((_row(writer, count),)), message=f"{writer}-{count}")
        tell(json.dumps([writer, count, commit.id]))


def _take_snapshots(lake: Lake, tell: Tell, over: str) -> None:
    """Logs a snapshot and reads it; the checker reads it again at the end."""
    while not os.path.exists(over):
        snapshot = lake.dataset(NAME).snapshot()
        tell(json.dumps([snapshot.id, [row[0] for row in rows_of(snapshot)]]))


def _repeat(work: Callable[[], object], over: str) -> None:
    while not os.path.exists(over):
        work()
        time.sleep(0.05)  # a pause between two rounds of maintenance, no wait for anything


def _check(lake: Lake, tell: Tell, ends: list[ChildEnd], num_writers: int, num_commits: int) -> None:
    dataset = lake.dataset(NAME)
    acknowledged = [json.loads(line) for end in ends[:num_writers] for line in end.lines]
    commits = {commit.id: commit.message for commit in dataset.log()}
    wanted = num_writers * num_commits
    if list(commits) != [str(number) for number in range(1, wanted + 1)]:
        tell(f"commits are not numbered 1 to {wanted}: {len(commits)} of them, such as {list(commits)[:5]}")
    for writer, count, commit_id in acknowledged:
        if commits.get(commit_id) != f"{writer}-{count}":
            tell(f"commit {commit_id} was acknowledged to {writer}-{count} and is {commits.get(commit_id)!r}")
    expected = Counter(_row(writer, count) for writer in range(num_writers) for count in range(num_commits))
    found = Counter(rows_of(dataset.select()))
    if found != expected:
        tell(f"{(expected - found).total()} rows are missing, {(found - expected).total()} are too many")
    for snapshot_id, names in dict(json.loads(line) for line in ends[num_writers].lines).items():
        if [row[0] for row in rows_of(dataset.logged_snapshot(snapshot_id))] != names:
            tell(f"snapshot {snapshot_id[:16]} changed after it was prepared")
    for problem in lake.verify().problems[:3]:
        tell(f"verify says: {problem.message}")


def notes(counts: dict[str, float]) -> list[str]:
    """How fast it went."""
    seconds = counts.get("commit seconds", 0) or 1
    num_commits = counts.get("acknowledged", 0)
    beside = f"{counts.get('snapshots', 0):.0f} snapshots and {counts.get('others', 0):.0f} processes of maintenance"
    rate = f"{num_commits:.0f} acknowledged commits in {seconds:.1f} s: {num_commits / seconds:.0f} commits/s"
    return [f"{counts.get('processes', 0):.0f} processes, {rate}, beside {beside}"]
