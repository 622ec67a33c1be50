"""`headrace demo`: three collectors' digits become a dataset, a snapshot, batches, a model, and the way back."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from headrace.demo.delivery import SEED, Delivery, deliver_digits, digit_number
from headrace.demo.steps import DemoStep, Emit, Figures, run_steps
from headrace.errors import AlreadyExists, DataCorrupted, HeadraceError
from headrace.storage.digests import digest_hex

if TYPE_CHECKING:
    from headrace.datasets.batches import RejectedRow
    from headrace.datasets.commit import Commit
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.lake import Lake
    from headrace.datasets.snapshot import Snapshot
    from headrace.demo.digit_classifier import DigitClassifier
    from headrace.streaming import DataLoader

__all__ = ["DigitsWorkspace", "digits_steps", "run_demo"]

DATASET = "digits"
DEFAULT_DIRECTORY = "headrace-demo"
BATCH_SIZE = 64
NUM_PASSES = 6


@dataclass(slots=True)
class DigitsWorkspace:
    """What the steps hand on to each other; a field is there once the step that fills it has run."""

    directory: Path
    emit: Emit
    program: str
    deliveries: list[Delivery] = field(init=False)
    lake: Lake = field(init=False)
    dataset: Dataset = field(init=False)
    commits: list[Commit] = field(init=False)
    first: Snapshot = field(init=False)
    train: Snapshot = field(init=False)
    holdout: Snapshot = field(init=False)
    train_split: Snapshot = field(init=False)
    validation_split: Snapshot = field(init=False)
    classifier: DigitClassifier = field(init=False)
    mistakes: list[Mistake] = field(init=False)  # on the held-out source
    metrics: dict[str, float] = field(init=False)
    traced_sample: str = field(init=False)  # _id

    def say(self, text: str) -> None:
        """One line below the heading of the step."""
        self.emit(f"    {text}")

    @property
    def lake_path(self) -> Path:
        """Where the lake lies."""
        return self.directory / "lake"

    def command(self, *words: str) -> str:
        """A command line that works when pasted."""
        return " ".join([self.program, *(shlex.quote(word) for word in words)])

    def reference(self, selection: str = "") -> str:
        """`LAKE::digits` and what follows."""
        return f"{self.lake_path}::{DATASET}{selection}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A sample of the held-out source on which label and model disagree."""

    sample_id: str  # _id
    name: str  # id column
    label: str
    predicted: str
    probability: float  # of the predicted label, 0 to 1
    digest: str  # BLAKE3 of the image as it was read, hex


def run_demo(
    directory: Path | None,
    *,
    emit: Emit,
    program: str = "headrace",
    clock: Callable[[], float] = time.perf_counter,
    steps: Sequence[DemoStep[DigitsWorkspace]] | None = None,
) -> Figures:
    """Run the demo and return all its figures as plain JSON values.

    Args:
        directory: Absent or empty; None takes `headrace-demo`, or `headrace-demo-2` and so on, in the working folder.
        emit: Gets the narration line by line, the first at once.
        program: How the caller started Headrace; the suggested commands begin with it.
        clock: Seconds, never going back.
        steps: Others than `digits_steps()`.

    Raises:
        AlreadyExists: The directory holds something.
        MissingExtra: scikit-learn is not installed.
    """
    started = clock()
    directory = _fresh_directory(directory)
    emit("Headrace demo: from three collectors' files to a model, and back to one file.")
    emit(f"Everything happens in {directory}; nothing is downloaded.")
    workspace = DigitsWorkspace(directory, emit, program)
    reports = run_steps(steps if steps is not None else digits_steps(), workspace, emit=emit, clock=clock)
    seconds = clock() - started
    late = [report.name for report in reports if not report.is_within_budget]
    commands = next_commands(workspace)
    emit("")
    emit(
        f"Done in {seconds:.1f} s"
        + (f"; over budget: {', '.join(late)}." if late else "; every step within its budget.")
    )
    emit("")
    emit("Next:")
    for purpose, command in commands:
        emit(f"  # {purpose}")
        emit(f"  {command}")
    return {
        "directory": str(directory),
        "lake": str(workspace.lake_path),
        "dataset": DATASET,
        "seed": SEED,
        "seconds": round(seconds, 3),
        "over_budget": late,
        "steps": [report.to_json() for report in reports],
        "next": [command for _, command in commands],
    }


