"""Single flipped bits in a table of another format: `python bit_rot_peers.py lance|deltalake FOLDER SEED COUNT`.

Runs alone, in whatever Python has the library, so it imports nothing of ours. Another process reads, because a
damaged file may end it.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

_ROWS = 60


def main(arguments: list[str]) -> int:
    """Print how often which answer came."""
    peer, folder, seed, count = arguments[0], Path(arguments[1]), arguments[2], int(arguments[3])
    table = folder / "table"
    randomness = random.Random(f"{seed} {peer}")
    _write(peer, str(table), randomness)
    files = sorted(path for path in table.rglob("*") if path.is_file() and path.stat().st_size)
    reader = _Reader(peer)
    expected = reader.digest(table)
    answers: Counter[str] = Counter()
    for place in range(count):
        copy = folder / f"copy{place}"  # libraries keep what they know of a path
        shutil.copytree(table, copy)
        path = copy / randomness.choice(files).relative_to(table)
        data = bytearray(path.read_bytes())
        data[randomness.randrange(len(data))] ^= 1 << randomness.randrange(8)
        path.write_bytes(data)
        found = reader.digest(copy)
        is_same = found == expected
        answers["not needed" if is_same else found if found in ("error", "died") else "SILENT"] += 1
        shutil.rmtree(copy)
    print(json.dumps(answers))
    return 0


def _write(peer: str, uri: str, randomness: random.Random) -> None:
    for commit in range(2):
        table = pa.table(
            {
                "id": [f"{commit}-{idx}" for idx in range(_ROWS)],
                "label": [f"l{idx % 3}" for idx in range(_ROWS)],
                "image": pa.array([randomness.randbytes(500) for _ in range(_ROWS)], pa.binary()),
            }
        )
        if peer == "lance":
            import lance

            lance.write_dataset(table, uri, mode="append" if commit else "create")
        else:
            import deltalake

            deltalake.write_deltalake(uri, table, mode="append")


def _read(peer: str, uri: str) -> list[dict[str, Any]]:
    if peer == "lance":
        import lance

        table = lance.dataset(uri).to_table()
    else:
        import deltalake

        table = deltalake.DeltaTable(uri).to_pyarrow_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return sorted(rows, key=lambda row: str(row["id"]))


class _Reader:
    """A process that reads tables; a damaged file may end it, then the next one gets another."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._process: subprocess.Popen[str] | None = None

    def digest(self, table: Path) -> str:
        """A digest of all rows, "error", or "died"."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--read", self._peer],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the reader has no pipes")
        process.stdin.write(f"{table}\n")
        process.stdin.flush()
        answer = process.stdout.readline().strip()
        if not answer:
            process.wait(30)
            self._process = None
        return answer or "died"


def read_tables(peer: str) -> int:
    """Print a digest of the rows, or "error", for each path of a table on standard input."""
    for line in sys.stdin:
        try:
            answer = hashlib.sha256(repr(_read(peer, line.strip())).encode()).hexdigest()
        except BaseException:  # noqa: BLE001 - any error is the right answer here; a panic of Rust is no Exception
            answer = "error"
        print(answer, flush=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--read":
        sys.exit(read_tables(sys.argv[2]))
    sys.exit(main(sys.argv[1:]))
