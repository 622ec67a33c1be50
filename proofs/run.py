"""Run the proofs and print one table; exit code 1 if anything is wrong.

python -m proofs.run [--full | --quick] [--seed N] [--jobs N] [--case CASE] [PROOF ...]
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
from typing import cast

from proofs.arguments import read_arguments
from proofs.forking import preload, run_cases
from proofs.outcomes import Outcome, Proof
from proofs.warm_up import warm_up

PROOFS = (
    "kill_matrix",
    "lost_writes",
    "store_simulation",
    "bit_rot",
    "concurrency",
    "opening",
    "purge_proof",
    "planted_bugs",
)
_SHOWN = 5  # violations of one proof


def main(arguments: list[str]) -> int:
    """0 if no proof found a violation, else 1."""
    chosen = read_arguments(
        arguments,
        program="proofs.run",
        description="Try to make a lake lose something.",
        proofs=PROOFS,
        full_takes="about a quarter of an hour",
    )
    logging.disable(logging.WARNING)  # what a damaged checkpoint says on every read
    preload(warm_up)
    outcomes = []
    for name in chosen.proofs:
        outcomes.append(
            prove(name, seed=chosen.seed, is_full=chosen.is_full, num_workers=chosen.num_workers, case=chosen.case)
        )
        _print_details(outcomes[-1], seed=chosen.seed)
    print(f"\n{'proof':18}{'runs':>10}{'violations':>12}{'seconds':>9}  seed {chosen.seed}")
    for outcome in outcomes:
        remark = f"  skipped: {outcome.skipped}" if outcome.skipped else ""
        print(f"{outcome.proof:18}{outcome.runs:>10,}{len(outcome.violations):>12}{outcome.seconds:>9.1f}{remark}")
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def prove(name: str, *, seed: int, is_full: bool, num_workers: int, case: str | None) -> Outcome:
    """Run one proof."""
    proof = cast(Proof, importlib.import_module(f"proofs.{name}"))
    outcome = Outcome(name, skipped=proof.skip_reason())
    started = time.perf_counter()
    if outcome.skipped is None:
        counts: dict[str, float] = {}
        cases = proof.cases(is_full=is_full) if case is None else [case]
        for result in run_cases(lambda case: proof.check(case, seed=seed), cases, num_workers=num_workers):
            outcome.runs += result.runs
            outcome.violations += [(result.case, text) for text in result.violations]
            for key, amount in result.counts.items():
                counts[key] = counts.get(key, 0) + amount
        outcome.notes = proof.notes(counts)
    outcome.seconds = time.perf_counter() - started
    return outcome


def _print_details(outcome: Outcome, *, seed: int) -> None:
    print(f"\n{outcome.proof}")
    for note in outcome.notes:
        print(f"  {note}")
    for case, text in outcome.violations[:_SHOWN]:
        print(f"  VIOLATION in {case}: {text}")
        print(f"    again: python -m proofs.run --seed {seed} --case {case} {outcome.proof}")
    if len(outcome.violations) > _SHOWN:
        print(f"  … and {len(outcome.violations) - _SHOWN} more")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
