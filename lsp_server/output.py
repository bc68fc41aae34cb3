"""Printing for people, whatever their output can show."""

from __future__ import annotations

import sys

# For outputs that cannot show what we draw, as redirected ones on Windows.
PLAIN = str.maketrans("┃│✓✗·–…█░", "||+x,-.#.")


def say(text: str) -> None:
    """Print to stdout, in plainer signs where it cannot show ours, and to nowhere where there is none."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    print(text)


def complain(text: str) -> None:
    """One sentence on stderr."""
    print(f"infill-ls: {text}", file=sys.stderr)