def digits_steps() -> list[DemoStep[DigitsWorkspace]]:
    """The steps in order; a later part of the story inserts its own."""
    return [
        DemoStep("deliver", "Deliver: three collectors hand in handwritten digits", 15, _deliver),
        DemoStep("commit", "Commit: each delivery becomes an immutable, tagged commit", 5, _commit),
        DemoStep("statistics", "Look: what has arrived", 2, _show_statistics),
        DemoStep("snapshot", "Snapshot: name what is trained on and what is kept for judging", 2, _take_snapshots),
        DemoStep("diff", "Diff: what the second collector added", 2, _diff),
        DemoStep("split", "Split: training and validation by hash of the sample's id", 2, _split),
        DemoStep("read", "Stream: shuffled batches, the same for any number of ranks", 4, _read),
        DemoStep("train", "Train: killed in the middle of an epoch, resumed with other workers", 20, _train),
        DemoStep("trace", "Trace: one mistake back to the file that it came from", 3, _trace),
        DemoStep("verify", "Verify: the log and all stored bytes", 5, _verify),
    ]


def _fresh_directory(directory: Path | None) -> Path:
    if directory is None:
        number = 1
        while True:
            candidate = Path(DEFAULT_DIRECTORY if number == 1 else f"{DEFAULT_DIRECTORY}-{number}")
            if _is_free(candidate):
                return candidate
            number += 1
    if not _is_free(directory):
        raise AlreadyExists(
            f"{directory} is not empty; the demo writes into a folder of its own. "
            f"Name one that does not exist yet: headrace demo --dir {shlex.quote(str(directory) + '-2')}"
        )
    return directory


def _is_free(directory: Path) -> bool:
    return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))


def _deliver(work: DigitsWorkspace) -> Figures:
    work.deliveries = deliver_digits(work.directory / "deliveries")
    shapes = {"ada": "zip, <label>/<image>", "cleo": "Parquet with bytes", "ben": "folder with a CSV index"}
    for delivery in work.deliveries:
        num_samples = len(delivery.digits) + len(delivery.broken)
        work.say(
            f"{delivery.collector:5} {shapes[delivery.collector]:24} {num_samples:5,} samples  "
            f"{delivery.source.relative_to(work.directory)}"
        )
    seen: set[int] = set()
    num_repeated = 0
    for delivery in work.deliveries:
        num_repeated += len(seen.intersection(delivery.digits))
        seen.update(delivery.digits)
    num_wrong = sum(len(delivery.wrong_labels) for delivery in work.deliveries)
    num_broken = sum(len(delivery.broken) for delivery in work.deliveries)
    work.say(f"Planted: {num_repeated} digits sent twice, {num_wrong} wrong labels, {num_broken} broken files.")
    return {
        "sources": [
            {
                "collector": delivery.collector,
                "purpose": delivery.purpose,
                "source": str(delivery.source),
                "intact": len(delivery.digits),
                "wrong_labels": len(delivery.wrong_labels),
                "broken": len(delivery.broken),
            }
            for delivery in work.deliveries
        ],
        "repeated_digits": num_repeated,
        "wrong_labels": num_wrong,
        "broken": num_broken,
    }


