"""Which check belongs to which kind of media column."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from headrace.datasets.media import MediaProbe
from headrace.datasets.probes.audio_header import probe_audio
from headrace.datasets.probes.image_header import probe_image
from headrace.datasets.probes.video_header import probe_video

__all__ = ["media_probes"]

_PROBES: Mapping[str, MediaProbe] = {"image": probe_image, "audio": probe_audio, "video": probe_video}


def media_probes(schema: pa.Schema) -> dict[str, MediaProbe]:
    """The check for each media column of a schema; columns of kind "bytes" have none."""
    probes: dict[str, MediaProbe] = {}
    for field in schema:
        kind = (field.metadata or {}).get(b"headrace.media")
        probe = None if kind is None else _PROBES.get(kind.decode())
        if probe is not None:
            probes[field.name] = probe
    return probes
