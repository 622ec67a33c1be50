"""Run the proofs of the order and print one table; exit code 1 if anything is wrong.

python -m proofs.order [--full | --quick] [--seed N] [--jobs N] [--case CASE] [PROOF ...]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from proofs.forking import preload
from proofs.order.streams import warm_up
from proofs.outcomes import Outcome
from proofs.run import prove

PROOFS = ("matrix", "seeking", "killing", "nodes", "mixing", "gloo", "planted")
_SHOWN = 8  # cases of one proof that have violations


def main(arguments: list[str]) -> int:
    """0 if no proof found a violation, else 1."""
    parser = argparse.ArgumentParser(prog="python -m proofs.order", description="Try to make a stream lose a sample.")
    parser.add_argument("proofs", nargs="*", metavar="PROOF", help=f"one of {', '.join(PROOFS)}; default all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="everything: about ten minutes on two cores")
    size.add_argument("--quick", action="store_true", help="a sample of everything: seconds (the default)")
    parser.add_argument("--seed", type=int, default=None, help="the same seed does the same; default: a new one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at a time")
    parser.add_argument("--case", help="only this case of the proof, as a violation names it")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.proofs if name not in PROOFS]
    if unknown:
        parser.error(f"no proof {', '.join(unknown)}; there are {', '.join(PROOFS)}")
    seed = int.from_bytes(os.urandom(4), "little") if chosen.seed is None else chosen.seed
    logging.disable(logging.WARNING)
    preload(warm_up)
    outcomes = []
    for name in chosen.proofs or PROOFS:
        outcomes.append(
            prove(f"order.{name}", seed=seed, is_full=chosen.full, num_workers=chosen.jobs, case=chosen.case)
        )
        _print_details(name, outcomes[-1], seed=seed)
    print(f"\n{'proof':18}{'runs':>10}{'violations':>12}{'seconds':>9}  seed {seed}")
    for outcome in outcomes:
        remark = f"  skipped: {outcome.skipped}" if outcome.skipped else ""
        name = outcome.proof.rpartition(".")[2]
        print(f"{name:18}{outcome.runs:>10,}{len(outcome.violations):>12}{outcome.seconds:>9.1f}{remark}")
    return 0 if all(outcome.is_clean for outcome in outcomes) else 1


def _print_details(name: str, outcome: Outcome, *, seed: int) -> None:
    print(f"\n{name}")
    for note in outcome.notes:
        print(f"  {note}")
    first = dict(reversed(outcome.violations))  # of each case
    for case, text in list(first.items())[::-1][:_SHOWN]:
        count = sum(name == case for name, _ in outcome.violations)
        print(f"  VIOLATION in {case} (of {count} there): {text}")
        print(f"    again: .venv/bin/python -m proofs.order --seed {seed} --case {case} {name}")
    if len(first) > _SHOWN:
        print(f"  … and in {len(first) - _SHOWN} more cases")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
