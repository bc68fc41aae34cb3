"""What became of the suggestions of one session: shown, taken, taken in part, kept. Numbers only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import uuid4

from lsp_server.server.documents import Documents
from lsp_server.server.kept import Kept
from lsp_server.server.offers import Edit, Offer, Standing
from lsp_server.usage import latency

N_REMEMBERED = 64  # an editor may ask anew before it says that it took the one before
KEPT_AFTER_S = 30.0

Count: TypeAlias = Callable[[str, str, Mapping[str, int]], None]  # language, model, what happened → how often


class Tracker:
    """The offers by id, and the one that stands in each document. Lives on the event loop's thread."""

    def __init__(self, documents: Documents, count: Count) -> None:
        self._documents = documents
        self._count = count
        self._by_id: dict[str, Offer] = {}
        self._standing: dict[str, Standing] = {}  # by URI
        self._watched: dict[str, list[_Watch]] = {}  # by URI

    def offer(
        self, uri: str, start: int, text: str, language_id: str, model: str, took_ms: float, lead: str = ""
    ) -> Offer:
        """Remember what the editor is given. The rest of what it shows already is no other suggestion."""
        offer = self.choice(uri, start, text, language_id, model, lead)
        self._count(language_id, model, {latency(took_ms): 1})
        former = self._standing.get(uri)
        if former and former.goes_on_in(offer):
            self._standing[uri] = Standing(offer, start, is_partly_taken=former.is_partly_taken)
        else:
            self._standing[uri] = Standing(offer, start)
            self._add(offer, shown=1)
        return offer

    def choice(self, uri: str, start: int, text: str, language_id: str, model: str, lead: str = "") -> Offer:
        """What the editor is given beside the suggestion that it shows, for who turns to it."""
        offer = Offer(str(uuid4()), uri, start, text, language_id, model, lead)
        self._by_id[offer.id] = offer
        if len(self._by_id) > N_REMEMBERED:
            del self._by_id[next(iter(self._by_id))]
        return offer

    def accepted(self, offer_id: str) -> None:
        """All of it stands in its document; nothing happens where it is not remembered."""
        if offer := self._by_id.pop(offer_id, None):
            standing = self._standing.pop(offer.uri, None)
            is_it = standing is not None and standing.offer is offer and not standing.rest
            start, n_typed = (standing.start, standing.n_before) if standing and is_it else (offer.start, 0)
            self._add(offer, accepted=1)
            document = self._documents.get(offer.uri)
            if document and document.document.text.startswith(offer.text, start):
                self._watch(offer, start + n_typed, len(offer.text) - n_typed)

    def partly_accepted(self, offer_id: str, n_utf16: int) -> None:
        """So much of the item's text was taken; its edit may have told so already."""
        offer = self._by_id.get(offer_id)
        standing = self._standing.get(offer.uri) if offer else None
        if offer and standing and standing.offer is offer and offer.is_part(n_utf16):
            self._took_part_of(standing)

    def forget(self, offer_id: str) -> None:
        """The user does not want it."""
        offer = self._by_id.pop(offer_id, None)
        standing = self._standing.get(offer.uri) if offer else None
        if standing and standing.offer is offer:
            del self._standing[standing.offer.uri]

    def edited(self, uri: str, document: str, start: int, end: int, text: str) -> None:
        """`document[start:end]` is about to give way to `text`."""
        standing, watched = self._standing.get(uri), self._watched.get(uri, ())
        if not standing and not watched:
            return
        edit = Edit.least(document, start, end, text)
        for watch in watched:
            watch.kept.follow(edit)
        if standing:
            at = standing.start + standing.n_written
            n_taken = standing.follow(edit)
            if n_taken is None:
                del self._standing[uri]
            elif n_taken:
                self._took_part_of(standing)
                self._watch(standing.offer, at, n_taken)

    def closed(self, uri: str) -> None:
        """What is kept until then is kept."""
        self._standing.pop(uri, None)
        for watch in list(self._watched.get(uri, ())):
            self._settle(watch)

    def close(self) -> None:
        for uri in {*self._standing, *self._watched}:
            self.closed(uri)

    def _took_part_of(self, standing: Standing) -> None:
        if not standing.is_partly_taken:
            standing.is_partly_taken = True
            self._add(standing.offer, partly=1)

    def _watch(self, offer: Offer, start: int, n_taken: int) -> None:
        watch = _Watch(offer, Kept(start, n_taken))
        watch.timer = asyncio.get_running_loop().call_later(KEPT_AFTER_S, self._settle, watch)
        self._watched.setdefault(offer.uri, []).append(watch)

    def _settle(self, watch: _Watch) -> None:
        if watch.timer:
            watch.timer.cancel()
        watched = self._watched[watch.offer.uri]
        watched.remove(watch)
        if not watched:
            del self._watched[watch.offer.uri]
        self._add(watch.offer, taken_chars=watch.kept.n_taken, kept_chars=watch.kept.n_kept)

    def _add(self, offer: Offer, **happened: int) -> None:
        self._count(offer.language_id, offer.model, happened)


@dataclass(slots=True, eq=False)
class _Watch:
    """A text that was taken, until it is known how much of it stays."""

    offer: Offer
    kept: Kept
    timer: asyncio.TimerHandle | None = None
