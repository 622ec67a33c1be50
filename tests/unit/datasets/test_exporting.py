"""Export formats are found by name."""

from __future__ import annotations

import pytest

from headrace.datasets.exporting import ExportFormat, export_format, export_formats
from headrace.errors import InvalidInput


def test_built_in_formats_are_found() -> None:
    assert {"parquet", "webdataset"} <= set(export_formats())
    assert export_formats() == sorted(set(export_formats()))
    for name in ("parquet", "webdataset"):
        found = export_format(name)
        assert isinstance(found, ExportFormat)
        assert found.name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("Parquet", "Did you mean 'parquet'"), ("zip", "Formats: parquet, webdataset")]
)
def test_unknown_format_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=hint):
        export_format(name)
