"""What does it cost to erase a thousandth of the rows for ever? Against Lance, Delta and Iceberg; see README.md."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import deltalake
import lance
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import In

import headrace
from benchmarks.history import (
    NUM_ROWS,
    delta_history,
    headrace_history,
    history_batches,
    lance_history,
    num_bytes_on_disk,
)
from benchmarks.measurement import BENCH_ROOT, Contestant, Outcome, hardware, race, report, versions

QUESTION = f"Erase a thousandth of {NUM_ROWS:,} rows, one in each of 100 places, so that no byte of them is left"
OURS = "headrace purge + gc"
LANCE = "lance delete + compact + cleanup"
DELTA = "delta delete + vacuum"
ICEBERG = "iceberg delete + expire snapshots"

ERASED = list(range(500, NUM_ROWS, 1_000))
CONDITION = "id % 1000 = 500"
CANARIES = [f"person-{idx:06d}@".encode() for idx in ERASED[:5]]


def iceberg_catalog(folder: Path) -> SqlCatalog:
    folder.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")


def iceberg_history(folder: Path) -> None:
    catalog = iceberg_catalog(folder)
    catalog.create_namespace("n")
    table = catalog.create_table("n.rows", history_batches()[0].schema)
    for batch in history_batches():
        table.append(batch)


def purge_headrace(folder: Path) -> object:
    lake = headrace.connect(str(folder))
    report = lake.dataset("rows").purge(where=CONDITION)
    lake.gc()
    return report


def purge_lance(folder: Path) -> object:
    table = lance.dataset(str(folder))
    table.delete(CONDITION)
    table.optimize.compact_files(materialize_deletions=True, materialize_deletions_threshold=0.0)
    return table.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


def purge_delta(folder: Path) -> object:
    table = deltalake.DeltaTable(str(folder))
    table.delete(CONDITION)
    return table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def purge_iceberg(folder: Path) -> object:
    table = iceberg_catalog(folder).load_table("n.rows")
    table.delete(In("id", ERASED))
    current = table.current_snapshot()
    old = [item.snapshot_id for item in table.snapshots() if current is None or item.snapshot_id != current.snapshot_id]
    table.maintenance.expire_snapshots().by_ids(old).commit()
    return None


def num_old_versions(name: str, folder: Path) -> int:
    """Earlier states of the ten commits that can still be read."""
    match name:
        case "lake":
            dataset = headrace.connect(str(folder)).dataset("rows")
            return sum(dataset.select(upto=number).num_rows > 0 for number in range(1, 11))
        case "rows.lance":
            return sum(_is_readable(lambda number=number: _lance_rows(folder, number)) for number in range(1, 11))  # type: ignore[misc]
        case "rows.delta":
            return sum(_is_readable(lambda number=number: _delta_rows(folder, number)) for number in range(10))  # type: ignore[misc]
        case _:
            return len(iceberg_catalog(folder).load_table("n.rows").snapshots()) - 1


def _lance_rows(folder: Path, version: int) -> int:
    return int(lance.dataset(str(folder), version=version).to_table(columns=["id"]).num_rows)


def _delta_rows(folder: Path, version: int) -> int:
    return int(deltalake.DeltaTable(str(folder), version=version).to_pyarrow_table(columns=["id"]).num_rows)


def _is_readable(read: Callable[[], int]) -> bool:
    try:
        return read() > 0
    except Exception:  # noqa: BLE001 - each library has errors of its own for what is gone
        return False


def num_canaries(folder: Path) -> int:
    """How many of five erased texts are still in some file; Parquet and Lance files are read as tables too."""
    import pyarrow.parquet as pq

    found: set[bytes] = set()
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        content = file.read_bytes()
        found.update(canary for canary in CANARIES if canary in content)
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            texts = "\n".join(map(str, table.column("text").to_pylist())) if "text" in table.column_names else ""
            found.update(canary for canary in CANARIES if canary.decode() in texts)
    return len(found)


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "purge_rows"
    shutil.rmtree(folder, ignore_errors=True)
    pristine, work = folder / "pristine", folder / "work"
    builders: dict[str, Callable[[Path], object]] = {
        "lake": headrace_history,
        "rows.lance": lance_history,
        "rows.delta": delta_history,
    }
    for name, build in builders.items():
        build(pristine / name)
    purges: dict[str, tuple[str, Callable[[Path], object]]] = {
        OURS: ("lake", purge_headrace),
        LANCE: ("rows.lance", purge_lance),
        DELTA: ("rows.delta", purge_delta),
        ICEBERG: ("rows.iceberg", purge_iceberg),
    }
    written: dict[str, int] = {}
    facts: dict[str, str | int | float] = {"rows": NUM_ROWS, "erased": len(ERASED)}

    def contestant(label: str) -> Contestant:
        name, purge = purges[label]
        target = work / name
        before: dict[Path, int] = {}

        def prepare() -> None:
            shutil.rmtree(target, ignore_errors=True)
            if name in builders:
                shutil.copytree(pristine / name, target)
            else:  # holds absolute paths, so it cannot be copied
                iceberg_history(target)
            before.clear()
            before.update({file: file.stat().st_size for file in target.rglob("*") if file.is_file()})

        def check(_: object) -> None:
            new = [file for file in target.rglob("*") if file.is_file() and file not in before]
            written[label] = sum(file.stat().st_size for file in new)
            word = label.split()[0]
            facts[f"{word}_bytes_in_new_files"] = written[label]
            facts[f"{word}_erased_texts_found_of_5"] = num_canaries(target)
            facts[f"{word}_earlier_states_readable_of_10"] = num_old_versions(name, target)
            facts[f"{word}_bytes_on_disk"] = num_bytes_on_disk(target)

        return Contestant(label, lambda: purge(target), prepare=prepare, check=check)

    timings = race([contestant(label) for label in purges])
    if facts["headrace_erased_texts_found_of_5"]:
        raise RuntimeError("erased texts are still in the lake")
    if not headrace.connect(str(work / "lake")).verify().ok:
        raise RuntimeError("the lake does not verify after the purge")
    shutil.rmtree(folder)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[],
        libraries=versions("headrace", "pylance", "deltalake", "pyiceberg", "pyarrow"),
        machine=machine,
        facts=facts,
    )


if __name__ == "__main__":
    main()
