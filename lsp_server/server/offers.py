"""What the editor was given, and the one that stands in a document now, while what is typed agrees with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsprotocol import types

ACCEPTED = "infill.accepted"
# What editors insert of their own accord when one key is typed.
PAIRS = ("()", "[]", "{}", '""', "''", "``", "<>")
_INSIDE_A_WORD = re.compile(r"\w\w")


@dataclass(frozen=True, slots=True)
class Offer:
    """One suggestion: `text`, to be written at the offset `start` of the document."""

    id: str
    uri: str
    start: int
    text: str
    language_id: str
    model: str
    lead: str = ""  # what the item's text begins with before that, since it is written for more of the line

    @property
    def command(self) -> types.Command:
        """What the editor calls when the suggestion is taken."""
        return types.Command("Suggestion accepted", ACCEPTED, arguments=[self.id])

    def is_part(self, n_utf16: int) -> bool:
        """Whether so many UTF-16 units of the item's text are some of the suggestion, and not all of it."""
        return _n_utf16(self.lead) < n_utf16 < _n_utf16(self.lead + self.text)


@dataclass(frozen=True, slots=True)
class Edit:
    """`document[start:end]` gave way to `text`."""

    start: int
    end: int
    text: str

    @staticmethod
    def least(document: str, start: int, end: int, text: str) -> Edit:
        """Without what it leaves as it was: some editors send the whole document for each key."""
        replaced = document[start:end]
        before = n_common(replaced, text)
        after = n_common(replaced[before:][::-1], text[before:][::-1])
        return Edit(start + before, end - after, text[before : len(text) - after])

    @property
    def n_longer(self) -> int:
        return len(self.text) - (self.end - self.start)


@dataclass(slots=True)
class Standing:
    """The offer that a document's editor shows, followed through the edits."""

    offer: Offer
    start: int
    n_written: int = 0  # characters of it that stand in the document by now, typed or taken
    n_before: int = 0  # the same before the last of them came
    is_partly_taken: bool = False

    @property
    def rest(self) -> str:
        return self.offer.text[self.n_written :]

    def goes_on_in(self, offer: Offer) -> bool:
        """Whether a later offer is this one, as far as it is not written yet."""
        starts_alike = self.rest.startswith(offer.text) or offer.text.startswith(self.rest)
        return bool(self.rest) and starts_alike and offer.start == self.start + self.n_written

    def follow(self, edit: Edit) -> int | None:
        """How many characters of it the edit took at once, 0 where it was typed; None: nothing is left to show."""
        at = self.start + self.n_written
        if edit.start == at and edit.text and self.rest.startswith(edit.text):
            is_taken = edit.end == at and _looks_taken(edit.text, self.rest)
            self.n_before, self.n_written = self.n_written, self.n_written + len(edit.text)
            return len(edit.text) if is_taken else 0
        if edit.start == edit.end == at and edit.text in PAIRS and self.rest.startswith(edit.text[0]):
            self.n_before, self.n_written = self.n_written, self.n_written + 1
            return 0
        if edit.end <= self.start and edit.start < at:
            self.start += edit.n_longer
            return 0
        return 0 if edit.start > at else None


def _looks_taken(text: str, rest: str) -> bool:
    """Words that came all at once; keys come one by one, but for line ends with their indentation, and for pairs."""
    n = len(text)
    comes_at_once = len(text.strip()) > 1 and text not in PAIRS
    return comes_at_once and n < len(rest) and not _INSIDE_A_WORD.match(rest, n - 1)


def n_common(first: str, second: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first.startswith(second[low:middle], low) else (low, middle - 1)
    return low


def _n_utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
