"""From the window to the prompt: segments, not yet rendered in any family's order."""

from __future__ import annotations

from lsp_server.values import FimPrompt, Window


def fit(window: Window) -> FimPrompt:
    """Heal the seam at the cursor and hand the segments over; the window is within the budget already.

    In byte-pair vocabularies a space belongs to the word behind it (" return" is one token), so a prompt that ends in a
    space asks for something that training text hardly ever holds. The space is taken back and the first new token has
    to bring it along (token healing, as in Microsoft's guidance). Where token ids are sent, whole words half typed are
    healed too, see backends/encoding.py.
    """
    if window.prefix.endswith(" "):
        return FimPrompt(window.prefix[:-1], window.suffix, owed=" ")
    return FimPrompt(window.prefix, window.suffix)
