"""Uncompressed members of a zip are adopted in place; others are refused with a message that says so."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

import headrace
from headrace.errors import DataCorrupted, InvalidInput
from tests.generated_media import image_bytes

_IMAGES = {f"{label}/{idx}.png": image_bytes("PNG", shade=idx) for idx, label in enumerate(["cat", "dog", "cat"])}


def _zip(path: Path, compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in _IMAGES.items():
            archive.writestr(name, data)
    return path


def test_uncompressed_members_are_adopted_without_a_copy(tmp_path: Path) -> None:
    source = _zip(tmp_path / "pets.zip", zipfile.ZIP_STORED)
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("pets", type="IMAGE_CLASS", source=source, media="reference")
    rows = dataset.snapshot().to_arrow().to_pylist()
    assert {row["id"]: row["image"] for row in rows} == _IMAGES
    assert list((tmp_path / "lake").rglob("*.tar")) == []
    (found,) = lake.lineage(rows[0]["_id"])
    assert (found.media[0].is_adopted, found.media[0].container) == (True, source.as_uri())
    assert lake.verify().ok
    copied = lake.create_dataset("copied", type="IMAGE_CLASS", source=source)
    assert copied.log()[0].digest == dataset.log()[0].digest


def test_adopted_zip_that_changed_is_found(tmp_path: Path) -> None:
    source = _zip(tmp_path / "pets.zip", zipfile.ZIP_STORED)
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("pets", type="IMAGE_CLASS", source=source, media="reference")
    data = bytearray(source.read_bytes())
    data[data.index(_IMAGES["cat/0.png"]) + 60] ^= 1
    source.write_bytes(data)
    os.utime(source, ns=(1, 1))
    with pytest.raises(DataCorrupted, match="changed since"):
        dataset.snapshot().take([0])


def test_compressed_members_cannot_be_adopted(tmp_path: Path) -> None:
    source = _zip(tmp_path / "pets.zip", zipfile.ZIP_DEFLATED)
    lake = headrace.connect(tmp_path / "lake")
    with pytest.raises(InvalidInput, match=r"cat/0\.png cannot be adopted in place: its bytes are compressed"):
        lake.create_dataset("pets", type="IMAGE_CLASS", source=source, media="reference")


def test_encrypted_members_cannot_be_adopted(tmp_path: Path) -> None:
    source = _zip(tmp_path / "pets.zip", zipfile.ZIP_STORED)
    data = bytearray(source.read_bytes())
    for mark, position in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + position] |= 1
            at = data.find(mark, at + 1)
    source.write_bytes(data)
    lake = headrace.connect(tmp_path / "lake")
    with pytest.raises(InvalidInput, match="is encrypted; expected plain members"):
        lake.create_dataset("pets", type="IMAGE_CLASS", source=source, media="reference")
