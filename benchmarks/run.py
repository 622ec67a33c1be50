"""Run all benchmarks, or those named on the command line, and print one summary table at the end.

    python -m benchmarks.run [--record] [NAME ...]
    python -m benchmarks.run --curation [--quick] [--record] [NAME ...]

Results go to `.bench/results/NAME.json`. With `--record` they also become the answer in the benchmark's folder:
`results/latest.json` and the table in its README.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import sys
import time
from pathlib import Path

import headrace
from benchmarks.measurement import BENCH_ROOT, Outcome

BENCHMARKS = (
    "ingest_photos",
    "ingest_table",
    "take_random",
    "verify_overhead",
    "intent_demo",
    "snapshot_100",
    "open_dataset",
    "adopt_shards",
    "delete_rows",
    "purge_rows",
    "compact_commits",
    "add_column",
)
CURATION = (
    "curation_merge",
    "curation_ray",
    "curation_metrics",
    "curation_ledger",
    "curation_resume",
    "curation_minhash",
    "curation_hamming",
    "curation_semantic",
)
QUICK = {
    "CURATION_MERGE_ROWS": "100000",
    "CURATION_MERGE_REPETITIONS": "1",
    "CURATION_RAY_ROWS": "200000",
    "CURATION_RAY_REPETITIONS": "1",
    "CURATION_METRICS_PHOTOS": "500",
    "CURATION_METRICS_REPETITIONS": "1",
    "CURATION_RESUME_ROWS": "100000",
    "CURATION_RESUME_REPETITIONS": "1",
    "CURATION_MINHASH_ROWS": "20000",
    "CURATION_MINHASH_LARGE_ROWS": "50000",
    "CURATION_MINHASH_REPETITIONS": "1",
    "CURATION_HAMMING_ROWS": "100000",
    "CURATION_HAMMING_LARGE_ROWS": "300000",
    "CURATION_HAMMING_QUERIES": "2000",
    "CURATION_HAMMING_REPETITIONS": "1",
    "CURATION_SEMANTIC_ROWS": "4000",
    "CURATION_SEMANTIC_GPU_ROWS": "50000",
    "CURATION_SEMANTIC_REPETITIONS": "1",
}
"""Settings of the curation benchmarks for a look at the table: fixed costs count for too much in it."""
FOLDER = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """0 if every bar is met, 1 if one is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure Headrace and its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS + CURATION)}")
    parser.add_argument("--curation", action="store_true", help=f"by default {', '.join(CURATION)}")
    parser.add_argument("--quick", action="store_true", help="curation on smaller inputs, once; bars are not judged")
    parser.add_argument("--record", action="store_true", help="write the answer into the benchmark's folder")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in BENCHMARKS + CURATION]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS + CURATION)}")
    if chosen.quick:
        os.environ.update(QUICK)
    compile_headrace()
    started = time.perf_counter()
    outcomes: dict[str, Outcome] = {}
    for name in chosen.names or (CURATION if chosen.curation else BENCHMARKS):
        outcomes[name] = importlib.import_module(f"benchmarks.{name}.bench").main()
        save(name, outcomes[name], is_recorded=chosen.record)
    print(f"\nSummary ({time.perf_counter() - started:.0f} s)")
    for name, outcome in outcomes.items():
        for bar in outcome.bars:
            print(f"  {'met   ' if bar.is_met else 'MISSED'}  {name:16}  {bar.text}: {bar.amount}")
    return 0 if chosen.quick or all(outcome.is_met for outcome in outcomes.values()) else 1


def compile_headrace() -> None:
    """Bytecode as pip leaves it of the peers: this package is used where its sources lie, and who forbids Python to
    write bytecode would have each worker process compile them again."""
    compileall.compile_dir(Path(headrace.__file__).parent, quiet=1)


def save(name: str, outcome: Outcome, *, is_recorded: bool) -> None:
    """Write the result file, and with `is_recorded` the answer that the repository keeps."""
    text = json.dumps(outcome.document, indent=2) + "\n"
    scratch = BENCH_ROOT / "results"
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / f"{name}.json").write_text(text, encoding="utf-8")
    if not is_recorded:
        return
    folder = FOLDER / name
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / "latest.json").write_text(text, encoding="utf-8")
    readme = folder / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- answer -->\n")
    _, _, after = rest.partition("<!-- /answer -->")
    readme.write_text(f"{before}<!-- answer -->\n{answer(outcome)}<!-- /answer -->{after}", encoding="utf-8")


def answer(outcome: Outcome) -> str:
    """Machine, versions and table in Markdown."""
    machine, versions = outcome.document["machine"], outcome.document["versions"]
    if not isinstance(machine, dict) or not isinstance(versions, dict):
        raise TypeError("a result document holds machine and versions as objects")
    place = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['file_system']}"
    place += f", load {machine['load_before']} before"
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    table = "\n".join(outcome.table)
    return f"{place}; {libraries}.\nFigures: [results/latest.json](results/latest.json)\n\n```\n{table}\n```\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
