"""The step that trains: the process is killed in the middle of an epoch and resumed with other workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from headrace.demo.delivery import SEED
from headrace.demo.judging import accuracy_on, judge
from headrace.demo.steps import Figures
from headrace.demo.workspace import BATCH_SIZE, DigitsWorkspace
from headrace.errors import DataCorrupted, HeadraceError

__all__ = ["NUM_PASSES", "train_through_a_kill"]

NUM_PASSES = 6


def train_through_a_kill(work: DigitsWorkspace) -> Figures:
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
    return {
        "killed_at_step": killed_at,
        "resumed_at_step": resumed_at,
        "num_repeated": num_repeated,
        "num_lost": num_lost,
        **_show_accuracy(work),
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


def _show_accuracy(work: DigitsWorkspace) -> Figures:
    from headrace.demo.digit_rows import read_digits

    judgement = work.judgement = judge(work.classifier, read_digits(work.holdout), work.deliveries)
    validation_accuracy = accuracy_on(work.classifier, read_digits(work.validation_split))
    work.metrics = {"accuracy": round(judgement.accuracy, 6), "validation_accuracy": round(validation_accuracy, 6)}
    collector = judgement.collector
    work.say(
        f"Accuracy on the held-out source ({collector}, {judgement.num_judged} digits never seen): "
        f"{judgement.accuracy:.3f}"
    )
    work.say(f"  {judgement.num_seen} of {collector}'s digits were left out: others sent the same ones to train on")
    work.say(
        f"  {judgement.num_planted} of the {len(judgement.mistakes)} mistakes are the fault of a wrong label that was "
        "planted"
    )
    return {
        "validation_accuracy": validation_accuracy,
        "accuracy": judgement.accuracy,
        "num_judged": judgement.num_judged,
        "num_seen_in_training": judgement.num_seen,
        "num_mistakes": len(judgement.mistakes),
        "num_planted_wrong_labels_among_mistakes": judgement.num_planted,
    }
