"""How sharp an image is."""

from __future__ import annotations

import pyarrow as pa

from headrace.curation.media import Media
from headrace.curation.operator import operator
from headrace.datasets.images.opencv import require_opencv

__all__ = ["image_blur"]


@operator(
    name="image.blur",
    version=1,
    outputs={"blur": pa.float64()},
    library="opencv",
    oracle="scipy.ndimage",
    gil_free=True,
)
def image_blur(image: Media) -> float:
    """Variance of the Laplacian of the luma: small where an image is blurred, 0 where it is flat.

    The kernel is [[0, 1, 0], [1, -4, 1], [0, 1, 0]], borders are mirrored without repeating the edge. Sums are exact
    whole numbers and divided once, so the value is the same on any machine that decodes the same pixels. It grows with
    noise and with contrast, and is comparable between images of like size.

    Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, 2000.
    """
    opencv = require_opencv("image.blur")
    grey = image.grey()  # [height, width]
    edges = opencv.Laplacian(grey, opencv.CV_16S)  # [height, width], -1020 to 1020
    # Both sums are of whole numbers below 2**53, so floats hold them exactly.
    total = int(opencv.sumElems(edges)[0])
    squares: int = round(opencv.norm(edges, opencv.NORM_L2SQR))  # the square of a root, so it may miss by a little
    num_pixels = int(grey.size)
    variance: float = (num_pixels * squares - total * total) / num_pixels**2
    return variance
