"""Run the proofs of the order and print one table; exit code 1 if anything is wrong.

python -m proofs.order [--full | --quick] [--seed N] [--jobs N] [--case CASE] [PROOF ...]
"""

from __future__ import annotations

import sys

from proofs.order.streams import warm_up
from proofs.package_main import run_package

PROOFS = ("matrix", "seeking", "killing", "nodes", "mixing", "gloo", "planted")

if __name__ == "__main__":
    sys.exit(
        run_package("order", PROOFS, sys.argv[1:], description="Try to make a stream lose a sample.", warm_up=warm_up)
    )
