"""Blank lines end a block: one at the top level, two in a row further in."""

from __future__ import annotations

from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason, Shape


def blank_lines_leave_the_block(written: Written) -> Stop | None:
    if written.context.shape is not Shape.BLOCK:
        return None
    allowed = 1 if written.context.block_indent else 0
    n_blank = 0
    for start, line in written.whole_lines()[1:]:
        n_blank = 0 if line.strip() else n_blank + 1
        if n_blank > allowed:
            return Stop(Reason.BLANK_LINES, written.before(start))
    return None
