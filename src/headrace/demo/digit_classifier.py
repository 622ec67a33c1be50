"""A small classifier of 64-pixel digits that learns batch by batch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from sklearn.linear_model import SGDClassifier

__all__ = ["DigitClassifier", "decode_images"]

REDUCTION = 4  # 64 pixels become 16: enough for a digit, and a sixteenth of the weights
LABELS = tuple("0123456789")


def decode_images(
    images: pa.Array,  # [batch] of large binary: PNG or JPEG of 64x64 pixels
) -> NDArray[np.float32]:
    """Pixels from 0 to 1, shape [batch, 256]."""
    features = np.empty((len(images), (64 // REDUCTION) ** 2), np.float32)  # [batch, 256]
    for row, content in enumerate(images):
        with Image.open(io.BytesIO(content.as_buffer())) as image:
            grey = image.convert("L").reduce(REDUCTION)
        features[row] = np.asarray(grey, np.float32).reshape(-1) / 255  # [256]
    return features


class DigitClassifier:
    """Logistic regression by stochastic gradient descent; the same batches give the same weights."""

    def __init__(self, *, seed: int) -> None:
        from sklearn.linear_model import SGDClassifier

        self._model: SGDClassifier = SGDClassifier(loss="log_loss", alpha=1e-4, average=True, random_state=seed)

    def learn(self, batch: pa.RecordBatch) -> None:
        """One pass over the batch; columns image and label."""
        self._model.partial_fit(
            decode_images(batch.column("image")),  # [batch, 256]
            np.array(batch.column("label").to_pylist()),  # [batch]
            classes=np.array(LABELS),  # [10]
        )

    def predict(self, batch: pa.RecordBatch) -> Iterator[tuple[str, float]]:
        """For each row the label, and how sure of it, from 0 to 1."""
        probabilities = self._model.predict_proba(decode_images(batch.column("image")))  # [batch, 10]
        best = probabilities.argmax(axis=1)  # [batch]
        for row, label_idx in enumerate(best.tolist()):
            yield LABELS[label_idx], float(probabilities[row, label_idx])

    def save(self, path: Path) -> None:
        """Write coefficients, shape [10, 256], and intercepts, shape [10], as plain arrays (.npz)."""
        np.savez(path, coefficients=self._model.coef_, intercepts=self._model.intercept_, labels=np.array(LABELS))
