"""How the user called this program, so that suggested commands can be pasted as they are."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

__all__ = ["command_line", "program_name"]


def program_name() -> str:
    """ "headrace" where that finds this script, else the path that was typed."""
    typed = sys.argv[0] if sys.argv else ""
    if typed.endswith(os.path.join("headrace", "cli", "__main__.py")):
        return f"{shlex.quote(sys.executable)} -m headrace.cli"
    found = shutil.which("headrace")
    if os.path.basename(typed) != "headrace" or (found and os.path.exists(typed) and os.path.samefile(found, typed)):
        return "headrace"
    return shlex.quote(typed)


def command_line(*words: str) -> str:
    """One line for a shell that runs this program with these words."""
    return " ".join([program_name(), *(shlex.quote(word) for word in words)])
