"""The step that follows one mistake back to the file that it came from."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from headrace.demo.delivery import digit_number
from headrace.demo.steps import Figures
from headrace.demo.workspace import DigitsWorkspace
from headrace.errors import DataCorrupted
from headrace.storage.digests import digest_hex

__all__ = ["trace_mistake"]


def trace_mistake(work: DigitsWorkspace) -> Figures:
    """Follow the mistake that the model is surest of to its file, and write down what was trained on what."""
    mistake = max(work.judgement.mistakes, key=lambda item: (item.probability, item.sample_id))
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
