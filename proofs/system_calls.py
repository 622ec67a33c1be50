"""What a program asked of the disk, recorded with strace: the calls themselves, not what we believe they are.

Only calls that change files or make them durable are kept, in the order in which they returned.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Call", "record", "strace_missing"]

_TRACED = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fsync,fdatasync,sync,syncfs,"
    "link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,sync_file_range,fallocate,"
    "copy_file_range,sendfile,mmap"
)
_UNSUPPORTED = {"pwrite64", "pwritev", "pwritev2", "truncate", "ftruncate", "fallocate", "copy_file_range", "rmdir"}
_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(.*)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"(?:^|, )(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that succeeded; paths are absolute."""

    name: str  # create, write, sync, link, rename, unlink, make_folder
    path: str
    target: str = ""  # of link and rename
    data: bytes = b""  # of write
    began: int = 0  # calls that had returned when this one was made; a sync covers no later ones


def strace_missing() -> str | None:
    """Why system calls cannot be recorded here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed (Debian: apt-get install strace)"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()[:100]}"


def record(command: Sequence[str], *, trace: Path, below: Path) -> list[Call]:
    """Run a program and return its calls on files below a folder, and its writes to /dev/null (its remarks).

    Raises:
        RuntimeError: The program failed, or made a call that changes files in a way the recorder does not know.
    """
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "10000000", "-e", f"trace={_TRACED}"]
    ran = subprocess.run([*strace, "-o", str(trace), "--", *command], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"the recorded program failed: {ran.stdout}{ran.stderr}")
    with trace.open(encoding="ascii") as lines:
        return list(_calls(lines, str(below)))


def _calls(lines: Iterator[str], below: str) -> Iterator[Call]:
    pending: dict[str, tuple[str, int]] = {}  # by thread: the beginning of its call
    count = 0
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = match.group(1), match.group(2)
        began = count
        if text.endswith(" <unfinished ...>"):
            pending[thread] = (text.removesuffix(" <unfinished ...>"), count)
            continue
        if text.startswith("<... "):
            start, began = pending.pop(thread)
            text = start + text.partition("resumed>")[2]
        call = _parse(text, below, began)
        if call is not None:
            count += 1
            yield call


def _parse(text: str, below: str, began: int) -> Call | None:
    match = _CALL.match(text)
    if match is None or match.group(3) == "?" or int(match.group(3)) < 0:
        return None
    name, arguments, returned = match.group(1), match.group(2), int(match.group(3))
    strings = [_text(found.group(1)) for found in _STRING.finditer(arguments)]
    opened = [_text(found.group(1)).decode() for found in _DESCRIPTOR.finditer(arguments)]
    is_cut = any(found.group(2) for found in _STRING.finditer(arguments))
    if name in ("sync", "syncfs"):
        raise RuntimeError(f"{name} makes everything durable, which hides what a commit forgot to sync")
    if name in ("write", "writev", "fsync", "fdatasync") or name in _UNSUPPORTED:
        path = opened[0] if opened else ""
        if path == "/dev/null" and name == "write":
            return Call("remark", path, data=b"".join(strings), began=began)
        if not _is_below(path, below):
            return None
        if name in _UNSUPPORTED or is_cut:
            raise RuntimeError(f"the recorder does not know how to replay: {text[:100]}")
        if name in ("write", "writev"):
            return Call("write", path, data=b"".join(strings)[:returned], began=began)
        return Call("sync", path, began=began)
    if name == "mmap":
        if "PROT_WRITE" in arguments and "MAP_SHARED" in arguments and any(_is_below(path, below) for path in opened):
            raise RuntimeError(f"the recorder does not know how to replay: {text[:100]}")
        return None
    paths = [_joined(opened, string.decode("utf-8", "replace")) for string in strings]
    if not paths or not any(_is_below(path, below) for path in paths):
        return None
    match name:
        case "open" | "openat" | "creat":
            if "O_TRUNC" in arguments:
                raise RuntimeError(f"the recorder does not know how to replay: {text[:100]}")
            return Call("create", paths[0], began=began) if "O_CREAT" in arguments else None
        case "link" | "linkat":
            return Call("link", paths[0], paths[1], began=began)
        case "rename" | "renameat" | "renameat2":
            return Call("rename", paths[0], paths[1], began=began)
        case "unlink" | "unlinkat":
            return Call("unlink", paths[0], began=began)
        case "mkdir" | "mkdirat":
            return Call("make_folder", paths[0], began=began)
    return None


def _text(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


def _joined(opened: list[str], path: str) -> str:
    return path if path.startswith("/") or not opened else f"{opened[0]}/{path}"


def _is_below(path: str, below: str) -> bool:
    return path == below or path.startswith(f"{below}/")
