"""A model that loops writes the same thing until it is stopped."""

from __future__ import annotations

from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason

SAME_LINES = 3
# The same few characters five times over are a loop; one and the same character may be a ruler ("-----"), until it is
# longer than any line should be.
UNIT_CHARS = range(3, 61)
SAME_UNITS = 5
RULER_CHARS = 120


def loop(written: Written) -> Stop | None:
    """Keep what was said once."""
    return _same_lines(written) or _same_characters(written.text)


def _same_lines(written: Written) -> Stop | None:
    lines = [(start, line) for start, line in written.whole_lines() if line.strip()]
    tail = lines[-SAME_LINES:]
    if len(tail) < SAME_LINES or len({line.strip() for _, line in tail}) > 1:
        return None
    start, line = tail[0]
    return Stop(Reason.REPETITION, start + len(line))


def _same_characters(text: str) -> Stop | None:
    if text.endswith(text[-1:] * RULER_CHARS):
        return _once(text, 1) if text else None
    for n_chars in UNIT_CHARS:
        unit = text[-n_chars:]
        if text.endswith(unit * SAME_UNITS) and len(set(unit)) > 1:
            return _once(text, n_chars)
    return None


def _once(text: str, period: int) -> Stop:
    """Keep the first of the repetitions, wherever in it the text happens to end."""
    start = len(text) - period
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return Stop(Reason.REPETITION, start + period)
