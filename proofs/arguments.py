"""What the command lines of proofs have in common: which proofs, how much, and with which seed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Chosen", "read_arguments"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be proved."""

    proofs: Sequence[str]
    is_full: bool
    seed: int
    num_workers: int
    case: str | None


def read_arguments(
    arguments: list[str], *, program: str, description: str, proofs: Sequence[str], full_takes: str
) -> Chosen:
    """Read the arguments; a wrong one ends the process with a message.

    Args:
        program: Module, such as "proofs.run".
        full_takes: How long `--full` takes, in words.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("proofs", nargs="*", metavar="PROOF", help=f"one of {', '.join(proofs)}; default all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help=f"everything: {full_takes} on two cores")
    size.add_argument("--quick", action="store_true", help="a sample of everything: seconds (the default)")
    parser.add_argument("--seed", type=int, default=None, help="the same seed does the same; default: a new one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at a time, each in a process")
    parser.add_argument("--case", help="only this case of the proof, as a violation names it")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.proofs if name not in proofs]
    if unknown:
        parser.error(f"no proof {', '.join(unknown)}; there are {', '.join(proofs)}")
    seed = int.from_bytes(os.urandom(4), "little") if chosen.seed is None else chosen.seed
    return Chosen(tuple(chosen.proofs) or tuple(proofs), chosen.full, seed, chosen.jobs, chosen.case)
