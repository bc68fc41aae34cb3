"""The model leaves the code: it says a control token in letters, closes a code fence, or begins the file again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason

_CONTROL_TOKEN = re.compile(r"<\|[\w▁-]+\|>|<(fim_\w+|file_sep|repo_name|endoftext|EOT|/?s)>")
_FENCE = re.compile(r"```\w*$")
FIRST_LINES, FIRST_CHARS = 3, 30  # of the file, with which nothing but the file begins


def control_token(written: Written) -> Stop | None:
    """A token that should have come as a number; where the document has such text, it is only text."""
    found = _CONTROL_TOKEN.search(written.text) if "<" in written.text else None
    if found is None or found[0] in written.context.window.prefix or found[0] in written.context.window.suffix:
        return None
    return Stop(Reason.END_OF_TEXT, len(written.text[: found.start()].rstrip()))


def fence_is_closed(written: Written) -> Iterator[Stop]:
    window = written.context.window
    if "```" not in written.text or "```" in window.prefix or "```" in window.suffix:
        return
    fences = (line for line in written.lines if line.start and _FENCE.match(line.code))
    for line in fences:
        yield Stop(Reason.TALK, written.before(line))


def file_begins_again(written: Written) -> Iterator[Stop]:
    first = _first_lines(written.context.window.prefix)
    codes = [line.code for line in written.lines]
    if len(first) == FIRST_LINES and sum(map(len, first)) >= FIRST_CHARS and first[0] in codes:
        for index in range(len(codes) - FIRST_LINES + 1):
            if codes[index : index + FIRST_LINES] == first:
                yield Stop(Reason.STARTED_OVER, written.before(written.lines[index]))


@lru_cache(maxsize=8)
def _first_lines(text: str) -> list[str]:
    """Of a text that goes on behind them; the cursor's line is not among them."""
    lines = [line.strip() for line in text.split("\n", 5 * FIRST_LINES) if line.strip()]
    return lines[:FIRST_LINES] if len(lines) > FIRST_LINES else []
