"""One editor, from its connection to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from lsp_server import __version__
from lsp_server.pipeline import Engine, with_limits
from lsp_server.privacy import NEVER_SENT
from lsp_server.server.announcer import Announcer
from lsp_server.server.clients import Client
from lsp_server.server.configuration import Configuration, Sources, section_of
from lsp_server.server.documents import Documents
from lsp_server.server.legacy import DID_CHANGE_STATUS, change_of_status
from lsp_server.server.loading import SharedModel
from lsp_server.server.progress import show_loading
from lsp_server.server.protocol import Protocol, shared_converter
from lsp_server.server.report import status
from lsp_server.server.switches import Switches
from lsp_server.server.tracking import Tracker
from lsp_server.settings import SECTION, Settings
from lsp_server.text import Encoding
from lsp_server.usage import UsageWriter
from lsp_server.values import Reason

STATUS = "infill/status"
ANSWER_S = 2.0  # that the editor has for saying what its settings are, before the model is loaded without them

logger = logging.getLogger(__name__)


class Session(LanguageServer):
    """What is known of one editor. The handlers of its messages are functions over it, see features.py.

    `finished` holds the exit code once the editor has said goodbye. Where the process serves this editor alone,
    `on_settings` and `on_editor_process` let it follow the editor's settings, and its end.
    """

    protocol: Protocol

    def __init__(self, sources: Sources, model: SharedModel, usage: UsageWriter, send: Callable[[str], None]) -> None:
        super().__init__("infill-ls", __version__, protocol_cls=Protocol, converter_factory=shared_converter)
        self.model = model
        self._usage = usage
        self.configuration = Configuration(sources)
        self.documents = Documents(lambda: (*NEVER_SENT, *self.settings.backend.neverSend))
        self.client = Client()
        self.switches = Switches()
        self.tracker = Tracker(self.documents, self._count)
        self.wants_status = True
        self.speaks_copilot = False
        self.capabilities = types.ClientCapabilities()
        self.encoding: Encoding = "utf-16"
        self.trace_value = types.TraceValue.Off
        self.finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.on_settings: Callable[[Settings], None] = lambda settings: None
        self.on_editor_process: Callable[[int], None] = lambda pid: None
        self._is_started = False
        self._shows_loading = False
        self._told: set[str] = set()
        self._n_working = 0
        self._last: Reason | None = None  # why the latest answer was empty
        self._announcer = Announcer(self.status, self._announce)
        self.protocol.send = send
        self.protocol.on_exit = self.finish

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    @property
    def engine(self) -> Engine | None:
        """The model, held to this editor's limits; None where none is loaded."""
        engine, suggest = self.model.engine, self.settings.suggest
        if engine is None:
            return None
        limited = with_limits(engine, suggest.maxTokens, suggest.maxTimeMs / 1000)
        limits = replace(limited.limits, min_confidence=suggest.minConfidence / 100)
        return replace(limited, limits=limits, in_comments=suggest.inComments)

    @property
    def made_with(self) -> object:
        """What an answer depends on beside the document."""
        return self.model.n_loads, self.settings.suggest, self.settings.latency

    @property
    def is_on(self) -> bool:
        return self.switches.is_on(self.settings.suggest)

    def is_on_for(self, language_id: str) -> bool:
        return self.switches.is_on_for(language_id, self.settings.suggest)

    def status(self) -> dict[str, Any]:
        return status(self.model, self.settings, self.switches, self._last, self._n_working > 0)

    def begin(self) -> None:
        """The editor is there and listens: ask for its settings, and load the model."""
        self._is_started = True
        self.model.watchers.add(self._model_changed)
        self.protocol.start(self._start)

    def finish(self, code: int) -> None:
        if not self.finished.done():
            self.finished.set_result(code)

    async def close(self) -> None:
        self.model.watchers.discard(self._model_changed)
        self.tracker.close()
        self.documents.close_all()
        await self.protocol.abandon()
        self._announcer.close()

    def settings_changed(self) -> None:
        """Follow the settings as they are now, and tell the user what cannot be used of them."""
        self.on_settings(self.settings)
        if self._is_started:
            if complaints := self.configuration.complaints():
                self.tell(types.MessageType.Warning, "infill-ls settings: " + "; ".join(complaints))
            self._model_changed()

    async def pull_settings(self) -> None:
        workspace = self.capabilities.workspace
        if workspace and workspace.configuration:
            item = types.ConfigurationItem(section=SECTION)
            answer = await self.protocol.ask(types.WORKSPACE_CONFIGURATION, types.ConfigurationParams([item]), ANSWER_S)
            if isinstance(answer, list) and answer:
                self.configuration.set_workspace(section_of(answer[0]))
                self.settings_changed()

    def switch(self, on: bool, language_id: str | None) -> None:
        """For this session, whatever the settings say; None: everywhere."""
        self.switches.turn(on, language_id)
        if self.is_on and self.model.engine is None:
            self.load_model()
        self._announcer.changed()

    @contextmanager
    def working(self) -> Iterator[None]:
        """A request is being computed."""
        self._n_working += 1
        self.model.n_working += 1
        self._announcer.changed_for_a_moment()
        try:
            yield
        finally:
            self._n_working -= 1
            self.model.n_working -= 1
            self._announcer.changed_for_a_moment()

    def answered(self, empty_because: Reason | None) -> None:
        self._last = empty_because
        self._announcer.changed_for_a_moment()

    def load_model(self) -> None:
        """Begin to load, if nobody did, and let the editor show it."""
        if complaint := self.model.load(self.settings):
            self.tell_once(types.MessageType.Warning, f"infill-ls: {complaint}")
        self._show_loading()

    def change_model(self, change: Callable[[Settings], None]) -> None:
        """Have the model loaded again, and let the editor show it. Raises UsageError while it is loading."""
        change(self.settings)
        self._told.clear()  # what fails again is told again
        self._show_loading()

    def tell(self, kind: types.MessageType, sentence: str) -> None:
        self.window_show_message(types.ShowMessageParams(kind, sentence))

    def tell_once(self, kind: types.MessageType, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self.tell(kind, sentence)

    def tell_trace(self, message: str, verbose: str) -> None:
        """For who switched it on with `$/setTrace`."""
        if self.trace_value is not types.TraceValue.Off:
            is_verbose = self.trace_value is types.TraceValue.Verbose
            self.protocol.notify(types.LOG_TRACE, types.LogTraceParams(message, verbose if is_verbose else None))

    async def _start(self) -> None:
        self.settings_changed()
        await self._register_for_changes()
        await self.pull_settings()
        if self.is_on:
            self.load_model()

    def _show_loading(self) -> None:
        window = self.capabilities.window
        if self.model.is_loading and not self._shows_loading and window and window.work_done_progress:
            self._shows_loading = True
            self.protocol.start(self._show_until_loaded)

    async def _show_until_loaded(self) -> None:
        await show_loading(self.model, self.protocol)
        self._shows_loading = False

    async def _register_for_changes(self) -> None:
        workspace = self.capabilities.workspace
        if workspace and workspace.did_change_configuration and workspace.did_change_configuration.dynamic_registration:
            method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
            options = types.DidChangeConfigurationRegistrationOptions(section=SECTION)
            registration = types.Registration(f"{SECTION}-settings", method, self.protocol.unstructured(options))
            params = types.RegistrationParams([registration])
            await self.protocol.ask(types.CLIENT_REGISTER_CAPABILITY, params, ANSWER_S)

    def _count(self, language_id: str, model: str, happened: Mapping[str, int]) -> None:
        if self.settings.usage.enabled:
            self._usage.add(language_id, model, happened)

    def _model_changed(self) -> None:
        if self.model.failure:
            self.tell_once(types.MessageType.Error, f"infill-ls: {self.model.failure}")
        if self.model.notice:
            self.tell_once(types.MessageType.Warning, f"infill-ls: {self.model.notice}")
        self._announcer.changed()

    def _announce(self, status: dict[str, Any]) -> None:
        if self.speaks_copilot:
            self.protocol.notify(DID_CHANGE_STATUS, change_of_status(status))
        elif self.wants_status:
            self.protocol.notify(STATUS, status)
