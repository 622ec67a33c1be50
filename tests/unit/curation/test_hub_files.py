"""Files of the hub, from a cache that the test lays out as the library does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.curation.hub_files import local_file
from headrace.errors import InvalidInput, NotFound

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(home: Path, *, repository: str = "größe-org/clip", commit: str = COMMIT, tag: str = "v1") -> None:
    """One file at one commit, which also has a tag."""
    folder = home / "hub" / f"models--{repository.replace('/', '--')}"
    place = folder / "snapshots" / commit / "onnx"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(b"weights")
    (folder / "refs").mkdir()
    (folder / "refs" / tag).write_text(commit)


def asked(home: Path, name: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the library reads HF_HOME when it is imported."""
    script = (
        "import sys; from headrace.curation.hub_files import local_file; "
        "from headrace.errors import HeadraceError\n"
        "try: print(local_file(sys.argv[1], operator='encode.image', setting='model').read_text())\n"
        "except HeadraceError as error: print(type(error).__name__, error.message)"
    )
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-c", script, name], env=environment, capture_output=True, text=True, check=True
    )


def test_file_in_the_cache_is_found_by_commit_and_tag(tmp_path: Path) -> None:
    cached(tmp_path, repository="acme/clip")
    for revision in (COMMIT, "v1"):
        assert asked(tmp_path, f"hf://acme/clip@{revision}/onnx/model.onnx").stdout == "weights\n"


def test_file_that_is_nowhere_is_told_with_what_to_do(tmp_path: Path) -> None:
    cached(tmp_path, repository="acme/clip")
    said = asked(tmp_path, f"hf://acme/clip@{COMMIT}/other.onnx").stdout
    assert said.startswith("NotFound encode.image: the file 'hf://acme/clip@")
    assert f"hf download acme/clip other.onnx --revision {COMMIT}" in said


def test_recipe_is_the_same_whether_its_model_lies_in_the_hub_or_in_a_folder(tmp_path: Path) -> None:
    cached(tmp_path, repository="acme/clip")
    (tmp_path / "copy.onnx").write_bytes(b"weights")
    (tmp_path / "other.onnx").write_bytes(b"other weights")
    script = (
        "import sys; from headrace.curation import Recipe, Stage\n"
        "for model in sys.argv[1:]:\n"
        "    settings = {'model': model, 'shape': [4], 'size': 8}\n"
        "    stage = Stage(name='clip', operator='encode.image', settings=settings)\n"
        "    outputs = {'o': {'stage': 'clip', 'dataset': 'd'}}\n"
        "    print(Recipe('r', sources={'p': 'p'}, stages=[stage], outputs=outputs).hash().digest)"
    )
    names = [f"hf://acme/clip@{COMMIT}/onnx/model.onnx", str(tmp_path / "copy.onnx"), str(tmp_path / "other.onnx")]
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *names], env=environment, capture_output=True, text=True, check=True
    )
    hub, copy, other = done.stdout.split()
    assert hub == copy
    assert hub != other


@pytest.mark.parametrize(
    "name", ["hf://acme/clip/model.onnx", "hf://clip@main/model.onnx", "hf://acme/clip@main", "hf://"]
)
def test_name_without_revision_or_file_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="expected hf://organisation/name@revision/file"):
        local_file(name, operator="encode.image", setting="model")


def test_path_stays_one(tmp_path: Path) -> None:
    assert local_file(str(tmp_path / "größe.onnx"), operator="x", setting="y") == tmp_path / "größe.onnx"
    assert not issubclass(NotFound, InvalidInput)
