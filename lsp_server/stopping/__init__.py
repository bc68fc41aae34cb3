"""The rules that run while the model writes. The first that fires ends the stream, so the order is that of trust."""

from __future__ import annotations

from collections.abc import Callable

from lsp_server.stopping.blank_lines import blank_lines_leave_the_block
from lsp_server.stopping.dedent import dedent_below_block
from lsp_server.stopping.limits import time_limit, token_limit
from lsp_server.stopping.line import line_is_complete
from lsp_server.stopping.repetition import loop
from lsp_server.stopping.suffix import suffix_is_reached
from lsp_server.stopping.written import Stop, Written

RULES: tuple[Callable[[Written], Stop | None], ...] = (
    line_is_complete,
    suffix_is_reached,
    dedent_below_block,
    blank_lines_leave_the_block,
    loop,
    token_limit,
    time_limit,
)


def first_stop(written: Written) -> Stop | None:
    return next((stop for rule in RULES if (stop := rule(written))), None)
