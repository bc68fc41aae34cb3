"""A stop was in doubt, and the text went on to an end of its own: did what stands behind the stop belong there?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from lsp_server.stopping.suffix import leaves_the_suffix
from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Reason

NEAR_CHARS = 3_000  # before and after the cursor, whose words are known
KNOWN_SHARE, KNOWN_WORDS = 0.6, 2
# In a name: get_user, getUser and USER_ID have "user".
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}(?![a-z])|[^\W\d_a-zA-Z]{2,}")
# Of any language, so they tell nothing of this document.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "abstract and assert async await bool boolean break case catch char class const continue def default defer del"
        " do double elif else elseif elsif end ensure enum except export extends extern false final finally float fn"
        " for from func function get global if impl implements import in include int interface internal is lambda len"
        " let local long match mod module mut namespace new nil none not null number object or override package pass"
        " private protected pub public raise readonly ref require rescue return self set sizeof static str string"
        " struct super switch then this throw throws trait true try type typedef typeof undefined union unsafe use"
        " using val var void when where while with yield",
    )
)


def is_at_home(written: Written, doubt: Stop, doubts: Iterable[Stop], end: int) -> bool:
    """Does the text behind the doubt belong to the document after all, when it ends at `end`?"""
    if written.harm(end) > written.harm(doubt.keep):
        return False
    if doubt.reason is Reason.SUFFIX_REACHED:
        return leaves_the_suffix(written, doubt.keep, end)
    next_keep = (other.keep for other in doubts if other.keep > doubt.keep and other.reason is doubt.reason)
    return speaks_of_the_document(written, doubt.keep, min(next(next_keep, end), end))


def speaks_of_the_document(written: Written, start: int, end: int) -> bool:
    """The author's next definition has the document's words in it; any other is the model's own idea."""
    window = written.context.window
    near = window.prefix[-NEAR_CHARS:], window.suffix[:NEAR_CHARS], written.text[:start]
    known = frozenset(word for text in near for word in _words(text))
    words = _words(written.text[start:end])
    share = sum(word in known for word in words) / (len(words) or 1)
    return share >= KNOWN_SHARE and len(known.intersection(words)) >= KNOWN_WORDS


@lru_cache(maxsize=16)
def _words(text: str) -> tuple[str, ...]:
    words = (found.lower() for found in _WORD.findall(text))
    return tuple(word.removesuffix("s") for word in words if word not in _COMMON)
