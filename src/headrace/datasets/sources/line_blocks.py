"""Text files in blocks of whole lines, checked for what no text file should hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from headrace.errors import InvalidInput

__all__ = ["LineBlock", "decode_block", "line_blocks"]

_READ_BYTES = 1 << 20
_MAX_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Whole lines; only the last one of the file may lack its line feed."""

    data: bytes
    first_line: int  # 1-based


def line_blocks(stream: BinaryIO, *, name: str) -> Iterator[LineBlock]:
    """Split a stream at line feeds into blocks of about 1 MiB; a UTF-8 byte order mark at the start is dropped.

    Raises:
        InvalidInput: A NUL byte, a line above 64 MiB, or UTF-16; with line and byte column (1-based).
    """
    first_line = 1
    pieces: list[bytes] = []  # of a line whose end was not seen yet
    pending = 0
    is_start = True
    while True:
        piece = stream.read(_READ_BYTES)
        if is_start:
            while 0 < len(piece) < 3 and (more := stream.read(_READ_BYTES)):
                piece += more
            if piece.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InvalidInput("is UTF-16; expected UTF-8, so save it as UTF-8", file=name, line=1, column=1)
            piece = piece.removeprefix(b"\xef\xbb\xbf")
            is_start = False
        end = piece.rfind(b"\n") + 1
        if piece and not end:
            pieces.append(piece)
            pending += len(piece)
            if pending > _MAX_LINE_BYTES:
                raise InvalidInput(
                    f"a line of more than {_MAX_LINE_BYTES >> 20} MiB; expected shorter lines. Is a quote never "
                    "closed, or is this no text?",
                    file=name,
                    line=first_line,
                )
            continue
        pieces.append(piece[:end])
        data = b"".join(pieces)
        if data:
            _refuse_nul(data, first_line, name=name)
            yield LineBlock(data, first_line)
            first_line += data.count(b"\n")
        if not piece:
            return
        pieces = [piece[end:]]
        pending = len(pieces[0])


def decode_block(block: LineBlock, *, name: str) -> str:
    """The block as text.

    Raises:
        InvalidInput: It is not UTF-8; with line and byte column.
    """
    try:
        return block.data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start
        line_start = block.data.rfind(b"\n", 0, at) + 1
        raise InvalidInput(
            f"byte 0x{block.data[at]:02x} is not valid UTF-8; expected UTF-8, so save the file as UTF-8",
            file=name,
            line=block.first_line + block.data.count(b"\n", 0, at),
            column=at - line_start + 1,
        ) from None


def _refuse_nul(data: bytes, first_line: int, *, name: str) -> None:
    at = data.find(b"\0")
    if at >= 0:
        line_start = data.rfind(b"\n", 0, at) + 1
        raise InvalidInput(
            "a NUL byte; expected text in UTF-8",
            file=name,
            line=first_line + data.count(b"\n", 0, at),
            column=at - line_start + 1,
        )
