"""The model of this process: loaded once, in the background, for all sessions."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lsp_server.errors import InfillError
from lsp_server.pipeline import Engine
from lsp_server.settings import BackendSettings, ModelSettings, Settings

logger = logging.getLogger(__name__)


class SharedModel:
    """Call it on the event loop's thread only. `watchers` are called, without arguments, whenever something changes."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.failure: str | None = None  # one sentence
        self.fraction = 0.0  # how far the loading is, from 0 to 1
        self.name = "the model"
        self.notice: str | None = None  # the latest sentence of a backend about its servers
        self.watchers: set[Callable[[], None]] = set()
        self._loaded_with: tuple[ModelSettings, BackendSettings] | None = None
        self._settled = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def is_loading(self) -> bool:
        return self._loaded_with is not None and not self._settled.is_set()

    def load(self, settings: Settings) -> str | None:
        """Begin to load, unless somebody did. Returns a sentence where a model was asked for that is not that one."""
        wanted = (settings.model, settings.backend)
        if self._loaded_with is not None and (self.failure is None or self._loaded_with == wanted):
            differs = self._loaded_with != wanted
            sentence = f"this server runs {self.name} already; restart it to change model.* or backend.*"
            return sentence if differs else None
        self._loaded_with = wanted
        self.name = Path(settings.model.path).stem or "the model in the package"
        self.failure, self.fraction = None, 0.0
        self._settled.clear()
        # A daemon, so that an editor that is closed meanwhile does not have to wait.
        threading.Thread(target=self._load, args=(settings,), name="loading", daemon=True).start()
        self._changed()
        return None

    async def settled(self, timeout_s: float) -> None:
        """Return when the model is loaded or will not be, or when the time is over."""
        waiting = asyncio.ensure_future(self._settled.wait())
        try:
            await asyncio.wait({waiting}, timeout=timeout_s)
        finally:
            waiting.cancel()

    def close(self) -> None:
        if self.engine:
            self.engine.backend.close()

    def _load(self, settings: Settings) -> None:
        """On a thread of its own."""
        engine, failure = None, None
        try:
            # Here, since initialize should not wait for its imports.
            from lsp_server.assemble import load_engine

            engine = load_engine(settings, self._report_fraction, self._report_notice)
        except InfillError as error:
            failure = str(error)
        except Exception as error:
            logger.error("the model could not be loaded", exc_info=error)
            failure = f"the model could not be loaded ({type(error).__name__}); the log says where it failed"
        self._on_loop(lambda: self._settle(engine, failure))

    def _report_fraction(self, fraction: float) -> None:
        # A model reports more often than anybody can see.
        if fraction - self.fraction >= 0.01:
            self.fraction = fraction
            self._on_loop(self._changed)

    def _report_notice(self, sentence: str) -> None:
        logger.warning("%s", sentence)
        self._on_loop(lambda: self._noticed(sentence))

    def _noticed(self, sentence: str) -> None:
        self.notice = sentence
        self._changed()

    def _settle(self, engine: Engine | None, failure: str | None) -> None:
        self.engine, self.failure = engine, failure
        if engine:
            self.name = engine.model.name
            logger.info("the model %s is loaded, run by %s", self.name, engine.model.engine)
        else:
            logger.error("%s", failure)
        self._settled.set()
        self._changed()

    def _changed(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    def _on_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server ended meanwhile
            self._loop.call_soon_threadsafe(callback)
