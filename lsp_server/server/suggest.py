"""From a request to its answer: what is refused, what is waited for, and what takes the place of what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import TypeAlias

from lsprotocol import types

from lsp_server.backends.pace import Haste
from lsp_server.cache import Given
from lsp_server.errors import BackendError, EngineError, ModelReplaced
from lsp_server.pipeline import Answer, Engine, complete
from lsp_server.server.ahead import Ahead
from lsp_server.server.choices import others_than
from lsp_server.server.documents import OpenDocument
from lsp_server.server.legacy import GET_COMPLETIONS, NO_COMPLETIONS, completions
from lsp_server.server.offers import Offer
from lsp_server.server.protocol import Later, MsgId
from lsp_server.server.render import Cursor, Edit, inline_item, popup_item
from lsp_server.server.session import Session
from lsp_server.syntax import Tree
from lsp_server.text import dominant_eol
from lsp_server.trace import Trace
from lsp_server.values import Completion, Reason, Snapshot

LOADING_S = 3.0  # that a request waits for the model, unless the next one takes its place

logger = logging.getLogger(__name__)


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


class Suggester:
    """Answers one editor. A newer request of the same kind for a document takes the place of the older one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._latest: dict[tuple[str, str], MsgId] = {}
        self._ahead = Ahead(session)

    def inline(self, params: types.InlineCompletionParams) -> object:
        """The result of textDocument/inlineCompletion, or what will find it."""
        invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        selected = params.context.selected_completion_info

        def is_off(language_id: str) -> bool:
            return not (invoked or self._session.is_on_for(language_id))

        return self._begin(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, params, invoked, is_off, partial(self._inline_list, selected)
        )

    def popup(self, params: types.CompletionParams) -> object:
        """The result of textDocument/completion, or what will find it.

        Editors say "invoked" while one types a word as well as when one asks by hand, so here "off" means off.
        """

        def is_off(language_id: str) -> bool:
            return self._session.settings.suggest.popup == "never" or not self._session.is_on_for(language_id)

        kind = params.context.trigger_kind if params.context else types.CompletionTriggerKind.Invoked
        invoked = kind is types.CompletionTriggerKind.Invoked
        return self._begin(types.TEXT_DOCUMENT_COMPLETION, params, invoked, is_off, self._popup_list)

    def generated(self, params: types.TextDocumentPositionParams) -> object:
        """The result of llm-ls/getCompletions, or what will find it."""

        def is_off(language_id: str) -> bool:
            return not self._session.is_on_for(language_id)

        return self._begin(GET_COMPLETIONS, params, False, is_off, self._generated_text)

    def drop(self, uri: str) -> None:
        """Answer what is still asked for a document: it is closed."""
        for method in EMPTY:
            self._supersede(method, uri)

    def edited(self, uri: str) -> None:
        if document := self._session.documents.get(uri):
            self._ahead.edited(document)

    def moved(self, uri: str, position: types.Position) -> None:
        """The cursor is elsewhere."""
        if document := self._session.documents.get(uri):
            self._ahead.moved(document, document.offset_at(position, self._session.encoding))

    def _begin(
        self,
        method: str,
        params: types.InlineCompletionParams | types.CompletionParams | types.TextDocumentPositionParams,
        invoked: bool,
        is_off: Callable[[str], bool],
        rendered: Rendered,
    ) -> object:
        uri = params.text_document.uri
        self._supersede(method, uri)
        document = self._session.documents.get(uri)
        if document is None:
            logger.warning("%s for a document that is not open, or not known any more", method)
            return EMPTY[method]
        if is_off(document.document.language_id):
            return self._refused(method, document, Reason.DISABLED)
        if document.undo.is_undone and not invoked:
            return self._refused(method, document, Reason.AFTER_UNDO)
        asked = self._asked(method, document, params.position, invoked)
        given = document.answers.find(asked.snapshot, self._session.made_with)
        if given and not asked.wants_choice:
            return self._again(asked, given, rendered)
        self._ahead.drop()
        if self._session.protocol.current_id is not None:
            self._latest[method, uri] = self._session.protocol.current_id
        shown = [given.completion] if given and given.completion else []
        later: Later = partial(self._answer, asked, document.tree(), shown, rendered)
        return later

    def _asked(self, method: str, document: OpenDocument, position: types.Position, invoked: bool) -> Asked:
        offset = document.offset_at(position, self._session.encoding)
        snapshot = document.snapshot(offset, invoked=invoked)
        line, _ = document.document.position_at(offset, "utf-32")
        return Asked(method, document, snapshot, Cursor.of(snapshot, line, self._session.encoding))

    def _again(self, asked: Asked, given: Given, rendered: Rendered) -> object:
        """What was answered here before, or before some of it was typed, or found ahead: no model is asked."""
        asked.open.window = given.window or asked.open.window
        self._keep(asked.method, Trace(empty_because=given.emptied_by, source=given.source), asked.open)
        return self._shown(asked, [given.completion] if given.completion else [], rendered)

    def _shown(self, asked: Asked, completions: list[Completion], rendered: Rendered) -> object:
        """The answer: the first is shown, and the editor's user may turn to the others."""
        trace = asked.open.trace
        if trace and trace.plan and trace.plan.n_window:
            self._ahead.window_at(asked.open, asked.snapshot.offset)
        elif completions:
            self._ahead.after(asked.open, asked.snapshot, completions[0])
        if not completions:
            return EMPTY[asked.method]
        return rendered(asked, [Edit.of(completion, asked.snapshot, asked.cursor) for completion in completions])

    async def _answer(
        self, asked: Asked, tree: Tree | None, completions: list[Completion], rendered: Rendered
    ) -> object:
        """`completions` were shown here already."""
        engine = await self._engine()
        if engine is None:
            reason = Reason.MODEL_FAILED if self._session.model.failure else Reason.MODEL_LOADING
            return self._refused(asked.method, asked.open, reason)
        try:
            with self._session.working():
                answer = await complete(engine, asked.snapshot, tree, asked.open.window, self._haste(asked))
                if answer.completion and answer.completion not in completions:
                    completions = [*completions, answer.completion]
                if completions and asked.wants_choice:
                    window = answer.trace.context.window if answer.trace.context else None
                    others = await others_than(completions, engine, asked.snapshot, tree, window)
                    completions = [*completions, *others]
        except EngineError as error:
            # What becomes of model servers is told as a notice, see loading.py.
            if not isinstance(error, (BackendError, ModelReplaced)):
                self._session.tell_once(types.MessageType.Error, f"infill-ls: {error}")
            return self._refused(asked.method, asked.open, Reason.of_code(getattr(error, "code", "backend-failed")))
        self._remember(asked, answer)
        return self._shown(asked, completions, rendered)

    def _haste(self, asked: Asked) -> Haste | None:
        """Who asks by hand waits for what there is to say."""
        if asked.snapshot.invoked:
            return None
        latency, document = self._session.settings.latency, asked.open
        next_key_s = document.rhythm.next_key_s
        return Haste(latency.targetMs / 1000, next_key_s, latency.debounceMs / 1000, document.small_window)

    async def _engine(self) -> Engine | None:
        model = self._session.model
        if model.engine is None:
            self._session.load_model()
        if model.is_loading:
            await model.settled(LOADING_S)
        return self._session.engine

    def _inline_list(self, selected: types.SelectedCompletionInfo | None, asked: Asked, edits: list[Edit]) -> object:
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

    def _popup_list(self, asked: Asked, edits: list[Edit]) -> object:
        edit = edits[0]
        eol = dominant_eol(asked.snapshot.text)
        language_id = asked.snapshot.language_id
        item = popup_item(edit, asked.cursor, eol, language_id, _likes_markdown(self._session.capabilities))
        item.command = self._offered(asked, edit).command
        return types.CompletionList(is_incomplete=True, items=[item])

    def _generated_text(self, asked: Asked, edits: list[Edit]) -> object:
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

    def _supersede(self, method: str, uri: str) -> None:
        older = self._latest.pop((method, uri), None)
        if older is not None and self._session.protocol.answer(older, EMPTY[method]):
            logger.info("%s %s", method, Reason.SUPERSEDED.code)

    def _refused(self, method: str, document: OpenDocument, reason: Reason) -> object:
        self._keep(method, Trace(empty_because=reason), document)
        return EMPTY[method]

    def _remember(self, asked: Asked, answer: Answer) -> None:
        """For the next request, whose window keeps this one's cut points, and for who asks why."""
        trace = answer.trace
        window = trace.context.window if trace.context else None
        if trace.plan and trace.plan.n_window:
            asked.open.small_window, window = window, None
        asked.open.window = window or asked.open.window
        if answer.completion or (trace.generation and trace.reason is not Reason.TIME_LIMIT):
            made_with = self._session.made_with
            asked.open.answers.remember(Given(asked.snapshot, made_with, answer.completion, trace.reason, window))
        self._keep(asked.method, trace, asked.open)

    def _keep(self, method: str, trace: Trace, document: OpenDocument) -> None:
        document.trace = trace
        document.asked = trace if trace.context else document.asked
        self._session.answered(trace.empty_because)
        # Written down when the answer is on its way: a line in two logs takes longer than making the answer.
        asyncio.get_running_loop().call_soon(self._log, method, trace.summary(), trace.elapsed_ms())

    def _log(self, method: str, summary: str, elapsed_ms: float) -> None:
        logger.info("%s %s", method, summary)
        self._session.tell_trace(f"{method} {elapsed_ms:.0f} ms", summary)


EMPTY: dict[str, object] = {
    types.TEXT_DOCUMENT_INLINE_COMPLETION: types.InlineCompletionList([]),
    # Incomplete: the next key may well bring a suggestion.
    types.TEXT_DOCUMENT_COMPLETION: types.CompletionList(is_incomplete=True, items=[]),
    GET_COMPLETIONS: NO_COMPLETIONS,
}


def _likes_markdown(capabilities: types.ClientCapabilities) -> bool:
    completion = capabilities.text_document and capabilities.text_document.completion
    item = completion and completion.completion_item
    return bool(item and types.MarkupKind.Markdown in (item.documentation_format or ()))
