"""Every Python block of the README and the docs runs, in order, each page in a folder of its own.

A block that cannot run says why in a comment right before it:

    <!-- not run: needs a bucket -->

A block inside of an HTML comment is not shown to readers, and runs like the others: the place for making the
files that a page talks about.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if "_build" not in path.parts)
FENCE = re.compile(r"^(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<language>.*?)\s*$")
REASON = re.compile(r"^\s*<!--\s*not run:(?P<reason>.*?)-->\s*$")
LOOKS_LIKE_PYTHON = re.compile(r"^(py|python3|pycon|ipython3?|\{code(-block)?\}\s*py\w*|\{doctest\}|python\s.*)$", re.I)


@dataclass(frozen=True, slots=True)
class Block:
    """`line` is that of the first line of code, 1-based."""

    line: int
    code: str
    reason: str | None  # why it does not run; "" when the comment forgot to say


def python_blocks(text: str) -> list[Block]:
    """All Python blocks of a Markdown page, also those in lists and in HTML comments."""
    blocks = []
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        opening = FENCE.match(lines[position])
        if opening is None:
            position += 1
            continue
        indent, fence, language = opening["indent"], opening["fence"], opening["language"]
        end = position + 1
        while end < len(lines) and not re.fullmatch(rf"\s*{re.escape(fence[0])}{{{len(fence)},}}\s*", lines[end]):
            end += 1
        if LOOKS_LIKE_PYTHON.match(language):
            raise ValueError(f"line {position + 1}: write ```python, not {language!r}, so that the block is tested")
        if language == "python":
            before = position - 1
            while before >= 0 and not lines[before].strip():
                before -= 1
            said = REASON.match(lines[before]) if before >= 0 else None
            code = "\n".join(line.removeprefix(indent) for line in lines[position + 1 : end]) + "\n"
            blocks.append(Block(position + 2, code, said["reason"].strip() if said else None))
        position = end + 1
    return blocks


def script(blocks: list[Block]) -> str:
    """The blocks as one program whose line numbers are the page's."""
    lines: list[str] = []
    for block in blocks:
        if block.reason is None:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.code.splitlines()
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_of_page_run(page: Path, tmp_path: Path) -> None:
    blocks = python_blocks(page.read_text(encoding="utf-8"))
    assert [block.line for block in blocks if block.reason == ""] == [], "`not run:` needs a reason"
    if all(block.reason is not None for block in blocks):
        return
    program = tmp_path / page.with_suffix(".py").name
    program.write_text(script(blocks), encoding="utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{page.relative_to(ROOT)} (line numbers are the page's)\n{run.stdout}\n{run.stderr}"


def test_blocks_keep_their_line_numbers() -> None:
    page = "# Title\n\n```python\na = 1\n```\n\ntext\n\n```python\nb = a\n```\n"
    assert script(python_blocks(page)) == "\n\n\na = 1\n\n\n\n\n\nb = a\n"


def test_block_with_reason_is_left_out() -> None:
    page = "<!-- not run: needs a bucket -->\n\n```python\nraise SystemExit(1)\n```\n"
    (block,) = python_blocks(page)
    assert block.reason == "needs a bucket"
    assert script([block]).strip() == ""


def test_block_without_reason_runs() -> None:
    (block,) = python_blocks("<!-- a comment -->\n```python\nx = 1\n```\n")
    assert block.reason is None


def test_block_in_list_loses_its_indent() -> None:
    (block,) = python_blocks("- first\n\n  ```python\n  if True:\n      x = 1\n  ```\n")
    assert block.code == "if True:\n    x = 1\n"


def test_block_in_comment_runs() -> None:
    (block,) = python_blocks("<!--\n```python\nx = 1\n```\n-->\n")
    assert block.reason is None


def test_block_inside_longer_fence_is_text() -> None:
    assert python_blocks("````text\n```python\nx = 1\n```\n````\n") == []


@pytest.mark.parametrize("language", ["py", "python3", "pycon", "{code-block} python", "python {linenos}", "Python x"])
def test_disguised_python_block_is_refused(language: str) -> None:
    with pytest.raises(ValueError, match="write ```python"):
        python_blocks(f"```{language}\nx = 1\n```\n")
