"""Bytes that occur nowhere else, and the search for them: in every file of a lake, decoded, and in names of files."""

from __future__ import annotations

import base64
import io
import random
import string
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, PngImagePlugin

from headrace.storage.store import ObjectStore
from proofs.decoded_content import contents
from proofs.places import contents_of

__all__ = ["Canaries", "noise_picture", "token"]

_TOKEN_LETTERS = 24
_WORD = 8
_WINDOW_LETTERS = _WORD  # so that a text that was cut short is found as well
_WINDOW_BYTES = 16
_NUM_WINDOWS = 8
_PICTURE_HEAD, _PICTURE_TAIL = 100, 20  # bytes of a picture that others have too, and its comment
_GAP = b"\0\0\0\0"


def token(seed: str) -> str:
    """24 letters and digits that follow from the seed."""
    randomness = random.Random(seed)
    letters = string.ascii_letters + string.digits
    return randomness.choice(string.ascii_letters) + "".join(randomness.choices(letters, k=_TOKEN_LETTERS - 1))


def noise_picture(seed: str, comment: str) -> bytes:
    """A PNG whose pixels nobody can compress, with a comment that is not compressed."""
    randomness = random.Random(seed)
    width, height = randomness.randrange(7, 12), randomness.randrange(7, 12)
    image = Image.frombytes("RGB", (width, height), randomness.randbytes(3 * width * height))
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", comment)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


class Canaries:
    """Named canaries with all forms in which they may lie on a disk."""

    def __init__(self) -> None:
        self._forms: dict[str, tuple[bytes, ...]] = {}
        self._index: dict[int, list[tuple[str, bytes]]] | None = None  # by the first eight bytes of a form
        self._words = np.zeros(0, dtype=np.uint64)  # ascending

    @property
    def names(self) -> list[str]:
        return list(self._forms)

    def add_text(self, name: str, text: str) -> None:
        """In UTF-8 (also pieces of it), UTF-16, hex and base64, and with its case changed."""
        data = text.encode()
        windows = [data[start : start + _WINDOW_LETTERS] for start in range(0, len(data), _WINDOW_LETTERS)]
        forms = [*windows, data.lower(), data.upper(), text.encode("utf-16-le"), text.encode("utf-16-be")]
        self._forms[name] = (*forms, *_encoded(data))

    def add_bytes(self, name: str, data: bytes) -> None:
        """Windows all over it, as they are, in hex and in base64; of a picture only what its pixels decide."""
        start, end = (_PICTURE_HEAD, len(data) - _PICTURE_TAIL) if data.startswith(b"\x89PNG") else (0, len(data))
        step = max(1, (end - start - _WINDOW_BYTES) // _NUM_WINDOWS)
        windows = [data[place : place + _WINDOW_BYTES] for place in range(start, end - _WINDOW_BYTES + 1, step)]
        self._forms[name] = tuple(form for window in windows for form in (window, *_encoded(window)))

    def add_number(self, name: str, number: int) -> None:
        """64 bits of either byte order, and the decimal text."""
        self._forms[name] = (number.to_bytes(8, "little"), number.to_bytes(8, "big"), str(number).encode())

    def add_digest(self, name: str, digest: bytes) -> None:
        """All of it, and the first half, which keys of rows are made of."""
        half = digest[: len(digest) // 2]
        self._forms[name] = (digest, digest.hex().encode(), half.hex().encode())

    def found_in(self, data: bytes) -> list[str]:
        """Which of them the bytes hold, decoded or not."""
        whole = _GAP.join(contents(data))
        if self._index is None:
            self._index = {}
            for name, forms in self._forms.items():
                for form in forms:
                    self._index.setdefault(int.from_bytes(form[:_WORD], "little"), []).append((name, form))
            self._words = np.array(sorted(self._index), dtype=np.uint64)
        found: dict[str, None] = {}
        for shift in range(min(_WORD, len(whole) - _WORD + 1)):
            here = np.frombuffer(whole, dtype="<u8", offset=shift, count=(len(whole) - shift) // _WORD)
            places = np.minimum(np.searchsorted(self._words, here), len(self._words) - 1)
            for word in np.unique(here[self._words[places] == here]).tolist():
                found.update({name: None for name, form in self._index[word] if form in whole})
        return list(found)

    def search(self, store: ObjectStore, *, names: Iterable[str] | None = None) -> dict[str, list[str]]:
        """Place to the canaries in it: objects and keys, of a local lake files and folders, hidden ones too."""
        chosen = None if names is None else set(names)
        found: dict[str, list[str]] = {}
        for place, data in contents_of(store):
            both = dict.fromkeys([*self.found_in(place.encode()), *self.found_in(data)])
            if held := [name for name in both if chosen is None or name in chosen]:
                found[place] = held
        return found


def _encoded(data: bytes) -> Iterator[bytes]:
    yield data.hex().encode()
    yield data.hex().upper().encode()
    for shift in range(3):  # in base64 a byte's letters depend on what stands before it
        text = base64.b64encode(bytes(shift) + data)
        # The first letters depend on the bytes before, the last ones on the bytes behind.
        yield text[4 if shift else 0 : len(text) - 4]
