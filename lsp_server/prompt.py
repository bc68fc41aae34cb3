"""From the window to the prompt: segments, not yet rendered in any family's order."""

from __future__ import annotations

import re

from lsp_server.values import FimPrompt, Window

# Nothing but closers right of the cursor: editors put them there the moment the bracket is opened.
AUTO_CLOSED = re.compile(r"\A[)\]}\"'`]+[ \t]*(?=\n|\Z)")


def fit(window: Window) -> FimPrompt:
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
        return FimPrompt(window.prefix[:-1], suffix, owed=" ")
    return FimPrompt(window.prefix, suffix)
