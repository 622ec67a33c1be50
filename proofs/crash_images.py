"""What a disk may hold after a power cut, by the letter of POSIX.

Durable is the content of a file at its last fsync, and the names of a folder at its last fsync. Of everything since,
any part may be there or not: names in any combination, files empty, cut off, or long enough but full of zeros. Real
file systems keep more order than this; a program that survives here does not depend on which one it runs on.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs.system_calls import Call

__all__ = ["DiskModel", "write_image"]


@dataclass(slots=True, eq=False)
class _File:
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


@dataclass(slots=True)
class _Change:
    """Of one name in one folder; `node` None: the name goes."""

    number: int  # of the call
    name: str
    node: _File | _Folder | None


@dataclass(slots=True, eq=False)
class _Folder:
    names: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)
    pending: list[_Change] = field(default_factory=list)

    def change(self, number: int, name: str, node: _File | _Folder | None) -> None:
        if node is None:
            del self.names[name]
        else:
            self.names[name] = node
        self.pending.append(_Change(number, name, node))

    def sync(self, began: int) -> None:
        """What had returned when the sync was made is durable."""
        for change in self.pending:
            if change.number < began:
                _apply(self.durable, change)
        self.pending = [change for change in self.pending if change.number >= began]


class DiskModel:
    """A folder, empty and durable at first, to which recorded calls are applied."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._top = _Folder()
        self._count = 0

    def apply(self, call: Call) -> None:
        """Take in the next call."""
        number = self._count
        self._count += 1
        if call.name == "remark":  # counted, because syncs say how many calls had returned before them
            return
        folder, name = self._find_folder(call.path)
        match call.name:
            case "create":
                if name not in folder.names:  # O_CREAT of a file that is there changes nothing
                    folder.change(number, name, _File())
            case "make_folder":
                folder.change(number, name, _Folder())
            case "write":
                self._file(call.path).content += call.data
            case "sync":
                node = self._node(call.path)
                if isinstance(node, _Folder):
                    node.sync(call.began)
                else:
                    node.durable = bytes(node.content)
            case "link" | "rename":
                target, target_name = self._find_folder(call.target)
                target.change(number, target_name, folder.names[name])
                if call.name == "rename":
                    folder.change(number, name, None)
            case "unlink":
                folder.change(number, name, None)
            case _:
                raise ValueError(f"unknown call {call.name}")

    def image(self, randomness: random.Random) -> dict[str, bytes | None]:
        """One disk that a power cut now may leave: path below the root to content, None for a folder."""
        kept = randomness.choice((0.0, 0.2, 0.5, 0.8, 1.0))  # the ends are likely and telling
        found: dict[str, bytes | None] = {}
        contents: dict[int, bytes] = {}  # a file with two names has one content
        waiting: list[tuple[str, _Folder]] = [("", self._top)]
        while waiting:
            path, folder = waiting.pop()
            names = dict(folder.durable)
            for change in folder.pending:
                if randomness.random() < kept:
                    _apply(names, change)
            for name, node in names.items():
                below = f"{path}/{name}" if path else name
                if isinstance(node, _Folder):
                    found[below] = None
                    waiting.append((below, node))
                else:
                    if id(node) not in contents:
                        contents[id(node)] = _content(node, kept, randomness)
                    found[below] = contents[id(node)]
        return found

    def _node(self, path: str) -> _File | _Folder:
        if path == self._root:
            return self._top
        folder, name = self._find_folder(path)
        return folder.names[name]

    def _file(self, path: str) -> _File:
        node = self._node(path)
        if isinstance(node, _Folder):
            raise TypeError(f"{path} is a folder")
        return node

    def _find_folder(self, path: str) -> tuple[_Folder, str]:
        folder = self._top
        *parents, name = os.path.relpath(path, self._root).split("/")
        for parent in parents:
            node = folder.names[parent]
            if not isinstance(node, _Folder):
                raise TypeError(f"{parent} of {path} is no folder")
            folder = node
        return folder, name


def write_image(image: dict[str, bytes | None], folder: Path) -> None:
    """Lay the image out in an empty folder."""
    for path in sorted(image):
        content = image[path]
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)


def _apply(names: dict[str, _File | _Folder], change: _Change) -> None:
    if change.node is None:
        names.pop(change.name, None)
    else:
        names[change.name] = change.node


def _content(file: _File, kept: float, randomness: random.Random) -> bytes:
    """Of a file that was only ever appended to."""
    written = bytes(file.content)
    if written == file.durable or kept == 0.0:
        return file.durable
    choices: Sequence[bytes] = (
        file.durable,
        written,
        written[: randomness.randrange(len(file.durable), len(written))],
        file.durable + bytes(len(written) - len(file.durable)),
    )
    return randomness.choice(choices)