def _commit(work: DigitsWorkspace) -> Figures:
    import headrace

    work.lake = headrace.connect(str(work.lake_path))
    work.dataset = work.lake.create_dataset(
        DATASET, type="IMAGE_CLASS", description="Handwritten digits from three collectors"
    )
    work.commits = []
    reported: list[Figures] = []
    for delivery in work.deliveries:
        commit = work.dataset.commit(
            str(delivery.source),
            message=f"Delivery of {delivery.collector}",
            tags=delivery.tags,
            on_invalid="skip",
        )
        work.commits.append(commit)
        tags = " ".join(f"{key}={value}" for key, value in commit.tag_pairs)
        work.say(f"commit {commit.id}  {commit.num_rows:5,} rows, {len(commit.rejected)} left out  {tags}")
        reported.extend(
            {"commit": commit.id, "member": row.member, "line": row.line, "reason": row.reason}
            for row in commit.rejected
        )
        if len(commit.rejected) != len(delivery.broken):
            raise HeadraceError(
                f"{len(delivery.broken)} broken files were planted in {delivery.source}, but the commit reported "
                f"{len(commit.rejected)}; expected the same number"
            )
    work.say(f'Broken files: {len(reported)} planted, {len(reported)} reported, left out by on_invalid="skip":')
    for commit in work.commits:
        work.say(f"  {_rejection(commit.rejected[0])}")
    return {
        "commits": [
            {"id": commit.id, "num_rows": commit.num_rows, "tags": dict(commit.tags), "digest": commit.digest}
            for commit in work.commits
        ],
        "rejected": reported,
        "num_rejected": len(reported),
    }


def _rejection(row: RejectedRow) -> str:
    """One line: the file or row, and why, without the path before it."""
    place = row.member or f"row {row.line}"
    reason = row.reason.rpartition("]: ")[2].rpartition(f"{place}: ")[2]
    line = f"{place}: {' '.join(reason.removeprefix('column image: ').split())}"
    return line if len(line) <= 72 else line[:71] + "…"


def _show_statistics(work: DigitsWorkspace) -> Figures:
    statistics = work.dataset.statistics
    image = statistics["columns"]["image"]
    labels = sorted((str(label), int(count)) for label, count in statistics["labels"])
    work.say(
        f"{statistics['num_rows']:,} rows, {statistics['num_labels']} labels, {statistics['num_bytes'] / 1e6:.1f} MB, "
        f"{image['num_duplicates']} images that are equal to the byte"
    )
    formats = ", ".join(f"{count:,} {name}" for name, count in sorted(image["formats"].items()))
    work.say(f"{formats}; {image['width']['min']} x {image['height']['min']} pixels")
    most = max(count for _, count in labels)
    for label, count in labels:
        work.say(f"{label}  {count:4}  {'#' * round(40 * count / most)}")
    return {
        "num_rows": statistics["num_rows"],
        "num_labels": statistics["num_labels"],
        "num_bytes": statistics["num_bytes"],
        "num_duplicate_images": image["num_duplicates"],
        "formats": dict(image["formats"]),
        "labels": dict(labels),
    }


def _take_snapshots(work: DigitsWorkspace) -> Figures:
    work.first = work.dataset.snapshot(upto=work.commits[0].id)
    work.train = work.dataset.snapshot(tags={"purpose": "train"})
    work.holdout = work.dataset.snapshot(tags={"purpose": "evaluate"})
    figures: Figures = {}
    for alias, snapshot, selection in (
        ("first", work.first, f"upto {work.commits[0].id}"),
        ("train", work.train, "purpose=train"),
        ("holdout", work.holdout, "purpose=evaluate"),
    ):
        snapshot.alias(alias)
        work.say(f"{DATASET}@{alias:8} {snapshot.num_rows:5,} rows  {selection:17} id {snapshot.id[:16]}")
        figures[alias] = {"id": snapshot.id, "version_hash": snapshot.version_hash, "num_rows": snapshot.num_rows}
    work.say("No image was copied: a snapshot is a small manifest, named by its content.")
    return figures


def _diff(work: DigitsWorkspace) -> Figures:
    difference = work.first.diff(work.train)
    figures: Figures = {
        "added": difference.added.num_rows,
        "removed": difference.removed.num_rows,
        "changed": difference.changed.num_rows,
    }
    work.say(
        f"{DATASET}@first -> {DATASET}@train: {difference.added.num_rows:,} added, "
        f"{difference.removed.num_rows:,} removed, {difference.changed.num_rows:,} changed"
    )
    return figures


