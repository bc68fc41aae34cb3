"""The text of an answer as it comes: less what was owed, and only up to the first control token, spelled out or not."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.backends.dialect import Said
from lsp_server.backends.rendering import Rearmed
from lsp_server.values import Piece


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a text beside the model's own word: control tokens, as ids or spelled out."""

    ids: frozenset[int] = frozenset()
    texts: tuple[str, ...] = ()


class Writing:
    """The state of one answer."""

    def __init__(self, ends: Ends, owed: str, rearmed: Rearmed | None) -> None:
        self.ended = False
        self._ends = ends
        self._owed = owed
        self._rearmed = rearmed
        self._held = ""  # perhaps the beginning of a control token

    def take(self, said: Said) -> Piece | None:
        """The new text in a chunk, if any can be told yet."""
        text = said.text
        if not self._ends.ids.isdisjoint(said.token_ids):
            text, self.ended = "", True
        text = self._cut(self._held + text)
        self.ended = self.ended or said.ended
        self._held = "" if self.ended else self._beginning_of_an_end(text)
        text = text[: len(text) - len(self._held)]
        # Only now: what came back disarmed is the user's text, and no control token.
        text = self._paid(self._rearmed(text) if self._rearmed else text)
        return Piece(text, said.probability) if text else None

    def _paid(self, text: str) -> str:
        n_paid = min(len(self._owed), len(text))
        self._owed = self._owed[n_paid:]
        return text[n_paid:]

    def _cut(self, text: str) -> str:
        places = [place for end in self._ends.texts if (place := text.find(end)) >= 0]
        if not places:
            return text
        self.ended = True
        return text[: min(places)]

    def _beginning_of_an_end(self, text: str) -> str:
        lengths = range(min(len(text), max(map(len, self._ends.texts), default=1) - 1), 0, -1)
        tails = (text[-length:] for length in lengths)
        return next((tail for tail in tails if any(end.startswith(tail) for end in self._ends.texts)), "")
