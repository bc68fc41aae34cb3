"""What the editor was given, by id, so that what became of it can be known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from lsprotocol import types

ACCEPTED = "infill.accepted"
N_REMEMBERED = 64  # an editor may ask anew before it says that it took the one before


@dataclass(frozen=True, slots=True)
class Offer:
    """One suggestion, as it was rendered: `document[start:end]` gives way to `text`."""

    id: str
    uri: str
    start: int
    end: int
    text: str

    @property
    def command(self) -> types.Command:
        """What the editor calls when the suggestion is taken."""
        return types.Command("Suggestion accepted", ACCEPTED, arguments=[self.id])


class Offers:
    """Those of one session, the last of them."""

    def __init__(self) -> None:
        self._by_id: dict[str, Offer] = {}
        self._numbers = count(1)

    def make(self, uri: str, start: int, end: int, text: str) -> Offer:
        offer = Offer(str(next(self._numbers)), uri, start, end, text)
        self._by_id[offer.id] = offer
        if len(self._by_id) > N_REMEMBERED:
            del self._by_id[next(iter(self._by_id))]
        return offer

    def accepted(self, offer_id: str) -> Offer | None:
        """The suggestion that was taken; None where it was taken before, or is not remembered."""
        return self._by_id.pop(offer_id, None)
