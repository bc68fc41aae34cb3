"""The models that are on this machine already: the one in the package, and what `models pull` brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.models import download
from lsp_server.models.catalogue import catalogue
from lsp_server.models.files import CTRANSFORMERS, LLAMA_CPP
from lsp_server.models.packaged import packaged_model

RUN_AS_THEY_ARE = (LLAMA_CPP, CTRANSFORMERS)


@dataclass(frozen=True, slots=True)
class ModelHere:
    name: str
    path: Path
    n_bytes: int

    @staticmethod
    def at(path: Path, name: str = "") -> ModelHere:
        """Raises OSError where there is no such file."""
        return ModelHere(name or path.stem, path, path.stat().st_size)


def models_here() -> list[ModelHere]:
    """By name, the one in the package first; further GGUF files in the folder of models too."""
    return list({model.path: model for model in reversed([*_found()])}.values())[::-1]


def _found() -> Iterator[ModelHere]:
    yield ModelHere.at(packaged_model())
    for name, entry in catalogue().items():
        path = download.installed(entry) if entry.runs in RUN_AS_THEY_ARE else None
        if path:
            yield ModelHere.at(path, name)
    for path in sorted(download.default_folder().glob("**/*.gguf")):
        yield ModelHere.at(path)
