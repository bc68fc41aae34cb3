"""The models that an editor's user can switch to, and what a name or a path stands for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lsp_server.errors import ModelFileError, UsageError
from lsp_server.pipeline import Engine
from lsp_server.server.loading import without_credentials
from lsp_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    path: Path | None  # None: servers
    n_bytes: int
    by_settings: bool  # what the settings say, with all that they say of it

    def as_json(self, engine: Engine | None) -> dict[str, Any]:
        path = str(self.path or "")
        is_active = engine is not None and path == (engine.model.path if engine.in_process else "")
        return {"name": self.name, "path": path, "size_bytes": self.n_bytes, "active": is_active}


def candidates(settings: Settings) -> list[Candidate]:
    """What the settings say, and every model on this machine. Reads folders, and imports what takes a while."""
    from lsp_server.models.here import ModelHere, models_here

    rows = [Candidate(model.name, model.path, model.n_bytes, by_settings=False) for model in models_here()]
    if settings.backend.servers:
        server = settings.backend.servers[0]
        name = f"{server.model or 'the model'} on {without_credentials(server.url)}"
        return [Candidate(name, None, 0, by_settings=True), *rows]
    if not settings.model.path:
        return rows
    try:
        own = ModelHere.at(Path(os.path.expanduser(settings.model.path)))
    except OSError:  # said when it was to be loaded
        return rows
    first = Candidate(own.name, own.path, own.n_bytes, by_settings=True)
    return [first, *(row for row in rows if row.path != own.path)]


def chosen(name: str, settings: Settings) -> Path | None:
    """The file that a name or an absolute path stands for, looked into; None: what the settings say.

    Raises UsageError where there is no such model, ModelFileError where it cannot be run.
    """
    if not name:
        return None
    rows = candidates(settings)
    row = next((row for row in rows if name in (row.name, str(row.path))), None)
    if row and row.by_settings:
        return None
    path = row.path if row else Path(name)
    if path and path.is_absolute():
        return _examined(path)
    near = get_close_matches(name, [row.name for row in rows], cutoff=0.4)
    advice = f"did you mean {' or '.join(near)}?" if near else "give the absolute path of a GGUF file, or pull it first"
    raise UsageError(f"there is no model {name!r} on this machine; {advice}")


def _examined(path: Path) -> Path:
    """The model that runs now should not be given up for a file that cannot be run."""
    from lsp_server.models.inspect import inspect

    complaints = inspect(path).complaints
    if complaints:
        raise ModelFileError(f"{path}: {complaints[0]}")
    return path
