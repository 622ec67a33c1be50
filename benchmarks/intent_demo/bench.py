"""How long does the intent demo take, from nothing to a training view? See README.md."""

from __future__ import annotations

import csv
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions

QUESTION = "Intent demo: create a dataset, commit twice, snapshot by tag, write the training view"
OURS = "headrace (durable, versioned)"
SCRIPT = "a script without versions (csv module)"

NUM_LABELS = 151
SEED = 20261121
PARTS = (("part1.csv", 5_500, "aaa"), ("part2.csv", 7_600, "aaa"), ("part3.csv", 3_100, "bbb"))
VERBS = ["change", "transfer", "book", "order", "play", "spell", "list", "find", "cancel", "explain"]
THINGS = ["my balance", "a card", "the account", "a flight", "the weather", "a reminder", "this song", "that bill"]
PLACES = ["in spanish", "in italian", "today", "tomorrow, please", "on my phone", 'with the "new" one', "for me"]


@dataclass(frozen=True, slots=True)
class Part:
    file: Path
    tag: str


def write_parts(folder: Path) -> list[Part]:
    """Three CSV files with the row and label counts of the CLINC150 demo; some texts hold a comma or a quote."""
    folder.mkdir(parents=True)
    generator = random.Random(SEED)
    labels = [f"intent_{idx:03d}" for idx in range(NUM_LABELS)]
    parts: list[Part] = []
    for name, num_rows, tag in PARTS:
        with open(folder / name, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            for row in range(num_rows):
                text = f"how do i {generator.choice(VERBS)} {generator.choice(THINGS)} {generator.choice(PLACES)} {row}"
                writer.writerow([text, labels[row % NUM_LABELS]])
        parts.append(Part(folder / name, tag))
    return parts


def run_headrace(parts: list[Part], target: Path) -> None:
    first, *others = parts
    lake = headrace.connect(str(target / "lake"))
    dataset = lake.create_dataset("intents", type="TEXT_INTENT", source=str(first.file), tags={"category": first.tag})
    for part in others:
        dataset.commit(str(part.file), message="More training data", tags={"category": part.tag})
    snapshot = dataset.snapshot(tags={"category": "aaa"})
    snapshot.alias("train")
    snapshot.materialise(str(target / "view"))


def run_script(parts: list[Part], target: Path) -> None:
    """What one writes by hand: read, keep what has the tag, number the labels, write both files."""
    label_ids: dict[str, int] = {}
    view = target / "view"
    view.mkdir(parents=True)
    with open(view / "examples.csv", "w", encoding="utf-8", newline="") as examples:
        writer = csv.writer(examples, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for part in parts:
            with open(part.file, encoding="utf-8", newline="") as source:
                for text, labels in csv.reader(source):
                    if part.tag == "aaa":
                        ids = [label_ids.setdefault(label, len(label_ids) + 1) for label in labels.split(";")]
                        writer.writerow([text, ";".join(map(str, ids))])
    with open(view / "labels.csv", "w", encoding="utf-8", newline="") as labels_file:
        csv.writer(labels_file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            (idx, label) for label, idx in label_ids.items()
        )


def check_view(target: Path) -> None:
    """Both contestants must write the same two files."""
    expected = target.parent / "expected"
    if not expected.exists():
        shutil.copytree(target / "view", expected)
    for name in ("examples.csv", "labels.csv"):
        if (target / "view" / name).read_bytes() != (expected / name).read_bytes():
            raise RuntimeError(f"{name} differs between the contestants; see {target / 'view'} and {expected}")


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "intent_demo"
    shutil.rmtree(folder, ignore_errors=True)
    parts = write_parts(folder / "parts")
    target = folder / "target"

    def clean() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)

    timings = race(
        [
            Contestant(OURS, lambda: run_headrace(parts, target), prepare=clean, check=lambda _: check_view(target)),
            Contestant(SCRIPT, lambda: run_script(parts, target), prepare=clean, check=lambda _: check_view(target)),
        ]
    )
    shutil.rmtree(folder)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[Bar("the whole demo, under 1 s", timings[OURS].median, 1.0, "under", "s")],
        libraries=versions("headrace", "pyarrow", "blake3"),
        machine=machine,
        facts={"rows": sum(num_rows for _, num_rows, _ in PARTS), "labels": NUM_LABELS},
    )


if __name__ == "__main__":
    main()
