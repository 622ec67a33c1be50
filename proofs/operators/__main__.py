"""Compare every built-in operator with its oracle; with `--write` note what came out in `evidence.json`.

python -m proofs.operators [--write] [--rows N] [--seed N] [OPERATOR ...]
"""

from __future__ import annotations

import argparse
import json
import sys

from proofs.operators.recording import EVIDENCE, record
from proofs.operators.running import COMPARISONS, run_comparison

SEED = 20261121


def main(arguments: list[str]) -> int:
    """0 if each operator keeps its tolerance, else 1."""
    parser = argparse.ArgumentParser(prog="python -m proofs.operators", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("operators", nargs="*", metavar="OPERATOR", help="default: all")
    parser.add_argument("--write", action="store_true", help=f"write {EVIDENCE.name}; needs all operators")
    parser.add_argument("--rows", type=int, default=None, help="rows for each; default: as recorded")
    parser.add_argument("--seed", type=int, default=SEED, help="of the generated rows")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.operators if name not in COMPARISONS]
    if unknown:
        parser.error(f"no comparison for {unknown[0]}; there are {', '.join(COMPARISONS)}")
    if chosen.write and (chosen.operators or chosen.rows):
        parser.error("--write takes all operators with all rows")
    results = []
    for name in chosen.operators or COMPARISONS:
        result = run_comparison(COMPARISONS[name], num_rows=chosen.rows, seed=chosen.seed)
        results.append(result)
        verdict = "" if result.is_kept else f"  TOO FAR, at most {result.tolerance:g}"
        print(f"{name:18} {result.num_rows:7,} rows  {result.difference:.3g} {result.unit}{verdict}", flush=True)
    is_kept = all(result.is_kept for result in results)
    if chosen.write and is_kept:
        EVIDENCE.write_text(json.dumps(record(results), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(EVIDENCE)
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
