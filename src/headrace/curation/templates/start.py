"""Writes a template into a folder: a recipe, and a lake with data that has every flaw the recipe looks for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from headrace.connecting import connect
from headrace.curation.templates.crawled_pictures import PLATFORMS, crawl_pictures
from headrace.curation.templates.photos import make_photos
from headrace.curation.templates.tickets import TICKET_SCHEMA, make_tickets
from headrace.curation.templates.word_tokenizer import write_word_tokenizer
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["TEMPLATES", "Template", "write_template"]


def _image_filter(folder: Path, lake: Lake) -> list[Path]:
    photos = folder / "photos"
    for place, content in make_photos():
        (photos / place).parent.mkdir(parents=True, exist_ok=True)
        (photos / place).write_bytes(content)
    lake.create_dataset("photos", type="IMAGE_CLASS", source=str(photos), message="Photos of the template")
    shutil.rmtree(photos)  # they are in the lake
    return []


def _multi_source_images(folder: Path, lake: Lake) -> list[Path]:
    crawled = crawl_pictures()
    for platform in PLATFORMS:
        rows = [picture.row for picture in crawled if picture.platform == platform]
        dataset = lake.create_dataset(platform, type="IMAGE_TEXT", description=f"Crawled from {platform}")
        dataset.commit(rows, message="First crawl")
    truth = folder / "truth.csv"
    lines = [f"{picture.row['id']},{picture.drawing}" for picture in crawled]
    truth.write_text("id,drawing\n" + "\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = folder / "tokenizer.json"
    write_word_tokenizer(tokenizer, sorted({str(tag) for picture in crawled for tag in picture.row["tags"] or ()}))
    encoder = folder / "encoder.onnx"
    encoder.write_bytes(_packaged("encoder.onnx"))
    return [truth, tokenizer, encoder]


def _three_layers(folder: Path, lake: Lake) -> list[Path]:
    lake.create_dataset("raw", type="TABLE", schema=TICKET_SCHEMA, key="id", source=make_tickets())
    return []


@dataclass(frozen=True, slots=True)
class Template:
    """A recipe and what it works on.

    Attributes:
        write_data: Fills a lake; gives the files that it writes beside it.
    """

    summary: str
    recipe: str
    write_data: Callable[[Path, Lake], list[Path]]


TEMPLATES = {
    "image-filter": Template(
        "Keep photos that can be decoded, are large and sharp enough, and come once.",
        "image_filter.yaml",
        _image_filter,
    ),
    "multi-source-images": Template(
        "Pictures of three platforms: one identity each, tags merged by trust, prompts and latents.",
        "multi_source_images.yaml",
        _multi_source_images,
    ),
    "three-layers": Template(
        "Tables in three layers: raw as it came, clean, and balanced for training.", "three_layers.yaml", _three_layers
    ),
}


def write_template(name: str, folder: Path) -> list[Path]:
    """Write the recipe and its lake; the files and folders that are there now.

    Raises:
        InvalidInput: There is no such template.
        AlreadyExists: The folder holds something.
    """
    template = TEMPLATES.get(name)
    if template is None:
        raise InvalidInput(f"there is no template {name!r}.{near_miss_or_known(name, TEMPLATES)}")
    if folder.exists() and any(folder.iterdir()):
        raise AlreadyExists(f"the folder {folder} is not empty; name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        written = template.write_data(folder, connect(folder / "lake"))
        recipe = folder / "recipe.yaml"
        recipe.write_bytes(_packaged(template.recipe))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [recipe, folder / "lake", *written]


def _packaged(name: str) -> bytes:
    return (files("headrace.curation.templates") / name).read_bytes()
