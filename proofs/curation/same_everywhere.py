"""The same photos as loose files, in tars, in Parquet and behind an address: the same ids of inputs, the same results.

Tars and Parquet files are adopted where they lie, and nothing of them is copied into the lake.
"""

from __future__ import annotations

import functools
import io
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.input_ids import input_ids
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

_KINDS = ("folder", "adopted folder", "tar", "adopted tar", "zip of an address", "parquet", "adopted parquet")
_OUTPUTS = ("width", "height", "blur", "entropy", "phash")
_PHOTOS = 24


def cases(*, is_full: bool) -> list[str]:
    """All kinds against the first."""
    return ["photos"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Measure the photos in each form."""
    result = CaseResult(case)
    with scratch_folder() as folder:
        photos = _photos(seed)
        forms = _write_forms(folder, photos)
        server = _serve(folder)
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}/photos.zip"
            found = {kind: _measured(folder, kind, forms, address, result) for kind in _KINDS}
        finally:
            server.shutdown()
            server.server_close()
        for kind in _KINDS[1:]:
            if found[kind] != found[_KINDS[0]]:
                result.violations.append(f"{kind}: ids or values differ from those of the folder")
        result.runs = len(_KINDS)
    return result


def _measured(
    folder: Path, kind: str, forms: dict[str, str], address: str, result: CaseResult
) -> dict[str, tuple[object, ...]]:
    lake = headrace.connect(str(folder / "lakes" / kind.replace(" ", "-")))
    form = kind.removeprefix("adopted ")
    source = address if form == "zip of an address" else forms[form]
    media = "reference" if kind.startswith("adopted") else "copy"
    lake.create_dataset("photos", type="IMAGE_CLASS", source=source, media=media)
    if media == "reference" and any((folder / "lakes" / kind.replace(" ", "-")).rglob("*.tar")):
        result.violations.append(f"{kind}: bytes were copied into the lake")
    recipe = Recipe(
        "measure",
        sources={"photos": "photos"},
        stages=[Stage(name="measure", operators=["image.size", "image.blur", "image.entropy", "image.phash"])],
    )
    run = run_plan(recipe.plan(lake), options=RunOptions(workers=0))
    table = run.stages["measure"].to_arrow()
    ids = input_ids([table.column("image")], num_rows=table.num_rows)
    rows = table.select(["id", *_OUTPUTS]).to_pylist()
    keys = [Path(str(row["id"])).with_suffix("").as_posix() for row in rows]
    return {key: (ids[idx].tobytes(), *(rows[idx][name] for name in _OUTPUTS)) for idx, key in enumerate(keys)}


def _photos(seed: int) -> dict[str, bytes]:
    random = np.random.default_rng(seed)
    photos = {}
    for idx in range(_PHOTOS):
        sink = io.BytesIO()
        size = (int(random.integers(20, 80)), int(random.integers(20, 80)), 3)
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(sink, "JPEG", quality=80)
        photos[f"{'ab'[idx % 2]}/{idx:03d}.jpg"] = sink.getvalue()
    return photos


def _write_forms(folder: Path, photos: dict[str, bytes]) -> dict[str, str]:
    import zipfile

    loose = folder / "loose"
    with tarfile.open(folder / "photos.tar", "w") as tar, zipfile.ZipFile(folder / "photos.zip", "w") as packed:
        for name, data in photos.items():
            (loose / name).parent.mkdir(parents=True, exist_ok=True)
            (loose / name).write_bytes(data)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
            packed.writestr(name, data)
    table = pa.table(
        {"id": list(photos), "image": list(photos.values()), "label": [name[0] for name in photos]},
        schema=pa.schema([("id", pa.string()), ("image", pa.binary()), ("label", pa.string())]),
    )
    pq.write_table(table, folder / "photos.parquet", use_dictionary=False)
    return {"folder": str(loose), "tar": str(folder / "photos.tar"), "parquet": str(folder / "photos.parquet")}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _serve(folder: Path) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def notes(counts: dict[str, float]) -> list[str]:
    """Which forms."""
    return [", ".join(_KINDS)]
