"""A model file of any kind that can be run, and the engine that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from lsp_server.formats.ggml import GgmlFile, is_legacy, read_ggml
from lsp_server.formats.gguf import GgufFile, check_model, read_gguf

# Both have `architecture`, `metadata` under GGUF's keys, `tensors` and `context_length`.
ModelFile: TypeAlias = GgufFile | GgmlFile

LLAMA_CPP, CTRANSFORMERS = "llama.cpp", "ctransformers"


def read_model(path: Path) -> ModelFile:
    """Read a header, and check all that an engine would trip over. Raises ModelFileError, one sentence."""
    if is_legacy(path):
        return read_ggml(path)
    gguf = read_gguf(path)
    check_model(gguf)
    return gguf


def engine_of(file: ModelFile) -> str:
    """llama.cpp for GGUF, ctransformers for legacy GGML."""
    return CTRANSFORMERS if isinstance(file, GgmlFile) else LLAMA_CPP
