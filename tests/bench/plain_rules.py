"""What simple programs do, to compare with: stop never, at the first line end, or where the indentation falls."""

from __future__ import annotations

from collections.abc import Callable

from lsp_server.stopping.written import Stop, Written
from lsp_server.text import indent_of
from lsp_server.values import Reason


def never(_: Written) -> Stop | None:
    return None


def first_line_end(written: Written) -> Stop | None:
    """At the first line end behind something."""
    lead = len(written.text) - len(written.text.lstrip())
    end = written.text.find("\n", lead)
    if "\n" in written.text[:lead] and written.context.line_prefix.strip():
        return Stop(Reason.LINE_COMPLETE, 0)
    return Stop(Reason.LINE_COMPLETE, end) if lead < end else None


def indentation_falls(written: Written) -> Stop | None:
    """At the first line with less indentation than the cursor's."""
    limit = len(indent_of(written.context.line_prefix))
    for line in written.lines:
        if line.start and len(indent_of(line.text)) < limit:
            return Stop(Reason.DEDENT, written.before(line))
    return None


RULES_BY_NAME: dict[str, Callable[[Written], Stop | None]] = {
    "none": never,
    "line": first_line_end,
    "indent": indentation_falls,
}
