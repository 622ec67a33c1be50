"""How much there is to see in an image."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.curation.media import Media
from headrace.curation.operator import operator

__all__ = ["image_entropy"]


@operator(
    name="image.entropy",
    version=1,
    outputs={"entropy": pa.float64()},
    library="opencv, numpy",
    oracle="scipy.stats",
    gil_free=True,
)
def image_entropy(image: Media) -> float:
    """Shannon entropy of the luma's histogram in bits: 0 for one value, 8 for all 256 equally often.

    Rounded to nine decimals, which hides that logarithms differ in the last bit between machines.
    """
    histogram = image.grey_histogram()  # [256]
    shares = histogram[histogram > 0] / histogram.sum()
    return abs(round(float(-(shares * np.log2(shares)).sum()), 9))  # abs: a flat image would give -0.0
