"""New pictures are compared with old ones whose files are gone: a table of what was seen is all that is needed.

Deliveries come one after another. Each run reads the delivery and the identities that the run before gave, never an
older delivery, and before it starts the media of all older ones are deleted from the disk. At the end the ids must be
those of one run over all.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import headrace
from headrace.curation import Recipe
from headrace.curation.identity.thumbnails import THUMBNAIL_TYPE
from headrace.datasets.lake import Lake
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder
from proofs.truth.pictures import files_of

_RECIPE = """
recipe: identities
sources: {new: NEW, seen: SEEN}
stages:
  - name: measured
    operators: [image.phash, image.thumbnail]
    input: new
  - name: all
    sql: |
      SELECT _id, id, hex(image.digest) AS content, phash, thumbnail, NULL::VARCHAR AS known FROM measured
      UNION ALL BY NAME
      SELECT _id, id, content, phash, thumbnail, identity AS known FROM seen
    inputs: {measured: measured, seen: seen}
    key: [id]
  - name: found
    operator: identity.assign
    settings: {content: content, phash: phash, radius: 10, thumbnail: thumbnail, known: known}
  - name: named
    sql: SELECT id, content, phash, thumbnail, item_id, identity_id AS identity FROM found
    inputs: {found: found}
    key: [id]
outputs:
  identities: {stage: named, dataset: NAMED}
"""
_SEEN = pa.schema(
    [
        ("id", pa.string()),
        ("content", pa.string()),
        ("phash", pa.uint64()),
        ("thumbnail", THUMBNAIL_TYPE),
        ("item_id", pa.string()),
        ("identity", pa.string()),
    ]
)


def cases(*, is_full: bool) -> list[str]:
    """Drawings and deliveries."""
    return ["60/3"] if is_full else ["8/2"]


def skip_reason() -> str | None:
    """Runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Take in the deliveries one by one, and all at once."""
    result = CaseResult(case)
    num_drawings, num_deliveries = (int(part) for part in case.split("/"))
    drawn = seed % 100_000
    random = np.random.default_rng([seed, 10])
    files = [file for file in files_of(num_drawings, seed=drawn) if file.platform != "pixiv"]  # cuts ask for embeddings
    rows = [{"id": f"{idx:05d}", "image": file.data(seed=drawn), "text": ""} for idx, file in enumerate(files)]
    delivery = random.integers(0, num_deliveries, len(rows))
    with scratch_folder() as folder:
        whole = _lake(folder / "whole")
        whole.create_dataset("all", type="IMAGE_TEXT", source=rows)
        wanted, _ = _run(whole, folder / "whole", "all", 0)
        _lake(folder / "parts")
        given: dict[str, str] = {}
        aliases: dict[str, str] = {}  # every id that was ever given, and the identity that it is now
        for number in range(num_deliveries):
            lake = headrace.connect(str(folder / "parts"))  # a new one, from which nothing is remembered
            part = [row for row, of in zip(rows, delivery.tolist()) if of == number]
            lake.create_dataset(f"d{number}", type="IMAGE_TEXT", source=part)
            found, aliases = _run(lake, folder / "parts", f"d{number}", number)
            given = {**found, **given}
            result.runs += 1
            result.count("files deleted before the next delivery came", _delete_media(folder / "parts"))
    if found != wanted:
        result.violations.append(f"{sum(found[row] != wanted[row] for row in wanted)} rows have other ids than at once")
    lost = [row for row, identity in given.items() if aliases.get(identity) != wanted[row]]
    if lost:
        result.violations.append(f"the first id of {len(lost)} rows leads to another identity, such as of {lost[0]}")
    result.count("rows", len(rows))
    result.count("identities", len(set(wanted.values())))
    result.count("rows whose first id is an alias now", sum(wanted[row] != identity for row, identity in given.items()))
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """What was there."""
    return [f"{name}: {value:,.0f}" for name, value in counts.items()]


def _lake(folder: Path) -> Lake:
    lake = headrace.connect(str(folder))
    lake.create_dataset("seen0", type="TABLE", schema=_SEEN, key="id")
    return lake


def _run(lake: Lake, folder: Path, new: str, number: int) -> tuple[dict[str, str], dict[str, str]]:
    """(identity of each row seen so far, by its id; the same by its item's id)"""
    text = _RECIPE.replace("NEW", new).replace("SEEN", f"seen{number}")
    text = text.replace("NAMED", f"seen{number + 1}")
    recipe = folder.parent / f"{folder.name}-{number}.yaml"
    recipe.write_text(text)
    run = Recipe.load(str(recipe)).plan(lake).run()
    found: list[dict[str, Any]] = run.outputs["identities"].to_arrow().to_pylist()
    return {row["id"]: row["identity"] for row in found}, {row["item_id"]: row["identity"] for row in found}


def _delete_media(folder: Path) -> int:
    """Remove the files that hold the pictures of a delivery, and what runs kept; how many there were."""
    shutil.rmtree(folder / "derived", ignore_errors=True)
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix == ".tar"]
    for file in files:
        file.unlink()
    return len(files)
