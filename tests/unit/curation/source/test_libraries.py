"""Versions of what brings a module."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from headrace.curation.source.libraries import LibraryVersions


@pytest.mark.parametrize(
    ("module", "distribution"),
    [("numpy", "numpy"), ("numpy.linalg", "numpy"), ("PIL.Image", "pillow"), ("ruamel.yaml", "ruamel.yaml")],
)
def test_module_leads_to_its_distribution(module: str, distribution: str) -> None:
    assert f"{distribution}=={version(distribution)}" in LibraryVersions().of(module)


def test_headrace_has_a_version_also_where_it_is_edited() -> None:
    assert LibraryVersions().of("headrace.errors") == (f"headrace=={version('headrace')}",)


def test_unknown_module_has_none() -> None:
    assert LibraryVersions().of("nothing_of_that_name") == ()


def test_every_distribution_that_brings_a_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("twin-a", "twin_b"):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (folder / "RECORD").write_text("shared_twin/__init__.py,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert LibraryVersions().of("shared_twin") == ("twin-a==1.0", "twin-b==1.0")
