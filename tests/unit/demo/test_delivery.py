"""The planted flaws are what the delivery says, and the same seed plants the same."""

from __future__ import annotations

import csv
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from headrace.datasets.probes.image_header import probe_image, verify_by_decoding
from headrace.demo.delivery import Delivery, deliver_digits, digit_number
from headrace.errors import InvalidInput, MissingExtra


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deliveries")


@pytest.fixture(scope="module")
def deliveries(root: Path) -> dict[str, Delivery]:
    return {delivery.collector: delivery for delivery in deliver_digits(root / "first")}


def test_delivery_zip_holds_intact_and_broken_files(deliveries: dict[str, Delivery]) -> None:
    ada = deliveries["ada"]
    with zipfile.ZipFile(ada.source) as archive:
        names = archive.namelist()
    assert len(names) == ada.num_samples
    assert set(ada.broken) <= set(names)
    intact = set(names) - set(ada.broken) - set(ada.blank)
    assert sorted(digit_number(name) for name in intact) == sorted(ada.digits)


def test_delivery_parquet_holds_intact_and_broken_rows(deliveries: dict[str, Delivery]) -> None:
    cleo = deliveries["cleo"]
    ids = pq.read_table(cleo.source).column("id").to_pylist()
    assert len(ids) == len(set(ids)) == cleo.num_samples
    assert {*cleo.broken, *cleo.damaged, *cleo.blank} <= set(ids)


def test_delivery_index_names_files_of_which_some_are_missing(deliveries: dict[str, Delivery]) -> None:
    ben = deliveries["ben"]
    with open(ben.source / "index.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    missing = {row["id"] for row in rows if not (ben.source / row["image"]).exists()}
    assert len(rows) == ben.num_samples
    assert missing < set(ben.broken)
    assert missing


def test_delivery_sources_overlap_and_cover_all_digits(deliveries: dict[str, Delivery]) -> None:
    numbers = {name: set(delivery.digits) for name, delivery in deliveries.items()}
    assert set.union(*numbers.values()) == set(range(1797))
    assert len(numbers["ada"] & numbers["cleo"]) == 680
    assert len(numbers["ada"] & numbers["ben"]) == 240
    assert len((numbers["cleo"] - numbers["ada"]) & numbers["ben"]) == 60


def test_delivery_damage_passes_the_header_and_only_decoding_finds_it(deliveries: dict[str, Delivery]) -> None:
    ben = deliveries["ben"]
    assert ben.damaged
    for name in ben.damaged:
        content = (ben.source / "images" / f"{name}.jpg").read_bytes()
        assert probe_image(content, name).format == "jpeg"
        with pytest.raises(InvalidInput, match="cannot be decoded"):
            verify_by_decoding(content, name)


def test_delivery_blank_scans_show_less_than_any_digit(deliveries: dict[str, Delivery]) -> None:
    ben = deliveries["ben"]
    files = {file.stem: file for file in (ben.source / "images").iterdir()}
    brightest = {name: brightest_pixel(file) for name, file in files.items() if name not in ben.broken}
    digits = {name: value for name, value in brightest.items() if name not in {*ben.blank, *ben.damaged}}
    assert len(ben.blank) == 10
    assert max(brightest[name] for name in ben.blank) < min(digits.values()) / 4


def brightest_pixel(file: Path) -> int:
    with Image.open(file) as image:
        return int(image.convert("L").getextrema()[1])  # type: ignore[arg-type]  # one pair, as there is one band


def test_delivery_wrong_labels_are_of_digits_that_were_delivered(deliveries: dict[str, Delivery]) -> None:
    for delivery in deliveries.values():
        assert delivery.wrong_labels
        assert set(delivery.wrong_labels) <= set(delivery.digits) == set(delivery.true_labels)
        assert all(label != delivery.true_labels[number] for number, label in delivery.wrong_labels.items())


def test_delivery_same_seed_writes_the_same_bytes(deliveries: dict[str, Delivery], root: Path) -> None:
    again = {delivery.collector: delivery for delivery in deliver_digits(root / "second")}
    for name, delivery in deliveries.items():
        assert contents(again[name].source) == contents(delivery.source)
        assert again[name].wrong_labels == delivery.wrong_labels


def contents(source: Path) -> dict[str, bytes]:
    files = [source] if source.is_file() else sorted(file for file in source.rglob("*") if file.is_file())
    return {str(file.relative_to(source)): file.read_bytes() for file in files}


def test_delivery_without_scikit_learn_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)  # importing it now fails
    with pytest.raises(MissingExtra, match=r"pip install 'headrace\[demo\]'"):
        deliver_digits(tmp_path / "deliveries")
    assert not (tmp_path / "deliveries").exists()


def test_digit_number_reads_the_end_of_the_name() -> None:
    assert digit_number("3/ada-0042.png") == 42
    assert digit_number("cleo-1299") == 1299
