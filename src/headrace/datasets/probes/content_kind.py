"""What bytes look like by their first bytes, for messages and for file names."""

from __future__ import annotations

__all__ = ["content_suffix", "describe_content"]

_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    # offset, bytes, words for a message, suffix of a file
    (0, b"\xff\xd8\xff", "a JPEG image", ".jpg"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image", ".png"),
    (0, b"GIF87a", "a GIF image", ".gif"),
    (0, b"GIF89a", "a GIF image", ".gif"),
    (0, b"BM", "a BMP image", ".bmp"),
    (0, b"II*\x00", "a TIFF image", ".tiff"),
    (0, b"MM\x00*", "a TIFF image", ".tiff"),
    (8, b"WEBP", "a WebP image", ".webp"),
    (8, b"WAVE", "a WAV sound", ".wav"),
    (8, b"AVI ", "an AVI video", ".avi"),
    (4, b"ftypavif", "an AVIF image", ".avif"),
    (4, b"ftyphei", "a HEIC image", ".heic"),
    (4, b"ftypmif1", "a HEIF image", ".heif"),
    (4, b"ftypqt", "a QuickTime video", ".mov"),
    (4, b"ftypM4A", "an MPEG-4 sound", ".m4a"),
    (4, b"ftyp", "an MP4 video", ".mp4"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video", ".mkv"),
    (0, b"FLV\x01", "an FLV video", ".flv"),
    (0, b"\x00\x00\x01\xba", "an MPEG video", ".mpg"),
    (0, b"\x00\x00\x01\xb3", "an MPEG video", ".mpg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file", ".wmv"),
    (0, b"fLaC", "a FLAC sound", ".flac"),
    (0, b"OggS", "an Ogg file", ".ogg"),
    (0, b"ID3", "an MP3 sound", ".mp3"),
    (0, b"\xff\xfb", "an MP3 sound", ".mp3"),
    (0, b"\xff\xf3", "an MP3 sound", ".mp3"),
    (0, b"\xff\xf2", "an MP3 sound", ".mp3"),
    (0, b"FORM", "an AIFF sound", ".aiff"),
    (0, b"%PDF", "a PDF document", ".pdf"),
    (0, b"PK\x03\x04", "a ZIP archive", ".zip"),
    (0, b"\x1f\x8b", "a gzip file", ".gz"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", ".zst"),
    (0, b"PAR1", "a Parquet file", ".parquet"),
    (0, b"\x7fELF", "a program", ""),
)


def content_suffix(data: bytes) -> str:
    """The file suffix that fits the content (".jpg"), "" when it is not known."""
    for offset, signature, _, suffix in _SIGNATURES:
        if data.startswith(signature, offset):
            return suffix
    return ""


def describe_content(data: bytes) -> str:
    """Words for what the bytes look like: "a PDF document", "text that begins 'hello'", "empty (0 bytes)"."""
    if not data:
        return "empty (0 bytes)"
    for offset, signature, words, _ in _SIGNATURES:
        if data.startswith(signature, offset):
            return words
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = start[:64].lower()
    if lowered.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page (often a server's error message saved under the file's name)"
    if lowered.startswith((b"<?xml", b"<svg")):
        return "an XML or SVG document"
    if not any(data[:64]):
        return "zeros only (an unfinished copy or download)"
    # The cut may have split a character, so an error in the last three bytes does not count.
    text = data[:64].decode("utf-8", errors="ignore")
    if text and text.isprintable() and len(text.encode()) >= min(len(data), 64) - 3:
        return f"text that begins {text[:24]!r}"
    if text and all(character.isprintable() or character in "\r\n\t" for character in text):
        return f"text that begins {text.split(chr(10))[0].strip()[:24]!r}"
    return f"bytes that begin {data[:8].hex(' ')}"
