"""What a model file cannot say of itself, from a TOML file beside it with the same stem."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lsp_server.errors import ModelFileError
from lsp_server.toml import UnreadableToml, read_toml


@dataclass(frozen=True, slots=True)
class ModelNotes:
    window_tokens: int = (
        0  # what the model was trained for, where that is less than its architecture admits; 0: unknown
    )
    family: str = ""  # as in fim.py
    order: str = ""
    mixing: bool = False  # True: it was measured that mixing it with what the user has open helps
    ends_by_itself: bool = True  # False: it hardly ever says that it is done, so a line begun is all it may write


def notes_beside(model: Path) -> ModelNotes:
    """Empty where there is no such file. Raises ModelFileError where it cannot be used."""
    path = model.with_suffix(".toml")
    try:
        values = read_toml(path)
    except UnreadableToml as error:
        raise ModelFileError(f"{error}; mend it or remove it") from error
    return ModelNotes(**{key: _checked(path, key, value) for key, value in values.items()})


def _checked(path: Path, key: str, value: object) -> Any:
    default = {field.name: field.default for field in fields(ModelNotes)}.get(key)
    if type(value) is not type(default) or (isinstance(value, int) and value < 0):
        raise ModelFileError(f"{path}: {key} = {value!r} cannot be used; the README says what may stand there")
    return value
