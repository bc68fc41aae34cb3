"""One line was wanted: stop at its end."""

from __future__ import annotations

from lsp_server.stopping.written import CLOSER, Stop, Written, lines_below, width
from lsp_server.values import Reason, Shape


def line_is_complete(written: Written) -> Stop | None:
    """For a model that hardly ever ends by itself: the first line end does."""
    end = written.text.find("\n")
    if written.context.shape is not Shape.LINE or end < 0:
        return None
    return Stop(Reason.LINE_COMPLETE, end)


def nothing_is_missing(written: Written) -> Stop | None:
    """Behind a whole line the model begins a new one, though the line opens nothing that the document leaves empty."""
    context, below = written.context, lines_below(written.context.below)
    if not context.line_prefix.strip() or context.line_suffix.strip() or not below:
        return None
    if not written.text.lstrip(" \t\r").startswith("\n") or _is_open(written) or _closes_what_is_open(written):
        return None
    return Stop(Reason.NOTHING_MISSING, 0) if written.text.strip() or written.is_whole else None


def _is_open(written: Written) -> bool:
    """The line opens a block or a bracket, and what stands below is not inside of it."""
    here = width(written.context.line_prefix)
    opens = width(written.context.block_indent) > here or written.context.line_prefix.rstrip().endswith(("(", "[", "{"))
    return opens and width(lines_below(written.context.below)[0]) <= here


def _closes_what_is_open(written: Written) -> bool:
    """The new line is a closer, and the document is better off with it. One that is being written may be so yet."""
    if not CLOSER.match(written.text.lstrip()):
        return False
    line = next(iter(written.lines), None)
    return line is None or written.n_errors(line.start + len(line.text)) < written.n_errors(0)
