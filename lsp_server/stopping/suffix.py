"""The model came to what stands below the cursor already."""

from __future__ import annotations

from lsp_server.stopping.written import Stop, Written
from lsp_server.text import indent_of
from lsp_server.values import Reason

# Shorter lines ("}", "pass", ")") recur everywhere and tell only together with their indentation.
MIN_TELLING_CHARS = 4


def suffix_is_reached(written: Written) -> Stop | None:
    """A whole new line equals the next line of the document, at any indentation if it is long enough to tell."""
    expected = next((line for line in written.context.below.split("\n", 50) if line.strip()), None)
    if expected is None:
        return None
    for start, line in written.whole_lines()[1:]:
        if line.strip() == expected.strip() and _tells(line, expected):
            return Stop(Reason.SUFFIX_REACHED, written.before(start))
    return None


def _tells(line: str, expected: str) -> bool:
    return len(expected.strip()) > MIN_TELLING_CHARS or indent_of(line) == indent_of(expected)
