"""From the window to the prompt: segments, not yet rendered in any family's order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsp_server.text import with_plain_line_ends
from lsp_server.values import FimPrompt, OpenFiles, Snapshot, Window

# Of the open files, in characters. A long document is cut in steps, so that most keys leave the cut where it is.
MAX_ABOVE, MAX_BELOW, MAX_OTHERS = 120_000, 60_000, 60_000
STEP = 20_000
CHARS_PER_TOKEN = 3  # a low estimate, since who counts exactly has a vocabulary and no place for other files

# Nothing but closers right of the cursor: editors put them there the moment the bracket is opened.
AUTO_CLOSED = re.compile(r"\A[)\]}\"'`]+[ \t]*(?=\n|\Z)")


def fit(window: Window, files: OpenFiles | None = None, extra: tuple[str, ...] = ()) -> FimPrompt:
    """Heal the seam at the cursor and hand the segments over; the window is within the budget already.

    In byte-pair vocabularies a space belongs to the word behind it (" return" is one token), so a prompt that ends in a
    space asks for something that training text hardly ever holds. The space is taken back and the first new token has
    to bring it along (token healing, as in Microsoft's guidance). Where token ids are sent, whole words half typed are
    healed too, see backends/encoding.py.

    Closers that an editor added are left out: the model writes them itself, and postprocess/ sees to it that they stand
    there once. So opening a bracket does not change the suffix, on which all that was evaluated may depend.
    """
    suffix = AUTO_CLOSED.sub("", window.suffix)
    if window.prefix.endswith(" "):
        return FimPrompt(window.prefix[:-1], suffix, owed=" ", files=files, extra=extra)
    return FimPrompt(window.prefix, suffix, files=files, extra=extra)


def fitting(others: Sequence[str], n_tokens: int) -> tuple[str, ...]:
    """Those of the other files, the first of them most useful, for which there is room, whole; the first comes last."""
    kept: list[str] = []
    room = n_tokens * CHARS_PER_TOKEN
    for other in others:
        if 0 < len(other) <= room:
            room -= len(other)
            kept.insert(0, with_plain_line_ends(other))
    return tuple(kept)


def open_files(snapshot: Snapshot) -> OpenFiles:
    """The text around the cursor, far beyond the window, and the beginnings of the other open documents."""
    text, offset = snapshot.text, snapshot.offset
    start = max(0, (offset - MAX_ABOVE) // STEP * STEP)
    n_behind = max(0, (len(text) - offset - MAX_BELOW) // STEP * STEP)
    others, room = [], MAX_OTHERS
    for other in snapshot.others:
        others.append(with_plain_line_ends(other[:room]))
        room -= len(others[-1])
    above, below = text[start:offset], text[offset : len(text) - n_behind]
    return OpenFiles(with_plain_line_ends(above), with_plain_line_ends(below), tuple(filter(None, others)))
