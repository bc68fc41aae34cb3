"""Completions as items of the editor, each with the id by which it is known what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import TypeAlias

from lsprotocol import types

from lsp_server.server.documents import OpenDocument
from lsp_server.server.legacy import GET_COMPLETIONS, NO_COMPLETIONS, completions
from lsp_server.server.offers import Offer
from lsp_server.server.render import Cursor, Edit, inline_item, popup_item
from lsp_server.server.session import Session
from lsp_server.text import dominant_eol
from lsp_server.values import Snapshot

logger = logging.getLogger(__name__)

EMPTY: dict[str, object] = {
    types.TEXT_DOCUMENT_INLINE_COMPLETION: types.InlineCompletionList([]),
    # Incomplete: the next key may well bring a suggestion.
    types.TEXT_DOCUMENT_COMPLETION: types.CompletionList(is_incomplete=True, items=[]),
    GET_COMPLETIONS: NO_COMPLETIONS,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with the document as it stood when it came."""

    method: str
    open: OpenDocument
    snapshot: Snapshot
    cursor: Cursor
    began: float = field(default_factory=perf_counter)

    @property
    def wants_choice(self) -> bool:
        """Editors turn to the next suggestion by asking for all of them."""
        return self.snapshot.invoked and self.method == types.TEXT_DOCUMENT_INLINE_COMPLETION


Rendered: TypeAlias = Callable[[Asked, list[Edit]], object]


class Items:
    """Of one session. The first of several edits is what the editor shows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def inline(self, selected: types.SelectedCompletionInfo | None, asked: Asked, edits: list[Edit]) -> object:
        eol, client = dominant_eol(asked.snapshot.text), self._session.client
        items: list[types.InlineCompletionItem] = []
        for edit in edits:
            if item := inline_item(edit, asked.cursor, eol, client, selected):
                begins = item.range.start if item.range else None
                item.command = self._offered(asked, edit, begins, is_first=not items).command
                items.append(item)
        if not items:
            logger.info("the suggestion does not begin with the entry selected in the popup")
        return types.InlineCompletionList(items)

    def popup(self, asked: Asked, edits: list[Edit]) -> object:
        edit = edits[0]
        eol = dominant_eol(asked.snapshot.text)
        language_id = asked.snapshot.language_id
        item = popup_item(edit, asked.cursor, eol, language_id, _likes_markdown(self._session.capabilities))
        item.command = self._offered(asked, edit).command
        return types.CompletionList(is_incomplete=True, items=[item])

    def generated(self, asked: Asked, edits: list[Edit]) -> object:
        insertion = edits[0].as_insertion(asked.cursor)
        return completions(self._offered(asked, insertion).id, insertion.text) if insertion.text else NO_COMPLETIONS

    def _offered(
        self, asked: Asked, edit: Edit, begins: types.Position | None = None, *, is_first: bool = True
    ) -> Offer:
        """`begins`: where the item does, which may be further left than the suggestion in it."""
        cursor, snapshot = asked.cursor, asked.snapshot
        start = cursor.offset_at(begins.character) if begins else edit.start
        tracker = self._session.tracker
        offer = partial(tracker.offer, took_ms=(perf_counter() - asked.began) * 1000) if is_first else tracker.choice
        return offer(
            snapshot.uri,
            snapshot.offset - cursor.offset + edit.start,
            edit.text.replace("\n", dominant_eol(snapshot.text)),
            snapshot.language_id,
            self._session.model.name,
            lead=cursor.text[start : edit.start],
        )


def _likes_markdown(capabilities: types.ClientCapabilities) -> bool:
    completion = capabilities.text_document and capabilities.text_document.completion
    item = completion and completion.completion_item
    return bool(item and types.MarkupKind.Markdown in (item.documentation_format or ()))
