"""Counts the requests that open a dataset of many commits, as they go over the wire to an S3 service.

HEADRACE_PROOF_LAKE names the place of the lake, such as `s3://bucket/folder` (address and credentials from the usual
variables, over http); by default it is a small service of this process.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pyarrow as pa

import headrace
from headrace.testing.s3_server import FaultyS3Server
from proofs.counting_relay import counting_relay
from proofs.forking import Tell, in_child
from proofs.outcomes import CaseResult

__all__ = ["cases", "check", "notes", "skip_reason"]

_PLACE = "HEADRACE_PROOF_LAKE"
_ENDPOINT = "AWS_ENDPOINT_URL"
_MOST_REQUESTS = 20
_OPENINGS = 9  # after as many commits in a row: checkpoints lie 8 entries apart, so the worst distance is among them
_SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


def cases(*, is_full: bool) -> list[str]:
    """Numbers of commits."""
    return ["10", "1000"] if is_full else ["10", "100"]


def skip_reason() -> str | None:
    """Why it cannot listen to what is sent to the place of the lake."""
    place = os.environ.get(_PLACE, "")
    is_plain = place.startswith("s3://") and os.environ.get(_ENDPOINT, "").startswith("http://")
    return None if not place or is_plain else f"{_PLACE} is no s3:// with an {_ENDPOINT} of http://"


def check(case: str, *, seed: int) -> CaseResult:
    """Commit, and open again and again."""
    result = CaseResult(case)
    end = in_child(lambda tell: _commit_and_open(tell, int(case)), timeout_seconds=600)
    if end.failure:
        result.violations.append(end.failure)
        return result
    opened = [json.loads(line) for line in end.lines]
    for num_commits, num_rows, requests, _ in opened:
        result.runs += 1
        if num_rows != num_commits:
            result.violations.append(f"{num_rows} rows after {num_commits} commits of one row")
        if not 0 < len(requests) <= _MOST_REQUESTS:
            result.violations.append(f"{len(requests)} requests open {num_commits} commits: {', '.join(requests)}")
    result.count(f"requests {case}", max(len(requests) for _, _, requests, _ in opened))
    result.count(f"seconds {case}", statistics.median(seconds for _, _, _, seconds in opened))
    return result


def _commit_and_open(tell: Tell, num_commits: int) -> None:
    with _place() as uri:
        writer = headrace.connect(uri).create_dataset("rows", schema=_SCHEMA)
        with counting_relay(os.environ[_ENDPOINT]) as relay:
            for number in range(1, num_commits + _OPENINGS):
                writer.commit(pa.table([[number], [f"row {number}"]], schema=_SCHEMA))
                if number < num_commits:
                    continue
                started = time.perf_counter()
                num_rows = _open(uri)
                seconds = time.perf_counter() - started
                with mock.patch.dict(os.environ, {_ENDPOINT: relay.endpoint}):
                    _open(uri)
                tell(json.dumps([number, num_rows, relay.take(), seconds]))


def _open(uri: str) -> int:
    dataset = headrace.connect(uri).dataset("rows")
    repr(dataset)
    return dataset.num_rows


@contextmanager
def _place() -> Iterator[str]:
    place = os.environ.get(_PLACE)
    if place is not None:
        yield f"{place.rstrip('/')}/{secrets.token_hex(8)}"
        return
    with FaultyS3Server("bucket").running() as server:
        variables = {
            _ENDPOINT: server.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }
        with mock.patch.dict(os.environ, variables):
            yield "s3://bucket/lake"


def notes(counts: dict[str, float]) -> list[str]:
    """What opening costs."""
    return [
        f"{int(name.removeprefix('requests ')):,} commits: at most {most:.0f} requests open them (limit "
        f"{_MOST_REQUESTS}), in {counts[name.replace('requests', 'seconds')] * 1000:.0f} ms (median of {_OPENINGS})"
        for name, most in counts.items()
        if name.startswith("requests ")
    ]