def _split(work: DigitsWorkspace) -> Figures:
    splits = work.train.split({"train": 0.9, "val": 0.1}, seed=7)
    work.train_split, work.validation_split = splits["train"], splits["val"]
    work.say(
        f"{work.train_split.num_rows:,} to train, {work.validation_split.num_rows:,} to validate; "
        "rows that come later do not move these"
    )
    return {"train": work.train_split.num_rows, "val": work.validation_split.num_rows}


def _read(work: DigitsWorkspace) -> Figures:
    """The same global batches for one rank and for three, though nobody told the ranks of each other."""
    from headrace.streaming import DataLoader, StreamingDataset

    started = time.perf_counter()
    with DataLoader(StreamingDataset(work.train_split), batch_size=BATCH_SIZE, num_workers=2) as loader:
        batches = [sorted(batch["_id"]) for batch in loader]
        num_bytes = sum(len(image) for batch in loader for image in batch["image"])
    seconds = time.perf_counter() - started
    ranks: list[list[str]] = [[] for _ in batches]
    for rank in range(3):
        part = DataLoader(
            StreamingDataset(work.train_split, columns=["label"]),
            global_batch_size=BATCH_SIZE,
            rank=rank,
            world_size=3,
            num_workers=0,
        )
        for step, batch in enumerate(part):
            ranks[step] += [name for name, is_padding in zip(batch["_id"], batch.padding) if not is_padding]
    if [sorted(batch) for batch in ranks] != batches:
        raise DataCorrupted("three ranks got other global batches than one")
    num_rows = sum(map(len, batches))
    work.say(
        f"2 epochs of {len(batches)} batches, {num_rows:,} samples, {num_bytes / 1e6:.1f} MB each: "
        f"{2 * num_rows / seconds:,.0f} samples a second"
    )
    work.say("One rank and three ranks: the same global batches, step by step.")
    return {
        "num_batches": len(batches),
        "num_rows": num_rows,
        "num_bytes": num_bytes,
        "samples_per_second": round(2 * num_rows / seconds),
        "same_for_three_ranks": True,
    }


