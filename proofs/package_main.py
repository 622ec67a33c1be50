"""The command line of a folder of proofs: runs them and prints one table."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from proofs.arguments import read_arguments
from proofs.forking import preload
from proofs.outcomes import Outcome
from proofs.run import prove

__all__ = ["run_package"]

_SHOWN = 8  # cases of one proof that have violations


def run_package(
    package: str, proofs: Sequence[str], arguments: list[str], *, description: str, warm_up: Callable[[], None]
) -> int:
    """0 if no proof found a violation, else 1."""
    chosen = read_arguments(
        arguments, program=f"proofs.{package}", description=description, proofs=proofs, full_takes="minutes"
    )
    logging.disable(logging.WARNING)
    preload(warm_up)
    outcomes = []
    for name in chosen.proofs:
        outcomes.append(
            prove(
                f"{package}.{name}",
                seed=chosen.seed,
                is_full=chosen.is_full,
                num_workers=chosen.num_workers,
                case=chosen.case,
            )
        )
        _print_details(package, name, outcomes[-1], seed=chosen.seed)
    print(f"\n{'proof':18}{'runs':>10}{'violations':>12}{'seconds':>9}  seed {chosen.seed}")
    for outcome in outcomes:
        remark = f"  skipped: {outcome.skipped}" if outcome.skipped else ""
        name = outcome.proof.rpartition(".")[2]
        print(f"{name:18}{outcome.runs:>10,}{len(outcome.violations):>12}{outcome.seconds:>9.1f}{remark}")
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def _print_details(package: str, name: str, outcome: Outcome, *, seed: int) -> None:
    print(f"\n{name}")
    for note in outcome.notes:
        print(f"  {note}")
    first = dict(reversed(outcome.violations))  # of each case
    for case, text in list(first.items())[::-1][:_SHOWN]:
        count = sum(found == case for found, _ in outcome.violations)
        print(f"  VIOLATION in {case} (of {count} there): {text}")
        print(f"    again: .venv/bin/python -m proofs.{package} --seed {seed} --case {case} {name}")
    if len(first) > _SHOWN:
        print(f"  … and in {len(first) - _SHOWN} more cases")
    sys.stdout.flush()
