"""How long do near-duplicate pairs of 200,000 texts take by MinHash, against five libraries? See README.md."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.curation_merge.measured_run import run_in_tree
from benchmarks.measurement import BENCH_ROOT, Bar, Outcome, Timing, hardware, report, versions
from benchmarks.near_texts import make_texts

QUESTION = "Pairs of texts that agree in one of 32 bands of 4 of 128 MinHashes of 3 words"
OURS = "headrace"
_TIMEOUT_SECONDS = 1_800.0
_DATATROVE = "datatrove==0.10.1"
_LEAST_RECALL = 0.99
_SLOW = {"datasketch": 20_000}  # texts that these are asked for; their time grows with the number


def main() -> Outcome:
    """Run the race and print it; `CURATION_MINHASH_ROWS`, `_LARGE_ROWS`, `_PEERS`, `_REPETITIONS` shorten it."""
    machine = hardware()
    num_texts = int(os.environ.get("CURATION_MINHASH_ROWS", "200000"))
    large = int(os.environ.get("CURATION_MINHASH_LARGE_ROWS", "2000000"))
    repetitions = int(os.environ.get("CURATION_MINHASH_REPETITIONS", "3"))
    peers = os.environ.get("CURATION_MINHASH_PEERS", "daft,rensa,datasketch,datatrove").split(",")
    contestants = {OURS: sys.executable, **{peer: sys.executable for peer in peers if peer != "datatrove"}}
    datatrove = _datatrove_python() if "datatrove" in peers else None
    if datatrove is not None:
        contestants["datatrove"] = datatrove
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    facts: dict[str, str | int | float] = {"texts": num_texts}
    names = list(contestants)
    for round_idx in range(repetitions):
        turn = round_idx % len(names)
        for name in [*names[turn:], *names[:turn]]:
            asked = min(_SLOW.get(name, num_texts), num_texts)
            found = _measured(contestants[name], name, asked)
            seconds[name].append(found["seconds"] * num_texts / asked)
            facts[f"recall_of_{name}"] = round(found["recall"], 4)
            facts[f"pairs_of_{name}"] = int(found["pairs"])
            facts[f"processor_seconds_of_{name}"] = round(found["processor_seconds"], 1)
            facts[f"peak_mib_of_{name}"] = int(found["peak_bytes"]) >> 20
            if asked != num_texts:
                facts[f"texts_given_to_{name}_and_scaled"] = asked
            if found["recall"] < _LEAST_RECALL:
                raise RuntimeError(f"{name} found {found['recall']:.3f} of the true pairs; that is not the same work")
    timings = {name: Timing(name, values) for name, values in seconds.items()}
    ours = timings[OURS].median
    bars = [
        Bar("time against Daft's kernel and banding, not slower", ours / timings["daft"].median, 1.0, "at most", "x")
    ]
    if datatrove is not None:
        bars.append(Bar("times as fast as datatrove", timings["datatrove"].median / ours, 3.0, "at least", "x"))
    for contestant in (OURS, "headrace_operator"):
        for count in (num_texts, large):
            found = _measured(sys.executable, contestant, count)
            facts[f"seconds_of_{contestant}_with_{count}_texts"] = round(found["seconds"], 1)
            facts[f"processor_seconds_of_{contestant}_with_{count}_texts"] = round(found["processor_seconds"], 1)
            facts[f"peak_mib_of_{contestant}_with_{count}_texts"] = int(found["peak_bytes"]) >> 20
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=bars,
        libraries={
            **versions("headrace", "numpy", "pyarrow", "daft", "rensa", "datasketch"),
            "datatrove": _DATATROVE.partition("==")[2] if datatrove else "absent",
        },
        machine=machine,
        facts=facts,
    )


def _measured(python: str, contestant: str, num_texts: int) -> dict[str, float]:
    folder = make_texts(num_texts)
    command = [python, "-m", "benchmarks.curation_minhash.contestant", contestant, str(folder), str(num_texts)]
    answer: dict[str, float] = run_in_tree(command, timeout_seconds=_TIMEOUT_SECONDS).answer
    print(
        f"{contestant}, {num_texts:,} texts: {answer['seconds']:.1f} s, recall {answer['recall']:.4f}", file=sys.stderr
    )
    return answer


def _datatrove_python() -> str | None:
    """An environment of its own, made once, because it wants other versions; None where it cannot be installed."""
    folder = BENCH_ROOT / "venv-datatrove"
    python = folder / "bin" / "python"
    stamp = folder / f".{_DATATROVE}"
    if not stamp.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            subprocess.run(
                [*pip, _DATATROVE, "pyarrow", "regex", "spacy", "tokenizers", "xxhash<4"],
                check=True,
                capture_output=True,
            )
        except subprocess.CalledProcessError as error:
            print(f"datatrove does not install: {error.stderr.decode(errors='replace')[-300:]}", file=sys.stderr)
            return None
        stamp.touch()
    return str(python)


if __name__ == "__main__":
    main()
