"""A block was wanted: stop where the indentation falls below it."""

from __future__ import annotations

import re

from lsp_server.stopping.written import Stop, Written
from lsp_server.text import indent_of
from lsp_server.values import Reason, Shape

CLOSERS_ONLY = re.compile(r"\s*[)\]}]+[;,]?\s*")
TAB_WIDTH = 8


def dedent_below_block(written: Written) -> Stop | None:
    """The line that closes a bracketed block belongs to it, unless it stands below the cursor already."""
    if written.context.shape is not Shape.BLOCK:
        return None
    limit = _width(written.context.block_indent)
    for start, line in written.lines()[1:]:
        if not line.strip() or _width(indent_of(line)) >= limit:
            continue
        if not CLOSERS_ONLY.fullmatch(line) or _stands_below(line, written.context.below):
            return Stop(Reason.DEDENT, written.before(start))
        is_last = start + len(line) == len(written.text)
        if is_last and not written.is_whole:
            return None  # more may follow on this line, as in "} else {"
        return Stop(Reason.DEDENT, start + len(line.rstrip()))
    return None


def _stands_below(closer: str, below: str) -> bool:
    next_line = next((line for line in below.split("\n", 20) if line.strip()), "")
    return next_line.strip().startswith(closer.strip()) and indent_of(next_line) == indent_of(closer)


def _width(indent: str) -> int:
    return len(indent.expandtabs(TAB_WIDTH))