def _train(work: DigitsWorkspace) -> Figures:
    """Train in a process that is killed in the middle of an epoch, and go on with another number of workers."""
    from headrace.demo.digit_classifier import DigitClassifier
    from headrace.demo.training import Checkpoint

    checkpoint = Checkpoint(work.directory / "checkpoint.npz")
    reference = work.reference(f"@id:{work.train_split.id}")
    num_steps = -(-work.train_split.num_rows // BATCH_SIZE)
    killed_at = _train_until_killed(work, reference, checkpoint.path, epoch=NUM_PASSES // 2, step=num_steps // 2)
    work.say(
        f"SIGKILL in pass {NUM_PASSES // 2 + 1} of {NUM_PASSES}, after step {killed_at} of {num_steps}, with 2 workers"
    )
    resumed_at = _train_to_the_end(reference, checkpoint.path)
    work.say(f"Resumed from the checkpoint at step {resumed_at}, with 1 worker, to the end")
    ids = set(work.train_split.to_arrow(columns=["_id"]).column("_id").to_pylist())
    num_lost = num_repeated = 0
    for seen in checkpoint.times_seen():
        num_lost += len(ids - set(seen))
        num_repeated += sum(count - 1 for count in seen.values())
    work.say(f"In {NUM_PASSES} passes over {len(ids):,} samples: {num_repeated} repeated, {num_lost} lost")
    if num_lost or num_repeated:
        raise DataCorrupted(f"{num_lost} samples were lost and {num_repeated} repeated; expected none")
    work.classifier = DigitClassifier(seed=SEED)
    checkpoint.load(work.classifier)
    accuracy = _validation_accuracy(work)
    return {
        "killed_at_step": killed_at,
        "resumed_at_step": resumed_at,
        "num_repeated": num_repeated,
        "num_lost": num_lost,
        "validation_accuracy": accuracy,
        **_judge(work, accuracy),
    }


def _training(reference: str, checkpoint: Path, *, workers: int) -> subprocess.Popen[str]:
    words = ["-m", "headrace.demo.training", reference, str(checkpoint)]
    options = ["--passes", str(NUM_PASSES), "--workers", str(workers), "--seed", str(SEED)]
    return subprocess.Popen(
        [sys.executable, *words, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _train_until_killed(work: DigitsWorkspace, reference: str, checkpoint: Path, *, epoch: int, step: int) -> int:
    """SIGKILL once a step of an epoch is done; the step that the process was at."""
    with _training(reference, checkpoint, workers=2) as process:
        for line in process.stdout or ():
            done = json.loads(line)
            if (done["epoch"], done["step"]) >= (epoch, step):
                process.kill()
                return int(done["step"])
        _, error = process.communicate()
    raise HeadraceError(f"the training ended before it was killed: {error.strip()[-500:]}")


def _train_to_the_end(reference: str, checkpoint: Path) -> int:
    """The step that the resumed process began with."""
    process = _training(reference, checkpoint, workers=1)
    output, error = process.communicate()
    if process.returncode:
        raise HeadraceError(f"the resumed training failed: {error.strip()[-500:]}")
    first = json.loads(output.split("\n", 1)[0])
    if not first["resumed"]:
        raise HeadraceError("the resumed training began anew; expected it to find its checkpoint")
    return int(first["step"])


def _pixels_of(snapshot: Snapshot) -> DataLoader:
    from headrace.demo.digit_classifier import DigitPixels
    from headrace.streaming import DataLoader, StreamingDataset

    data = StreamingDataset(snapshot, transforms=[_with_digest, DigitPixels()], shuffle=None)
    return DataLoader(data, batch_size=BATCH_SIZE, num_workers=0, batch_format="numpy")


def _with_digest(sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, "digest": digest_hex(sample["image"])}


def _validation_accuracy(work: DigitsWorkspace) -> float:
    num_right = num_rows = 0
    for batch in _pixels_of(work.validation_split):
        for label, (predicted, _) in zip(batch["label"], work.classifier.predict(batch["pixels"]), strict=True):
            num_rows += 1
            num_right += predicted == label
    return num_right / num_rows


def _judge(work: DigitsWorkspace, validation_accuracy: float) -> Figures:
    """Accuracy on the source that was held out.

    Digits that a training source sent too are counted apart: the model has seen them, if in another encoding.
    """
    held_out = next(delivery for delivery in work.deliveries if delivery.purpose == "evaluate")
    trained_on: set[int] = set()
    for delivery in work.deliveries:
        if delivery.purpose == "train":
            trained_on.update(delivery.digits)
    num_right = num_rows = num_seen = num_planted = 0
    work.mistakes = []
    for batch in _pixels_of(work.holdout):
        for row, (predicted, probability) in enumerate(work.classifier.predict(batch["pixels"])):
            name = batch["id"][row]
            if digit_number(name) in trained_on:
                num_seen += 1
                continue
            label = batch["label"][row]
            num_rows += 1
            num_right += predicted == label
            if predicted != label:
                num_planted += digit_number(name) in held_out.wrong_labels
                work.mistakes.append(
                    Mistake(batch["_id"][row], name, label, predicted, probability, digest=batch["digest"][row])
                )
    accuracy = num_right / num_rows
    work.metrics = {"accuracy": round(accuracy, 6), "validation_accuracy": round(validation_accuracy, 6)}
    work.say(f"Accuracy on the held-out source ({held_out.collector}, {num_rows} digits never seen): {accuracy:.3f}")
    work.say(f"  {num_seen} of {held_out.collector}'s digits were left out: cleo sent the same ones to train on")
    work.say(f"  {num_planted} of the {len(work.mistakes)} mistakes are the fault of a wrong label that was planted")
    return {
        "accuracy": accuracy,
        "num_judged": num_rows,
        "num_seen_in_training": num_seen,
        "num_mistakes": len(work.mistakes),
        "num_planted_wrong_labels_among_mistakes": num_planted,
    }


def _trace(work: DigitsWorkspace) -> Figures:
    """Follow the mistake that the model is surest of to its file, and write down what was trained on what."""
    mistake = max(work.mistakes, key=lambda item: (item.probability, item.sample_id))
    sample = work.lake.lineage(sample=mistake.sample_id)[0]
    path = _delivered_file(sample.source, sample.member)
    digest = digest_hex(path.read_bytes())
    if not digest == sample.media[0].digest == mistake.digest:
        raise DataCorrupted(
            f"{path} has the BLAKE3 {digest}, but sample {mistake.sample_id} was committed with "
            f"{sample.media[0].digest} and read with {mistake.digest}; expected three times the same"
        )
    planted = work.deliveries[-1].wrong_labels.get(digit_number(mistake.name))
    work.traced_sample = mistake.sample_id
    work.say(
        f"{mistake.name} is labelled {mistake.label}; the model says {mistake.predicted}, "
        f"{mistake.probability:.0%} sure"
    )
    work.say(f"  commit  {sample.commit}, {work.commits[int(sample.commit) - 1].message}")
    work.say(f"  file    {path.resolve().relative_to(work.directory.resolve())}")
    work.say(f"  BLAKE3  {digest[:32]}…, equal in file, lake and batch")
    work.say(
        "  The model is right: this label was planted wrong."
        if planted is not None
        else "  The label is right: this mistake is the model's."
    )
    model = work.directory / "model.npz"
    work.classifier.save(model)
    run = work.lake.record_run(work.train_split, name="digit-classifier", artefacts=[str(model)], metrics=work.metrics)
    work.say(f"Recorded run {run.run_id}: this snapshot, model.npz, accuracy {work.metrics['accuracy']:.3f}")
    return {
        "sample": mistake.sample_id,
        "label": mistake.label,
        "predicted": mistake.predicted,
        "probability": mistake.probability,
        "label_was_planted_wrong": planted is not None,
        "commit": sample.commit,
        "source": sample.source,
        "member": sample.member,
        "file": str(path),
        "digest": digest,
        "run": run.run_id,
    }


def _delivered_file(source: str, member: str | None) -> Path:
    """The file of a sample that came from a folder."""
    folder = Path(url2pathname(urlsplit(source).path))
    return folder if member is None else folder / member


def _verify(work: DigitsWorkspace) -> Figures:
    report = work.lake.verify()
    if not report.ok:
        raise DataCorrupted(f"the lake at {work.lake_path} is damaged: {report.problems[0].message}")
    work.say(
        f"{report.num_entries} log entries, {report.num_objects} objects, {report.num_rows:,} rows, "
        f"{report.num_bytes / 1e6:.1f} MB: nothing is damaged"
    )
    return {
        "ok": report.ok,
        "num_entries": report.num_entries,
        "num_objects": report.num_objects,
        "num_rows": report.num_rows,
        "num_bytes": report.num_bytes,
        "problems": len(report.problems),
    }


def next_commands(work: DigitsWorkspace) -> list[tuple[str, str]]:
    """What to try on the demo's lake: (purpose, command line); each works as printed."""
    return [
        ("who delivered what", work.command("dataset", "log", work.reference())),
        (
            "ask in SQL",
            work.command(
                "query", work.reference("@train"), "SELECT label, count(*) AS n FROM snapshot GROUP BY label ORDER BY n"
            ),
        ),
        ("what came after the first delivery", work.command("diff", work.reference("@first"), work.reference())),
        ("the way of one sample", work.command("lineage", work.reference(), "--sample", work.traced_sample)),
        (
            "hand the training set to another tool",
            work.command(
                "export", work.reference("@train"), str(work.directory / "webdataset"), "--format", "webdataset"
            ),
        ),
        ("check every byte again", work.command("verify", str(work.lake_path))),
    ]
