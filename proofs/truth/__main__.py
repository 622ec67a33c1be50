"""Run the comparisons with truth and print one table; exit code 1 if a bar is missed.

python -m proofs.truth [--full | --quick] [--seed N] [--jobs N] [--case CASE] [PROOF ...]
"""

from __future__ import annotations

import sys

from proofs.package_main import run_package
from proofs.truth.warm_up import warm_up

PROOFS = ("identity", "old_media", "near_duplicates", "prompts", "memory")

if __name__ == "__main__":
    sys.exit(
        run_package("truth", PROOFS, sys.argv[1:], description="Hold operators against the truth.", warm_up=warm_up)
    )
