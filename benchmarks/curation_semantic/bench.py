"""How many embeddings of 1,536 dimensions a second, by k-means and cosines in its cells? See README.md."""

from __future__ import annotations

import importlib.util
import os
import sys

from benchmarks.curation_merge.measured_run import run_in_tree
from benchmarks.measurement import Bar, Outcome, Timing, hardware, report, versions

QUESTION = "Clusters of embeddings of 1,536 dimensions: k-means and cosines in its cells"
_OURS = "BLAS on the CPU"
_TORCH = "torch on the CPU"
_GPU = "torch on a GPU"
_VECTORS_A_SECOND = 25_000.0  # on a GPU
_TIMEOUT_SECONDS = 1_800.0


def main() -> Outcome:
    """Run the race and print it; `CURATION_SEMANTIC_ROWS`, `_GPU_ROWS` and `_REPETITIONS` shorten it.

    The bar is judged where there is a GPU; elsewhere only the outcomes of both ways are compared.
    """
    machine = hardware()
    num_rows = int(os.environ.get("CURATION_SEMANTIC_ROWS", "20000"))
    gpu_rows = int(os.environ.get("CURATION_SEMANTIC_GPU_ROWS", "1000000"))
    repetitions = int(os.environ.get("CURATION_SEMANTIC_REPETITIONS", "3"))
    names = {_OURS: "blas"}
    if importlib.util.find_spec("torch") is not None:
        names[_TORCH] = "cpu"
    seconds: dict[str, list[float]] = {name: [] for name in names}
    digests: set[str] = set()
    facts: dict[str, str | int | float] = {"vectors": num_rows, "dimensions": 1_536}
    for _ in range(repetitions):
        for name, device in names.items():
            found = _measured(device, num_rows)
            seconds[name].append(float(found["seconds"]))
            digests.add(str(found["digest"]))
            facts["clusters"] = int(found["num_clusters"])
            facts[f"peak_mib_of_{device}"] = int(found["peak_bytes"]) >> 20
    if len(digests) != 1:
        raise RuntimeError("BLAS and torch do not find the same clusters")
    timings = {name: Timing(name, values) for name, values in seconds.items()}
    for name, timing in timings.items():
        facts[f"vectors_a_second_by_{name.replace(' ', '_')}"] = round(num_rows / timing.median)
    bars = []
    if _has_gpu():
        small = _measured("cuda", num_rows)
        if small["digest"] not in digests:
            raise RuntimeError("the GPU does not find the clusters that the CPU finds")
        measured = [_measured("cuda", gpu_rows) for _ in range(repetitions)]
        rates = sorted(gpu_rows / float(each["seconds"]) for each in measured)
        facts["vectors_on_the_gpu"] = gpu_rows
        facts["gpu"] = str(measured[0]["gpu"])
        bars.append(Bar("vectors a second on a GPU", rates[len(rates) // 2], _VECTORS_A_SECOND, "at least", ""))
    else:
        facts["gpu"] = "none here: not measured"
    return report(
        question=QUESTION,
        timings=timings,
        ours=_OURS,
        bars=bars,
        libraries=versions("headrace", "numpy", "torch"),
        machine=machine,
        facts=facts,
    )


def _has_gpu() -> bool:
    from headrace.curation.executor.gpus import visible_gpus

    return bool(visible_gpus()) and importlib.util.find_spec("torch") is not None


def _measured(device: str, num_rows: int) -> dict[str, str | float]:
    command = [sys.executable, "-m", "benchmarks.curation_semantic.contestant", device, str(num_rows)]
    answer: dict[str, str | float] = run_in_tree(command, timeout_seconds=_TIMEOUT_SECONDS).answer
    print(f"{device}, {num_rows:,} vectors: {answer['seconds']:.1f} s", file=sys.stderr)
    return answer


if __name__ == "__main__":
    main()
