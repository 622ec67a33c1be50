"""`headrace stream bench`: the figures of a loader, from before the snapshot is opened."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from headrace.cli.main import cli
from tests.stream_lakes import small_dataset


def test_bench_counts_the_opening_and_names_what_was_waited_for(tmp_path: Path) -> None:
    small_dataset(tmp_path)
    options = ["--seconds", "0.1", "--where", "n > 5", "--epoch", "1", "--json"]
    result = CliRunner().invoke(cli, ["stream", "bench", f"{tmp_path}/lake::numbers", *options])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["waits"]["start"] > 0  # of every epoch that 0.1 s held
    assert document["first_batch_seconds"] > 0
    assert document["bottleneck"] in {*document["waits"], "consumer"}
    plain = CliRunner().invoke(cli, ["stream", "bench", f"{tmp_path}/lake::numbers", "--seconds", "0.1"])
    assert "hand over" in plain.stdout
