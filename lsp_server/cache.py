"""Answers that were given, for who types on in a suggestion: its rest is still right, and needs no model.

An answer depends on all of the document, on the cursor, and on what it was made with, so all of that is compared. The
document may have grown by a beginning of the suggestion, and by the closers that editors add behind an opened bracket
or quote; and closers that the suggestion replaces may have been typed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lsp_server.values import Completion, Reason, Snapshot, Window

CLOSERS = {"(": ")", "[": "]", "{": "}"}
QUOTES = "\"'`"
MAX_ADDED = 8  # closers that an editor may have added since
MAX_ANSWERS = 8
MAX_CHARS = 4_000_000  # of documents kept for comparison


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and all that it depended on."""

    snapshot: Snapshot
    made_with: object  # model, limits and the like, whatever can be compared
    completion: Completion | None
    reason: Reason | None = None  # why it is empty, or ends where it ends
    window: Window | None = None  # that the model saw
    source: str = "remembered"  # or "prefetched", or "typed-through"

    @property
    def emptied_by(self) -> Reason | None:
        return None if self.completion else self.reason


class Answers:
    """The last answers in one document."""

    def __init__(self) -> None:
        self._given: list[Given] = []

    def remember(self, given: Given) -> None:
        self._given.append(given)
        while len(self._given) > MAX_ANSWERS or self._n_chars() > MAX_CHARS:
            self._given.pop(0)

    def find(self, snapshot: Snapshot, made_with: object) -> Given | None:
        """The answer at this cursor, out of one that was given here or before something of it was typed."""
        for given in reversed(self._given):
            if given.made_with == made_with and (found := _seen_from(given, snapshot)):
                return found
        return None

    def _n_chars(self) -> int:
        """Of all but the last; documents are the same texts for as long as nobody edits them."""
        texts = [(given.snapshot.text, *given.snapshot.others) for given in self._given]
        older = {id(text): len(text) for some in texts[:-1] for text in some}
        return sum(n_chars for of, n_chars in older.items() if of not in set(map(id, texts[-1])))


def _seen_from(given: Given, snapshot: Snapshot) -> Given | None:
    if (given.snapshot.others, given.snapshot.indent_unit) != (snapshot.others, snapshot.indent_unit):
        return None
    if given.snapshot.offset == snapshot.offset and given.snapshot.text == snapshot.text:
        return given
    rest = given.completion and _rest(given.snapshot, given.completion, snapshot)
    return replace(given, snapshot=snapshot, completion=rest, source="typed-through") if rest else None


def _rest(before: Snapshot, completion: Completion, now: Snapshot) -> Completion | None:
    """What is still to be typed of the completion; None where something else was typed, or all of it."""
    typed = now.text[before.offset : now.offset].replace("\r\n", "\n")
    rest = completion.text[len(typed) :]
    if not typed or not completion.text.startswith(typed) or not rest.strip():
        return None
    n_replaced = completion.replace_until - before.offset
    n_added = len(now.text) - len(before.text) - (now.offset - before.offset)  # right of the cursor
    added, typed_over = now.text[now.offset : now.offset + max(n_added, 0)], max(-n_added, 0)
    fits = n_added <= MAX_ADDED and typed_over <= n_replaced and _closes(rest, added)
    if not fits or not _same_around(before, now, n_added):
        return None
    return Completion(rest, now.offset + n_added + n_replaced)


def _same_around(before: Snapshot, now: Snapshot, n_added: int) -> bool:
    left, right = before.text[: before.offset], before.text[before.offset + max(-n_added, 0) :]
    return now.text.startswith(left) and now.text[now.offset + max(n_added, 0) :] == right


def _closes(rest: str, added: str) -> bool:
    """Does the rest of a suggestion hold the closers that the editor added, so that they can give way to it?"""
    return not added or added in _closers_of(rest, len(added))


def _closers_of(rest: str, n_most: int) -> Iterator[str]:
    """What the text closes and did not open: its first such closer, its first two, and so on."""
    found, opened = "", ""
    for char in rest:
        if opened and char == opened[-1]:
            opened = opened[:-1]
        elif char in CLOSERS:
            opened += CLOSERS[char]
        elif not opened and (char in CLOSERS.values() or char in QUOTES):
            found += char
            yield found
        if len(found) == n_most:
            return
