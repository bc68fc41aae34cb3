"""From settings to a working engine: the only module that names concrete backends."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lsp_server.backends.endpoint import Endpoint
from lsp_server.backends.local import LocalBackend
from lsp_server.backends.standby import LocalModel, Standby
from lsp_server.context.window import WindowBudget
from lsp_server.errors import SettingsError
from lsp_server.fim import FimTemplate, recognise, stated_sentinels
from lsp_server.inference import open_model
from lsp_server.inference.mixing import Mixing
from lsp_server.models.files import CTRANSFORMERS, ModelFile, engine_of, read_model
from lsp_server.models.notes import ModelNotes, notes_beside
from lsp_server.models.packaged import packaged_model
from lsp_server.pipeline import Engine, ModelInfo, with_limits
from lsp_server.privacy import NEVER_SENT
from lsp_server.settings import ServerSettings, Settings
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Limits

if TYPE_CHECKING:  # imports the HTTP library
    from lsp_server.backends.remote import RemoteBackend

logger = logging.getLogger(__name__)

DEFAULT_WINDOW_TOKENS = 2048
MIN_WINDOW_TOKENS = 128


def no_progress(fraction: float) -> None:
    """For who does not care how far the loading is."""


def load_engine(
    settings: Settings,
    on_progress: Callable[[float], None] = no_progress,
    tell: Callable[[str], None] = logger.warning,
) -> Engine:
    """Check the model file, load it and put everything together; blocks for as long as that takes.

    `on_progress` is told fractions from 0 to 1, and `tell` a sentence for each change of the model servers, on the loop
    that asks them. Raises EngineError or SettingsError, one sentence each.
    """
    return _remote_engine(settings, tell) if settings.backend.servers else _local_engine(settings, on_progress)


def _remote_engine(settings: Settings, tell: Callable[[str], None]) -> Engine:
    # The HTTP library takes a tenth of a second to import, which nobody should pay who does not use it.
    from lsp_server.backends.connect import token_counter
    from lsp_server.backends.several import Several

    backends = [connected(server) for server in settings.backend.servers]
    endpoints = [backend.endpoint for backend in backends]
    first = endpoints[0]
    standby = Standby(lambda: _standby_model(settings)) if settings.backend.local else None
    backend = Several(backends, standby=standby, hedges=settings.backend.hedge, tell=tell)
    limits = Limits(settings.suggest.maxTokens, settings.suggest.maxTimeMs / 1000)
    n_prompt = settings.backend.promptTokens
    info = ModelInfo(
        name=first.model or first.host,
        path=", ".join(endpoint.name for endpoint in endpoints),
        architecture="",
        family=first.family,
        order=first.order,
        engine=f"{first.dialect} ({backends[0].dialect.path})",
        n_window_tokens=n_prompt + limits.max_tokens,
    )
    never_sent = (*NEVER_SENT, *settings.backend.neverSend)
    n_extra = settings.backend.otherFilesTokens
    return Engine(backend, token_counter(first), WindowBudget(n_prompt), limits, info, never_sent, n_extra)


def connected(server: ServerSettings) -> RemoteBackend:
    """One model server, not yet asked for anything. Raises EngineError or SettingsError."""
    from lsp_server.backends.connect import connect

    return connect(_endpoint(server))


def _endpoint(server: ServerSettings) -> Endpoint:
    return Endpoint(
        url=server.url,
        dialect=server.dialect,
        model=server.model,
        family=server.family,
        order=server.order,
        vocabulary=server.vocabulary,
        role=server.role,
        weight=server.weight,
        token=server.token,
        ca_file=server.caFile,
        client_cert=server.clientCert,
        client_key=server.clientKey,
        proxy=server.proxy,
        http2=server.http2,
        connect_s=server.connectMs / 1000,
        first_token_s=server.firstTokenMs / 1000,
    )


def _standby_model(settings: Settings) -> LocalModel:
    engine = _local_engine(settings, no_progress)
    return LocalModel(engine.backend, engine.count_line, engine.budget.n_tokens)


def _local_engine(settings: Settings, on_progress: Callable[[float], None]) -> Engine:
    path = Path(os.path.expanduser(settings.model.path)) if settings.model.path else packaged_model()
    file = read_model(path)
    notes = notes_beside(path)
    tokenizer = Tokenizer.from_gguf(file.metadata)
    template = _template(settings, file, notes, tokenizer)
    n_window = _window_tokens(settings, file, notes)
    model = open_model(
        path,
        n_context=min(n_window * 5 // 4, file.context_length),  # a line begun may be ended beyond the window
        n_threads=settings.model.threads or None,
        engine=_engine(settings, file),
        on_progress=on_progress,
    )
    limits = Limits(n_window // 2, settings.suggest.maxTimeMs / 1000)
    n_prompt = n_window - limits.max_tokens
    info = ModelInfo(
        name=path.stem,
        path=str(path),
        architecture=file.architecture,
        family=template.family,
        order=template.order,
        engine=model.name,
        n_window_tokens=n_window,
        notes=tokenizer.notes,
    )
    backend = LocalBackend(model, tokenizer, template, mixing=_mixing(settings, notes))
    budget = WindowBudget(n_prompt - template.n_overhead)
    engine = Engine(
        backend,
        tokenizer.count_line,
        budget,
        limits,
        info,
        in_process=True,
        ends_by_itself=notes.ends_by_itself,
    )
    return with_limits(engine, settings.suggest.maxTokens, settings.suggest.maxTimeMs / 1000)


def _engine(settings: Settings, file: ModelFile) -> str:
    """Legacy files have one engine; which of those for GGUF is best here, the engines know."""
    return CTRANSFORMERS if engine_of(file) == CTRANSFORMERS else settings.model.engine


def _mixing(settings: Settings, notes: ModelNotes) -> Mixing | None:
    wanted = notes.mixing if settings.model.mixing == "auto" else settings.model.mixing == "on"
    return Mixing() if wanted else None


def _template(settings: Settings, file: ModelFile, notes: ModelNotes, tokenizer: Tokenizer) -> FimTemplate:
    return recognise(
        file.architecture,
        str(file.metadata.get("general.name", "")),
        tokenizer.id_of,
        tokenizer.n_vocab,
        family=settings.model.family or notes.family,
        order=settings.model.order or notes.order,
        bos_id=tokenizer.bos_id,
        stated=stated_sentinels(file.metadata),
    )


def _window_tokens(settings: Settings, file: ModelFile, notes: ModelNotes) -> int:
    """Asked for, or trained for, or usual; and never more than the model can hold."""
    wanted = settings.model.windowTokens or notes.window_tokens or DEFAULT_WINDOW_TOKENS
    if wanted < MIN_WINDOW_TOKENS:
        raise SettingsError(f"model.windowTokens: {wanted} tokens are too few; set {MIN_WINDOW_TOKENS} or more")
    return min(wanted, file.context_length)
