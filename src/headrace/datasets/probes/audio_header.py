"""Checks that bytes are a sound file and reads format and duration, without decoding it all."""

from __future__ import annotations

import struct
from io import BytesIO

from headrace.datasets.media import MediaHeader
from headrace.datasets.probes.content_kind import describe_content
from headrace.errors import InvalidInput, MissingExtra

__all__ = ["probe_audio"]

_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF})  # what writers into a pipe leave in a WAV header


def probe_audio(data: bytes, name: str) -> MediaHeader:
    """Format ("wav", "flac", "ogg", "mp3", "aiff", ...) and duration in seconds, by libsndfile.

    Raises:
        InvalidInput: Not a sound file, without samples, or a WAV file that ends early.
        MissingExtra: The package soundfile is not installed.
    """
    try:
        import soundfile
    except ImportError:
        raise MissingExtra(
            "checking sound files needs the package soundfile; install it: pip install 'headrace[audio]'", file=name
        ) from None
    try:
        with soundfile.SoundFile(BytesIO(data)) as sound:
            format, num_frames, rate = str(sound.format).lower(), int(sound.frames), int(sound.samplerate)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"is not a sound file that can be read: the content is {describe_content(data)} ({error}); "
            "expected WAV, FLAC, Ogg, MP3 or AIFF",
            file=name,
        ) from None
    if num_frames <= 0 or rate <= 0:
        raise InvalidInput(f"is a {format} file without sound: {num_frames} frames at {rate} Hz", file=name)
    if format.startswith("wav") and _is_wav_cut(data):
        raise InvalidInput(
            "is a truncated WAV file: it is shorter than its header says; copy or download the file again", file=name
        )
    return MediaHeader(format, duration=num_frames / rate)


def _is_wav_cut(data: bytes) -> bool:
    position = 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        if kind == b"data":
            return size not in _UNKNOWN_SIZES and position + 8 + size > len(data)
        position += 8 + size + size % 2
    return False
