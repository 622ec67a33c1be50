"""A stream of a billion rows starts anywhere at once, and reads nothing that lies before."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import numpy as np

from headrace.streaming import ShuffleOptions, StreamingDataset
from headrace.streaming.order import Order
from proofs.forking import Tell, in_child
from proofs.order.streams import Told
from proofs.order.variants import make_loader
from proofs.order.virtual_rows import VirtualRows
from proofs.outcomes import CaseResult

__all__ = ["cases", "check", "check_planted", "notes", "skip_reason"]

NUM_ROWS = 1_000_000_000
_POSITION = 900_000_000
_BATCH = 1_024
_TRIALS = 9
_SECONDS = 0.050
_BYTES = 50_000_000
_STATE_BYTES = 4_096


def cases(*, is_full: bool) -> list[str]:
    """Modes of the order."""
    return ["block", "global", "lanes1"] if is_full else ["block", "global"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Seek, read three batches, look at the clock, the memory and what was read."""
    return _check(case, seed=seed, bug=None)


def check_planted(bug: str, *, seed: int) -> CaseResult:
    """The same with a planted bug."""
    return _check("block", seed=seed, bug=bug)


def _check(case: str, *, seed: int, bug: str | None) -> CaseResult:
    result = CaseResult(case)

    def work(tell: Tell) -> None:
        _stream(case, seed, bug, position=1_000_000)  # imports and first calls
        before = _resident()
        _reset_peak()
        first = _stream(case, seed, bug, position=_POSITION - 1)
        grown = _peak() - before
        trials = [_stream(case, seed, bug, position=_POSITION + trial * 1_000_003) for trial in range(_TRIALS)]
        seconds = [trial["seconds"] for trial in trials]
        problems = [problem for trial in (first, *trials) for problem in trial["problems"]]
        used = [trial["used"] for trial in trials]
        numbers = {
            "seconds": seconds,
            "used": used,
            "grown": grown,
            "problems": problems,
            "state_bytes": first["state_bytes"],
        }
        tell(json.dumps(numbers))

    end = in_child(work)
    if end.failure:
        result.violations.append(end.failure)
        return result
    found = json.loads(end.lines[-1])
    result.runs = len(found["seconds"]) + 1
    result.violations += found["problems"]
    fastest, median = min(found["seconds"]), statistics.median(found["seconds"])
    # Time on the clock or of the processor, which is what the clock shows where nothing else runs.
    if min(fastest, *found["used"]) > _SECONDS:
        result.violations.append(f"the first {_BATCH:,} ids took {fastest * 1e3:.0f} ms at best")
    if found["grown"] > _BYTES:
        result.violations.append(f"seeking took {found['grown'] / 1e6:.0f} MB")
    if found["state_bytes"] > _STATE_BYTES:
        result.violations.append(f"the state has {found['state_bytes']} bytes")
    result.count(f"{case} median ms", median * 1e3)
    result.count(f"{case} best ms", fastest * 1e3)
    result.count(f"{case} MB", found["grown"] / 1e6)
    result.count(f"{case} state bytes", found["state_bytes"])
    return result


def _stream(case: str, seed: int, bug: str | None, *, position: int) -> Told:
    """Resume there and take three batches; which rows were read, and how long the first took."""
    rows = VirtualRows(NUM_ROWS)
    shuffle = ShuffleOptions(
        seed=seed, mode="global" if case == "global" else "block", lanes=1 if case == "lanes1" else None
    )

    def opened(kind: type[StreamingDataset], more: int) -> StreamingDataset:
        return kind(rows, shuffle=shuffle.model_copy(update={"seed": seed + more}))

    with make_loader(
        bug, opened, global_batch_size=_BATCH, num_workers=2, workers="threads", rank=0, world_size=1
    ) as loader:
        state = loader.state_dict()
        state["segments"][-1]["to"] = position
        started, used = time.perf_counter(), time.process_time()
        loader.load_state_dict(state)
        batches = iter(loader)
        first = next(batches)["id"]
        seconds, used = time.perf_counter() - started, time.process_time() - used
        taken = [first, next(batches)["id"], next(batches)["id"]]
        document = loader.state_dict()
        batches.close()  # type: ignore[attr-defined]
    order = Order.from_json(document["segments"][-1]["order"])
    end = min(position + len(rows.rows_read), NUM_ROWS)
    allowed = order.ordinals(np.arange(position, end), epoch=0)
    problems = []
    if first.tolist() != allowed[:_BATCH].tolist() or np.concatenate(taken).tolist() != allowed[: 3 * _BATCH].tolist():
        problems.append("other ids than the order says")
    if sorted(rows.rows_read) != sorted(allowed.tolist()):
        problems.append(f"resumed at {position:,}, and rows were read that lie before it, or twice")
    return {"seconds": seconds, "used": used, "problems": problems, "state_bytes": len(json.dumps(document))}


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    names = sorted({name.split()[0] for name in counts})
    return [
        f"{name}: {NUM_ROWS:,} rows, from {_POSITION:,}: {_BATCH:,} ids in {counts[f'{name} median ms']:.1f} ms "
        f"(median of {_TRIALS}; best {counts[f'{name} best ms']:.1f}), {counts[f'{name} MB']:.1f} MB more memory, "
        f"state of {counts[f'{name} state bytes']:.0f} bytes; nothing before the position was read"
        for name in names
    ]
