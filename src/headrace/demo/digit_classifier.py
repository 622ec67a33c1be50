"""A small classifier of 64-pixel digits that learns batch by batch."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headrace.streaming import SampleContext

if TYPE_CHECKING:
    from sklearn.linear_model import SGDClassifier

__all__ = ["DigitClassifier", "DigitPixels"]

REDUCTION = 4  # 64 pixels become 16: enough for a digit, and a sixteenth of the weights
NUM_PIXELS = (64 // REDUCTION) ** 2
LABELS = tuple("0123456789")


class DigitPixels:
    """A transform: PNG or JPEG of 64x64 pixels in `image` become `pixels` from 0 to 1, float32 [256]."""

    needs_context = True

    def __call__(self, sample: dict[str, Any], context: SampleContext) -> dict[str, Any]:
        pixels = context.output("pixels", (NUM_PIXELS,), np.dtype(np.float32))  # [256]
        with Image.open(io.BytesIO(sample.pop("image"))) as image:
            grey = image.convert("L").reduce(REDUCTION)
        np.divide(np.asarray(grey, np.float32).reshape(-1), 255, out=pixels)
        return {**sample, "pixels": pixels}


class DigitClassifier:
    """Logistic regression by stochastic gradient descent; the same batches give the same weights."""

    def __init__(self, *, seed: int) -> None:
        from sklearn.linear_model import SGDClassifier

        self._model: SGDClassifier = SGDClassifier(loss="log_loss", alpha=1e-4, average=True, random_state=seed)

    def learn(
        self,
        pixels: NDArray[np.float32],  # [batch, 256]
        labels: Sequence[str] | NDArray[np.str_],  # [batch]
    ) -> None:
        """One pass over the batch."""
        self._model.partial_fit(pixels, np.array(labels), classes=np.array(LABELS))

    def predict(
        self,
        pixels: NDArray[np.float32],  # [batch, 256]
    ) -> Iterator[tuple[str, float]]:
        """For each row the label, and how sure of it, from 0 to 1."""
        probabilities = self._model.predict_proba(pixels)  # [batch, 10]
        best = probabilities.argmax(axis=1)  # [batch]
        for row, label_idx in enumerate(best.tolist()):
            yield LABELS[label_idx], float(probabilities[row, label_idx])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learnt, as plain arrays by the names of scikit-learn's attributes."""
        return {
            name: np.asarray(value)
            for name, value in vars(self._model).items()
            if name not in self._model.get_params() and isinstance(value, np.ndarray | float | int)
        }

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `arrays` gave."""
        self._model.partial_fit(  # scikit-learn makes room for all attributes at the first batch
            np.zeros((len(LABELS), NUM_PIXELS), np.float32), np.array(LABELS), classes=np.array(LABELS)
        )
        for name, value in arrays.items():
            setattr(self._model, name, value if value.ndim else value.item())

    def save(self, path: Path) -> None:
        """Write coefficients, shape [10, 256], and intercepts, shape [10], as plain arrays (.npz)."""
        np.savez(path, coefficients=self._model.coef_, intercepts=self._model.intercept_, labels=np.array(LABELS))
