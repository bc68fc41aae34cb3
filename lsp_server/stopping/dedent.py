"""The indentation falls below the block at the cursor: what the block was waiting for, or something else?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lsp_server.stopping.likeness import likeness
from lsp_server.stopping.written import CLOSER, Line, Stop, Written, lines_below, width
from lsp_server.values import Reason

_GOES_ON = re.compile(r"(else|elif|elsif|elseif|except|finally|catch|rescue|ensure|case|when|default)\b")
SAME = 0.8


def dedent_below_block(written: Written) -> Iterator[Stop]:
    """A line left of the block ends it, but for closers that the block still needs and branches of its statement."""
    limit = written.base
    below = lines_below(written.context.below)
    for line in written.lines:
        if not line.start or line.width >= limit:
            continue
        if not _is_wanted(line, below):
            yield Stop(Reason.DEDENT, written.before(line))
            return
        limit = line.width


def _is_wanted(line: Line, below: Sequence[str]) -> bool:
    """What closes or goes on with a block is wanted unless the document has it below."""
    standing = next((other.strip() for other in below if width(other) <= line.width), "")
    if CLOSER.match(line.code):
        return not CLOSER.match(standing)
    return bool(_GOES_ON.match(line.code)) and likeness(line.code, standing) < SAME
