"""One step of indentation, as an editor or the project's .editorconfig files say it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from editorconfig import get_properties

MAX_WIDTH = 16
MAX_BYTES = 1 << 16
MAX_STARS, MAX_BRACES = 4, 6  # of one pattern
FILE = ".editorconfig"
_STARS = re.compile(r"\*+")


def unit_of(width: object, with_spaces: bool) -> str:
    """The step as it is typed; "" for a width that is none."""
    if not with_spaces:
        return "\t"
    return " " * width if type(width) is int and 1 <= width <= MAX_WIDTH else ""


def project_unit(path: str) -> str:
    """What .editorconfig files above the file at `path` (https://editorconfig.org) want; "" where none says it.

    Reads every such file up to the one that is marked as the root. What cannot be read says nothing.
    """
    if not os.path.isabs(path) or not all(_is_harmless(folder / FILE) for folder in Path(path).parents):
        return ""
    try:
        wanted = get_properties(path)
    except Exception:  # beside its own errors, whatever the patterns of a strange file lead to
        return ""
    style, width = wanted.get("indent_style"), wanted.get("indent_size", "")
    if style not in ("tab", "space"):
        return ""
    return unit_of(int(width) if width.isdecimal() and len(width) < 4 else 0, style == "space")


def _is_harmless(path: Path) -> bool:
    """Whoever wrote the project must not keep us waiting: no pipes, no devices, nothing huge, no endless matching."""
    try:
        if not path.exists():
            return True
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return True  # the library cannot read it either
    return all(map(_matches_soon, (line for line in lines if line.lstrip().startswith("["))))


def _matches_soon(section: str) -> bool:
    """The library makes a regular expression of the pattern, whose time grows with each wildcard behind another."""
    if section.count("{") > MAX_BRACES:
        return False
    if len(_STARS.findall(section)) <= MAX_STARS:
        return True
    alternatives = section.split(",")
    return section.count("{") == 1 and all(2 * len(_STARS.findall(one)) <= MAX_STARS for one in alternatives)
