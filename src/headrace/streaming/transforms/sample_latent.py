"""Latents drawn from the distributions that an encoder gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from blake3 import blake3

from headrace.errors import InvalidInput
from headrace.streaming.sample_random import SampleRandom
from headrace.streaming.samples import Sample, SampleContext
from headrace.streaming.transforms.sample_fields import field_error, field_value, kind_of

__all__ = ["SampleLatent"]

_LOG_VARIANCE_BOUNDS = (-30.0, 20.0)


@dataclass(frozen=True, slots=True)
class SampleLatent:
    """Moments [2 * channels, *rest], means and then logarithms of variances, become one latent [channels, *rest].

    `mean + exp(log_variance / 2) * noise`, with the logarithms kept within -30 and 20; another draw in every epoch.
    Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2013; the layout is latent diffusion's.

    Attributes:
        field: Holds the moments, floats, and gets the latent, of the same dtype.
        scale: The result is multiplied by it, such as 0.18215.
        is_random: False gives the mean.

    Raises:
        InvalidInput: When called on a sample whose field holds no moments.
    """

    needs_context: ClassVar[bool] = True

    field: str = "latent"
    scale: float = 1.0
    is_random: bool = True

    def __post_init__(self) -> None:
        if not self.scale:
            raise InvalidInput(f"scale is {self.scale}: expected another number than 0")

    def __call__(self, sample: Sample, context: SampleContext) -> Sample:
        """The sample with a latent; four random numbers are drawn, whatever the size."""
        moments = field_value(sample, self.field)  # [2 * channels, *rest]
        if not isinstance(moments, np.ndarray) or moments.dtype.kind != "f" or not moments.ndim or len(moments) % 2:
            raise field_error(
                sample,
                self.field,
                f"holds {kind_of(moments)}; expected floats [2 * channels, …], means and logarithms of variances: put "
                "LoadArray before this",
            )
        mean, log_variance = np.split(moments.astype(np.float32), 2)  # [channels, *rest] each
        latent = mean
        if self.is_random:
            deviation = np.exp(np.clip(log_variance, *_LOG_VARIANCE_BOUNDS) / 2)
            latent = mean + deviation * _noise(mean.shape, context.random)
        return {**sample, self.field: (latent * np.float32(self.scale)).astype(moments.dtype)}


def _noise(shape: tuple[int, ...], random: SampleRandom) -> np.ndarray:
    """Normally distributed, float32, the same everywhere up to rounding. Source: Box and Muller, 1958."""
    key = b"".join(random.bits().to_bytes(8, "little") for _ in range(4))
    num_pairs = (int(np.prod(shape)) + 1) // 2
    words = np.frombuffer(blake3(key=key).digest(length=16 * num_pairs), dtype="<u8")  # [2 * num_pairs]
    uniform = ((words >> np.uint64(11)) + 0.5) * 2.0**-53  # within 0 and 1, neither of them
    radius = np.sqrt(-2 * np.log(uniform[:num_pairs]))
    angle = 2 * np.pi * uniform[num_pairs:]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])  # [2 * num_pairs]
    return normal[: int(np.prod(shape))].reshape(shape).astype(np.float32)
