"""What the library gives back has a table for notebooks, with user text escaped."""

from __future__ import annotations

from pathlib import Path

import headrace


def test_every_result_has_an_html_table(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("rows", type="TABLE", source=[{"a": "<b>"}], message="<script>")
    snapshot = dataset.snapshot()
    run = lake.record_run(snapshot, name="<run>", metrics={"accuracy": 0.5})
    results = [
        lake,
        dataset,
        dataset.log()[0],
        snapshot,
        snapshot.diff(snapshot),
        snapshot.materialise(str(tmp_path / "view")),
        snapshot.lineage(),
        lake.lineage(snapshot[0]["_id"])[0],
        run,
        lake.verify(),
        lake.audit()[0],
    ]
    for result in results:
        html = getattr(result, "_repr_html_")()  # noqa: B009 - the results share no class
        assert html.startswith("<table>"), type(result)
        assert "<script>" not in html
        assert "<run>" not in html
