"""The model of this process: loaded once, in the background, for all sessions."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lsp_server.backends.pace import Paced
from lsp_server.errors import InfillError, UsageError
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
        self.backend = ""  # "local", or the addresses of the servers that are asked; empty: nothing was loaded yet
        self.notice: str | None = None  # the latest sentence of a backend about its servers
        self.watchers: set[Callable[[], None]] = set()
        self.idle_work: set[asyncio.Task[None]] = set()  # of whatever editor; every request goes before it
        self.n_working = 0  # requests that are being computed, of whatever editor
        self.n_loads = 0
        self._loaded_with: tuple[ModelSettings, BackendSettings] | None = None
        self._chosen: Path | None = None  # instead of what the settings say
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
            sentence = f"this server runs {self.name} already; restart it or reload the model to change it"
            return sentence if differs else None
        self._chosen = None
        self._begin(settings)
        return None

    def reload(self, settings: Settings) -> None:
        """Load again what is loaded; what these settings say, if they are others. Raises UsageError while loading."""
        chosen = self._chosen if self._loaded_with == (settings.model, settings.backend) else None
        self.switch(chosen, settings)

    def switch(self, path: Path | None, settings: Settings) -> None:
        """Load this file in place of what is loaded; None: what the settings say. Raises UsageError while loading."""
        if self.is_loading:
            raise UsageError(f"{self.name} is still loading; try again when it is there")
        self._chosen = path
        self._begin(settings)

    def interrupt_idle_work(self) -> None:
        for task in self.idle_work:
            task.cancel()

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

    def _begin(self, settings: Settings) -> None:
        self._loaded_with = settings.model, settings.backend
        self.n_loads += 1
        wanted = with_model(settings, self._chosen) if self._chosen else settings
        self.name = Path(wanted.model.path).stem or "the model in the package"
        self.backend = backend_of(wanted)
        former, self.engine = self.engine, None
        self.failure, self.notice, self.fraction = None, None, 0.0
        self._settled.clear()
        # A daemon, so that an editor that is closed meanwhile does not have to wait.
        threading.Thread(target=self._load, args=(wanted, former), name="loading", daemon=True).start()
        self._changed()

    def _load(self, settings: Settings, former: Engine | None) -> None:
        """On a thread of its own."""
        engine, failure = None, None
        try:
            if former:  # first, since there may not be room for two
                former.backend.close()
            # Here, since initialize should not wait for its imports.
            from lsp_server.assemble import load_engine

            engine = load_engine(settings, self._report_fraction, self._report_notice)
            if isinstance(engine.backend, Paced):
                engine.backend.measure()
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


def with_model(settings: Settings, path: Path) -> Settings:
    """The settings for one file in this process; what was set for another model does not hold for it."""
    model = replace(settings.model, path=str(path), family="", order="")
    return replace(settings, model=model, backend=replace(settings.backend, servers=()))


def backend_of(settings: Settings) -> str:
    """The addresses of the servers that are asked, or "local"."""
    return ", ".join(without_credentials(server.url) for server in settings.backend.servers) or "local"


def without_credentials(url: str) -> str:
    """Scheme, host and port."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a server without a valid address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
