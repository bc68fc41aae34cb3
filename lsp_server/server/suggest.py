"""From a request to its answer: what is refused, what is waited for, and what takes the place of what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lsprotocol import types

from lsp_server.backends.pace import Haste
from lsp_server.cache import Given
from lsp_server.errors import BackendError, EngineError, ModelReplaced
from lsp_server.pipeline import Answer, Engine, complete
from lsp_server.server.ahead import Ahead
from lsp_server.server.choices import with_others
from lsp_server.server.documents import OpenDocument
from lsp_server.server.items import EMPTY, Asked, Items, Rendered
from lsp_server.server.legacy import GET_COMPLETIONS
from lsp_server.server.protocol import Later, MsgId
from lsp_server.server.render import Cursor, Edit
from lsp_server.server.session import Session
from lsp_server.syntax import Tree
from lsp_server.trace import Trace
from lsp_server.values import Completion, Reason

LOADING_S = 3.0  # that a request waits for the model, unless the next one takes its place

logger = logging.getLogger(__name__)


class Suggester:
    """Answers one editor. A newer request of the same kind for a document takes the place of the older one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._latest: dict[tuple[str, str], MsgId] = {}
        self._ahead = Ahead(session)
        self._items = Items(session)

    def inline(self, params: types.InlineCompletionParams) -> object:
        """The result of textDocument/inlineCompletion, or what will find it."""
        invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        selected = params.context.selected_completion_info

        def is_off(language_id: str) -> bool:
            return not (invoked or self._session.is_on_for(language_id))

        return self._begin(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, params, invoked, is_off, partial(self._items.inline, selected)
        )

    def popup(self, params: types.CompletionParams) -> object:
        """The result of textDocument/completion, or what will find it.

        Editors say "invoked" while one types a word as well as when one asks by hand, so here "off" means off.
        """

        def is_off(language_id: str) -> bool:
            return self._session.settings.suggest.popup == "never" or not self._session.is_on_for(language_id)

        kind = params.context.trigger_kind if params.context else types.CompletionTriggerKind.Invoked
        invoked = kind is types.CompletionTriggerKind.Invoked
        return self._begin(types.TEXT_DOCUMENT_COMPLETION, params, invoked, is_off, self._items.popup)

    def generated(self, params: types.TextDocumentPositionParams) -> object:
        """The result of llm-ls/getCompletions, or what will find it."""

        def is_off(language_id: str) -> bool:
            return not self._session.is_on_for(language_id)

        return self._begin(GET_COMPLETIONS, params, False, is_off, self._items.generated)

    def drop(self, uri: str) -> None:
        """Answer what is still asked for a document: it is closed."""
        for method in EMPTY:
            self._supersede(method, uri)
        self._ahead.closed(uri)

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
            if asked.open.document.text == asked.snapshot.text:  # or the edit has seen to it
                self._ahead.window_at(asked.open, asked.snapshot.offset)
        elif completions:
            self._ahead.after(asked.open, asked.snapshot, completions[0])
        if not completions:
            return EMPTY[asked.method]
        return rendered(asked, [Edit.of(completion, asked.snapshot, asked.cursor) for completion in completions])

    async def _answer(self, asked: Asked, tree: Tree | None, shown: list[Completion], rendered: Rendered) -> object:
        """`shown`: here, already, to who wants a choice."""
        engine, made_with = await self._engine(), self._session.made_with
        if engine is None:
            reason = Reason.MODEL_FAILED if self._session.model.failure else Reason.MODEL_LOADING
            return self._refused(asked.method, asked.open, reason)
        asked = replace(asked, snapshot=await asked.open.with_indent_unit(asked.snapshot))
        try:
            with self._session.working():
                answer = await complete(engine, asked.snapshot, tree, asked.open.window, self._haste(asked))
                found = [answer.completion] if answer.completion else []
                if asked.wants_choice:
                    found = await with_others([*shown, *found], answer, engine, asked.snapshot, tree)
        except EngineError as error:
            # What becomes of model servers is told as a notice, see loading.py.
            if not isinstance(error, (BackendError, ModelReplaced)):
                self._session.tell_once(types.MessageType.Error, f"infill-ls: {error}")
            return self._refused(asked.method, asked.open, Reason.of_code(getattr(error, "code", "backend-failed")))
        self._remember(asked, answer, made_with)
        return self._shown(asked, found, rendered)

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

    def _supersede(self, method: str, uri: str) -> None:
        older = self._latest.pop((method, uri), None)
        if older is not None and self._session.protocol.answer(older, EMPTY[method]):
            logger.info("%s %s", method, Reason.SUPERSEDED.code)

    def _refused(self, method: str, document: OpenDocument, reason: Reason) -> object:
        self._keep(method, Trace(empty_because=reason), document)
        return EMPTY[method]

    def _remember(self, asked: Asked, answer: Answer, made_with: object) -> None:
        """For the next request, whose window keeps this one's cut points, and for who asks why."""
        trace = answer.trace
        window = trace.context.window if trace.context else None
        if trace.plan and trace.plan.n_window:
            asked.open.small_window, window = window, None
        asked.open.window = window or asked.open.window
        if answer.would_be_same:
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
