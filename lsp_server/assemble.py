"""From settings to a working engine: the only module that names concrete backends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lsp_server.backends.local import LocalBackend
from lsp_server.context.window import WindowBudget
from lsp_server.errors import SettingsError
from lsp_server.fim import FimTemplate, recognise, stated_sentinels
from lsp_server.inference import open_model
from lsp_server.models.files import CTRANSFORMERS, ModelFile, engine_of, read_model
from lsp_server.models.notes import ModelNotes, notes_beside
from lsp_server.models.packaged import packaged_model
from lsp_server.pipeline import Engine, ModelInfo
from lsp_server.settings import Settings
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Limits

DEFAULT_WINDOW_TOKENS = 2048
MIN_PROMPT_TOKENS = 64


def no_progress(fraction: float) -> None:
    """For who does not care how far the loading is."""


def load_engine(settings: Settings, on_progress: Callable[[float], None] = no_progress) -> Engine:
    """Check the model file, load it and put everything together; blocks for as long as that takes.

    `on_progress` is told fractions from 0 to 1. Raises EngineError or SettingsError, one sentence each.
    """
    path = Path(settings.model.path).expanduser() if settings.model.path else packaged_model()
    file = read_model(path)
    notes = notes_beside(path)
    tokenizer = Tokenizer.from_gguf(file.metadata)
    template = _template(settings, file, notes, tokenizer)
    limits = Limits(settings.suggest.maxTokens, settings.suggest.maxTimeMs / 1000)
    n_window = _window_tokens(settings, file, notes)
    n_prompt = _prompt_tokens(n_window, limits, settings)
    model = open_model(
        path,
        n_context=min(n_prompt + limits.hard_max_tokens, file.context_length),
        n_threads=settings.model.threads or None,
        engine=_engine(settings, file),
        on_progress=on_progress,
    )
    info = ModelInfo(
        name=path.stem,
        path=str(path),
        architecture=file.architecture,
        family=template.family,
        order=template.order,
        engine=model.name,
        n_window_tokens=n_window,
        n_prompt_tokens=n_prompt,
        notes=tokenizer.notes,
    )
    backend = LocalBackend(model, tokenizer, template)
    return Engine(backend, tokenizer.count_line, WindowBudget(n_prompt - template.n_overhead), limits, info)


def _engine(settings: Settings, file: ModelFile) -> str:
    """Legacy files have one engine; which of those for GGUF is best here, the engines know."""
    return CTRANSFORMERS if engine_of(file) == CTRANSFORMERS else settings.model.engine


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
    return min(wanted, file.context_length)


def _prompt_tokens(n_window: int, limits: Limits, settings: Settings) -> int:
    """What the window leaves when the tokens to be written have their room."""
    n_prompt = n_window - limits.max_tokens
    if n_prompt < MIN_PROMPT_TOKENS:
        raise SettingsError(
            f"model.windowTokens: {n_window} tokens leave no room for a prompt beside suggest.maxTokens"
            f" ({settings.suggest.maxTokens}); raise the first or lower the second"
        )
    return n_prompt
