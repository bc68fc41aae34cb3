"""What is computed while nobody waits: the suggestion after this one, and the window where the cursor is now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from lsp_server.cache import Given
from lsp_server.errors import EngineError
from lsp_server.pipeline import Engine, complete, evaluate_window
from lsp_server.server.documents import OpenDocument
from lsp_server.server.session import Session
from lsp_server.text import dominant_eol
from lsp_server.values import Completion, Snapshot

AFTER_SHOWN_S = 0.1  # an answer that is typed over at once was not read
AFTER_MOVE_S = 0.15  # while somebody scrolls or holds a key down, nothing is evaluated
AFTER_EDIT_S = 0.4  # editors ask by then, if they ask on their own

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aim:
    """A document as it would be, and where its cursor would stand."""

    uri: str
    text: str
    offset: int


class Ahead:
    """One thing at a time, only for a model in this process, and dropped the moment anybody asks for anything."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._aim: Aim | None = None
        self._task: asyncio.Task[None] | None = None  # for that aim, done or not

    def drop(self) -> None:
        """Stop what is computed ahead, for whatever editor: somebody waits for the model."""
        self._aim = None
        self._session.model.interrupt_idle_work()

    def closed(self, uri: str) -> None:
        if self._aim and self._aim.uri == uri:
            self.drop()

    def after(self, document: OpenDocument, shown: Snapshot, completion: Completion) -> None:
        """Find the suggestion that follows once this one is accepted, and remember it."""
        then = accepted(shown, completion)
        aim = Aim(then.uri, then.text, then.offset)
        if self._session.settings.suggest.ahead and aim != self._aim:
            self._begin(aim, AFTER_SHOWN_S, partial(self._look, document, then))

    def window_at(self, document: OpenDocument, offset: int, delay_s: float = AFTER_MOVE_S) -> None:
        """Evaluate the window around the cursor, so that the first suggestion there comes as soon as a later one."""
        snapshot = document.snapshot(offset, invoked=True)
        aim = Aim(snapshot.uri, snapshot.text, snapshot.offset)
        if aim != self._aim and self._session.is_on_for(snapshot.language_id):
            self._begin(aim, delay_s, partial(self._warm, document, snapshot))

    def moved(self, document: OpenDocument, offset: int) -> None:
        is_wanted = self._session.settings.suggest.ahead
        if is_wanted and not self._is_known(document, document.snapshot(offset, invoked=False)):
            self.window_at(document, offset)

    def edited(self, document: OpenDocument) -> None:
        """Drop what the edit has made pointless; typing what a suggestion says is on the way to what comes after it."""
        if document.edited_at is None:
            self.drop()
        elif not self._is_known(document, document.snapshot(document.edited_at, invoked=False)):
            self.drop()
            if self._session.settings.suggest.ahead:
                self.window_at(document, document.edited_at, AFTER_EDIT_S)

    @property
    def _engine(self) -> Engine | None:
        engine = self._session.engine
        return engine if engine and engine.in_process else None

    def _is_known(self, document: OpenDocument, snapshot: Snapshot) -> bool:
        return document.answers.find(snapshot, self._session.made_with) is not None

    def _begin(self, aim: Aim, delay_s: float, job: Callable[[], Awaitable[None]]) -> None:
        if self._engine is None:
            return
        self.drop()
        model = self._session.model
        self._aim, self._task = aim, self._session.protocol.start(partial(self._later, delay_s, job))
        model.idle_work.add(self._task)
        self._task.add_done_callback(model.idle_work.discard)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task is self._task and task.cancelled():  # by another editor's request: it may be begun again
            self._aim = None

    async def _later(self, delay_s: float, job: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(delay_s)
        while self._session.model.n_working:  # what it does in several steps, this would come between
            await asyncio.sleep(delay_s)
        try:
            await job()
        except EngineError as error:
            logger.debug("not computed ahead: %s", error)  # whoever asks for it is told

    async def _look(self, document: OpenDocument, then: Snapshot) -> None:
        engine, made_with = self._engine, self._session.made_with
        if engine is None or self._is_known(document, then):
            return
        answer = await complete(engine, then, document.tree_of(then.text), document.window)
        window = answer.trace.context.window if answer.trace.context else None
        if answer.would_be_same:
            given = Given(then, made_with, answer.completion, answer.trace.reason, window, "prefetched")
            document.answers.remember(given)

    async def _warm(self, document: OpenDocument, snapshot: Snapshot) -> None:
        engine = self._engine
        if engine and document.document.text == snapshot.text:
            document.window = await evaluate_window(engine, snapshot, document.tree(), document.window)


def accepted(shown: Snapshot, completion: Completion) -> Snapshot:
    """The document once the suggestion is accepted, with the cursor behind it."""
    text = completion.text.replace("\n", dominant_eol(shown.text))
    whole = shown.text[: shown.offset] + text + shown.text[completion.replace_until :]
    return replace(shown, text=whole, offset=shown.offset + len(text), invoked=False)
