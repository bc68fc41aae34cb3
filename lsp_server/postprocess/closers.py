"""Brackets and quotes that the editor closed right of the cursor are not closed twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lsp_server.postprocess.draft import Draft

OPENERS = {")": "(", "]": "[", "}": "{"}
QUOTES = "\"'`"
CLOSERS = ")]}>\"'`"


def reconcile_closers(draft: Draft) -> Draft:
    """What the brackets say, unless the document is better off with other closers, or fewer, giving way."""
    by_brackets = _by_brackets(draft)
    rest = draft.context.line_suffix
    n_closers = len(rest) - len(rest.lstrip(CLOSERS))
    if not n_closers:
        return by_brackets
    others = [replace(draft, n_replaced=n_replaced) for n_replaced in range(n_closers + 1)]
    return min((by_brackets, *others), key=Draft.n_errors)


def _by_brackets(draft: Draft) -> Draft:
    """Where the text closes what was opened left of the cursor, and the same closer stands right of it, one has to go.

    At the end of the text, the text's own: the suggestion is then a plain insertion. Further in, the document's: the
    text goes on behind it, so the edit takes it along.
    """
    matched: list[int] = []
    for index in _unmatched_closers(draft.context.line_prefix, draft.text):
        standing = draft.context.line_suffix[draft.n_replaced + len(matched) :][:1]
        if draft.text[index] != standing:
            break
        matched.append(index)
    if not matched:
        return draft
    at_the_end = range(len(draft.text) - len(matched), len(draft.text))
    if matched == list(at_the_end):
        return replace(draft, text=draft.text[: -len(matched)])
    return replace(draft, n_replaced=draft.n_replaced + len(matched))


def _unmatched_closers(line_prefix: str, text: str) -> Iterator[int]:
    """Offsets in `text` of the brackets and quotes that close something opened before it."""
    quote = _open_quote(line_prefix)
    opened: list[str] = []
    opened_by_text = False
    for index, char in _unescaped(text):
        if quote:
            if char == quote:
                if not opened_by_text:
                    yield index
                quote, opened_by_text = "", False
        elif char in QUOTES:
            quote, opened_by_text = char, True
        elif char in OPENERS.values():
            opened.append(char)
        elif char in OPENERS:
            if opened and opened[-1] == OPENERS[char]:
                opened.pop()
            else:
                yield index


def _open_quote(line_prefix: str) -> str:
    """The quote of the string that the cursor is in, as far as the line tells; "" outside."""
    quote = ""
    for _, char in _unescaped(line_prefix):
        if char == quote:
            quote = ""
        elif not quote and char in QUOTES:
            quote = char
    return quote


def _unescaped(text: str) -> Iterator[tuple[int, str]]:
    skip = False
    for index, char in enumerate(text):
        if skip:
            skip = False
        elif char == "\\":
            skip = True
        else:
            yield index, char
