"""Train a small network on handwritten digits with torch; interrupt it at any moment and run it again.

    python examples/train_digits.py [--folder train-digits] [--epochs 4] [--workers 2] [--kind threads]

The first run makes a lake of the digits that scikit-learn carries. Every run goes on where the last one was stopped:
the checkpoint holds the model, the optimiser and the state of the loader, written together. Ctrl-C is
looked at between batches, so that the model learnt exactly what the loader says was consumed. One process trains; for
several wrap the model into DistributedDataParallel: the batches of each rank come by themselves.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

import headrace
from headrace.datasets.columns import media_field
from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset
from headrace.streaming.transforms import ImageToTensor

GLOBAL_BATCH = 64
CHECKPOINT_STEPS = 5


def make_lake(folder: Path) -> str:
    """A lake of 1,797 digits as PNG with their labels; returns a reference to the training half."""
    import pyarrow as pa

    lake = headrace.connect(str(folder / "lake"))
    reference = f"{folder}/lake::digits"
    if not lake.exists:
        images, labels = load_digits(return_X_y=True)
        schema = pa.schema(
            [pa.field("number", pa.int64()), media_field("image", "image"), pa.field("label", pa.int64())]
        )
        digits = lake.create_dataset("digits", schema=schema, key="number")
        digits.commit(
            pa.table([list(range(len(images))), [png(image) for image in images], labels.tolist()], schema=schema),
            message="scikit-learn's digits",
        )
        digits.snapshot(where="number % 5 <> 0").alias("train")
        digits.snapshot(where="number % 5 = 0").alias("test")
    return reference


def png(pixels: Any) -> bytes:
    """64 values from 0 to 16 as a picture of 8 by 8."""
    file = io.BytesIO()
    Image.fromarray((pixels.reshape(8, 8) * 15.9).astype("uint8"), "L").save(file, "png")
    return file.getvalue()


def scaled(
    images: Tensor,  # [batch, 3, 8, 8] uint8
) -> Tensor:
    return images[:, :1].float().flatten(1) / 255  # [batch, 64]


def stream(reference: str, *, is_shuffled: bool) -> StreamingDataset:
    """Samples with `image` as uint8 [3, 8, 8] and `label`."""
    return StreamingDataset(
        reference,
        columns=["image", "label"],
        transforms=[ImageToTensor(8, "image")],
        shuffle=ShuffleOptions(seed=1) if is_shuffled else None,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("train-digits"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", default="auto", choices=["auto", "threads", "subprocess", "processes"])
    options = parser.parse_args()
    stop = Interruption()

    torch.manual_seed(0)
    reference = make_lake(options.folder)
    checkpoint = options.folder / "checkpoint.pt"
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    loader = DataLoader(
        stream(f"{reference}@train", is_shuffled=True),
        global_batch_size=GLOBAL_BATCH,
        num_workers=options.workers,
        workers=options.kind,
    )
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        loader.load_state_dict(saved["loader"])
        print(f"resumed: {place(loader)}", flush=True)

    with loader:
        while epoch_of(loader) < options.epochs and not stop.is_asked:
            loss = torch.zeros(())
            for batch in loader:
                logits = model(scaled(batch["image"]))  # [batch, 10]
                loss = nn.functional.cross_entropy(logits, batch["label"])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                if stop.is_asked:
                    break
                if batch.step % CHECKPOINT_STEPS == 0:
                    save(checkpoint, model, optimiser, loader)
            else:
                print(f"epoch {epoch_of(loader) - 1}: loss {loss.item():.3f}", flush=True)
            save(checkpoint, model, optimiser, loader)
    if stop.is_asked:
        print(f"interrupted: {place(loader)}; run it again to go on", flush=True)
        return 130

    num_right = num_samples = 0
    for batch in DataLoader(stream(f"{reference}@test", is_shuffled=False), batch_size=256, num_workers=0):
        num_right += int((model(scaled(batch["image"])).argmax(dim=1) == batch["label"]).sum())
        num_samples += len(batch["label"])
    print(f"accuracy {num_right / num_samples:.3f} on {num_samples} digits never seen")
    return 0


class Interruption:
    """Ctrl-C or SIGTERM as a question that the training answers after the batch at hand."""

    def __init__(self) -> None:
        self.is_asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.is_asked = True


def save(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, loader: DataLoader) -> None:
    """Model, optimiser and place in the stream, together or not at all."""
    temporary = path.with_suffix(".tmp")
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "loader": loader.state_dict()}
    torch.save(state, temporary)
    os.replace(temporary, path)


def epoch_of(loader: DataLoader) -> int:
    return int(loader.state_dict()["segments"][-1]["epoch"])


def place(loader: DataLoader) -> str:
    segment = loader.state_dict()["segments"][-1]
    return f"epoch {segment['epoch']}, {segment['to']} samples of it consumed"


if __name__ == "__main__":
    sys.exit(main())
