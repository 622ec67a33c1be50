"""Each planted bug is found; one that is not shows a proof that proves nothing."""

from __future__ import annotations

from pathlib import Path

from proofs.order import killing, matrix, mixing, nodes, seeking
from proofs.order.variants import BUGS
from proofs.outcomes import CaseResult

__all__ = ["cases", "check", "notes", "skip_reason"]

_FOUND_BY = {
    "epoch_blind": matrix,
    "rank_in_seed": matrix,
    "shifted_placement": matrix,
    "unmarked_padding": matrix,
    "short_last_step": matrix,
    "counts_prefetched": matrix,
    "counts_too_few": killing,
    "forgets_segments": killing,
    "orphan": killing,
    "left_in_shm": killing,
    "starts_at_zero": seeking,
    "no_lanes": nodes,
    "no_shuffle": mixing,
}
_QUICK = ("epoch_blind", "shifted_placement", "counts_prefetched", "forgets_segments", "starts_at_zero")


def cases(*, is_full: bool) -> list[str]:
    """Bugs."""
    return list(_FOUND_BY) if is_full else list(_QUICK)


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Run the proof that should find it."""
    proof = _FOUND_BY[case]
    found = proof.check_planted(case, seed=seed).violations
    result = CaseResult(case, runs=1)
    for leftover in Path("/dev/shm").glob("headrace-planted-*"):  # of a rank that was killed before it told of its file
        leftover.unlink(missing_ok=True)
    name = proof.__name__.rpartition(".")[2]
    if found:
        result.count(f"{name} finds that {BUGS.get(case, case)}: {found[0].splitlines()[-1][:100]}")
    else:
        result.violations.append(f"{name} does not see that {BUGS.get(case, case)}")
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    return sorted(counts)
