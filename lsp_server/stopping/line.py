"""One line was wanted: stop at its end."""

from __future__ import annotations

from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason, Shape


def line_is_complete(written: Written) -> Stop | None:
    end = written.text.find("\n")
    if written.context.shape is not Shape.LINE or end < 0:
        return None
    return Stop(Reason.LINE_COMPLETE, end)
