"""Run all benchmarks, or those named on the command line, and print one summary table at the end."""

from __future__ import annotations

import importlib
import sys
import time

from benchmarks.measurement import Outcome

BENCHMARKS = ("ingest_photos", "take_random", "verify_overhead", "intent_demo", "snapshot_100")


def main(names: list[str]) -> int:
    """0 if every bar is met, 1 if one is missed, 2 for an unknown name."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    started = time.perf_counter()
    outcomes: dict[str, Outcome] = {}
    for name in names or BENCHMARKS:
        outcomes[name] = importlib.import_module(f"benchmarks.{name}.bench").main()
    print(f"\nSummary ({time.perf_counter() - started:.0f} s)")
    for name, outcome in outcomes.items():
        for bar in outcome.bars:
            print(f"  {'met   ' if bar.is_met else 'MISSED'}  {name:16}  {bar.text}: {bar.amount}")
    return 0 if all(outcome.is_met for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
