"""Run the proofs of recipes and print one table; exit code 1 if anything is wrong.

python -m proofs.curation [--full | --quick] [--seed N] [--jobs N] [--case CASE] [PROOF ...]
"""

from __future__ import annotations

import sys

from proofs.curation.lakes import warm_up
from proofs.package_main import run_package

PROOFS = ("kills", "quarantine", "backfill", "cache_truth", "same_everywhere", "memory")

if __name__ == "__main__":
    sys.exit(
        run_package("curation", PROOFS, sys.argv[1:], description="Try to make a recipe lose a row.", warm_up=warm_up)
    )
