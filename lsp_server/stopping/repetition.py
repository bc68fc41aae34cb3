"""A model that loops writes the same thing until it is stopped, or the same thing with the next number in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lsp_server.stopping.written import CLOSER, Line, Stop, Written
from lsp_server.values import Reason

SAME_BLOCKS = 3  # of the same lines: the third is no chance
COUNTED_BLOCKS = 5  # of lines that differ by a number only
BLOCK_LINES = range(1, 13)
# The same few characters five times over are a loop; one and the same character may be a ruler ("-----"), until it is
# longer than any line should be.
UNIT_CHARS = range(3, 61)
SAME_UNITS = 5
RULER_CHARS = 120
_NUMBER = re.compile(r"\d+")


def lines_repeat(written: Written) -> Iterator[Stop]:
    """Keep what was said once. What stands left of the cursor may be repeated, or only what was written behind it."""
    whole = [_key(line) for line in written.lines]
    begun = written.context.line_prefix.strip()
    added = [written.added(line) for line in written.lines[:1]] + whole[1:] if begun else whole
    for codes in (added, whole):
        yield from _blocks(written, codes, SAME_BLOCKS)
        yield from _blocks(written, [_NUMBER.sub("", code) for code in codes], COUNTED_BLOCKS)


def _key(line: Line) -> str:
    """What two lines have in common that are the same. Of closers, each indentation has its own."""
    return f"{line.width} {line.code}" if CLOSER.match(line.code) else line.code


def _blocks(written: Written, codes: list[str], n_blocks: int) -> Iterator[Stop]:
    """The last lines are `n_blocks` times the same block: keep the first."""
    for n_lines in BLOCK_LINES:
        if n_lines * n_blocks > len(codes):
            return
        if codes[-n_lines:] * n_blocks == codes[-n_lines * n_blocks :]:
            first = _earliest(codes, n_lines)
            yield Stop(Reason.REPETITION, _end(written, written.lines[first + n_lines - 1]))
            return


def _earliest(codes: Sequence[str], period: int) -> int:
    """Where the first of the repetitions begins."""
    start = len(codes) - period
    while start > 0 and codes[start - 1] == codes[start - 1 + period]:
        start -= 1
    return start


def _end(written: Written, line: Line) -> int:
    end = written.text.find("\n", line.start)
    return len(written.text[: end if end >= 0 else None].rstrip())


def characters_repeat(written: Written) -> Stop | None:
    """The same few characters over and over, within a line."""
    line_start = written.text.rfind("\n") + 1
    line = written.text[line_start:]
    period = _period(line)
    return Stop(Reason.REPETITION, line_start + _earliest(line, period) + period) if period else None


def _period(line: str) -> int:
    """After how many characters the end of the line repeats itself; 0 where it does not."""
    if line and line.endswith(line[-1] * RULER_CHARS):
        return 1
    units = (n_chars for n_chars in UNIT_CHARS if line.endswith(line[-n_chars:] * SAME_UNITS))
    return next((n_chars for n_chars in units if len(set(line[-n_chars:])) > 1), 0)
