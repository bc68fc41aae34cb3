"""Values that somebody wrote, laid over the settings; every complaint names its key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lsp_server.errors import SettingsError
from lsp_server.settings.tables import Range, ServerSettings, Settings

SECTION = "infill"
FILE_NAME = "infill-ls.toml"


def merge(base: Settings, values: object, *, from_workspace: bool = False) -> tuple[Settings, tuple[str, ...]]:
    """Lay `values` (nested mappings, or dotted keys) over `base`; complaints are sentences that name their key.

    A value that cannot be used is left as it was. With `from_workspace`, keys that are the user's alone are ignored.
    """
    complaints: list[str] = []
    result = base
    for key, value in _flatten(values, complaints):
        try:
            result = _assign(result, key, value, from_workspace)
        except SettingsError as error:
            complaints.append(str(error))
    return result, tuple(complaints)


def _flatten(values: object, complaints: list[str], prefix: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(values, Mapping):
        if values is not None:
            complaints.append(f"{prefix or SECTION}: expected a table of settings, got {values!r}")
        return
    if not prefix and set(values) == {SECTION}:
        values = values[SECTION]
        yield from _flatten(values, complaints)
        return
    sections = {section.name for section in dataclasses.fields(Settings)}
    for key, value in values.items():
        dotted = f"{prefix}.{key}" if prefix else str(key)
        if dotted in sections:
            yield from _flatten(value, complaints, dotted)
        else:
            yield dotted, value


def _assign(settings: Settings, key: str, value: object, from_workspace: bool) -> Settings:
    section, _, name = key.removeprefix(f"{SECTION}.").partition(".")
    group = getattr(settings, section, None) if section in _field_names(Settings) else None
    if group is None or name not in _field_names(type(group)):
        raise SettingsError(f"{key}: there is no such setting")
    item = next(item for item in dataclasses.fields(group) if item.name == name)
    if from_workspace and item.metadata["user_only"]:
        # Editors send every setting that they know of, with its default where nobody set it.
        if value in (item.default, getattr(group, name)):
            return settings
        raise SettingsError(
            f"{key}: ignored, since a workspace may not set it; use {FILE_NAME} or initializationOptions"
        )
    checked = _check(key, value, get_type_hints(type(group))[name], item.metadata["within"])
    return dataclasses.replace(settings, **{section: dataclasses.replace(group, **{name: checked})})


def _check(key: str, value: object, type_: Any, within: Range | None) -> object:
    if get_origin(type_) is tuple:
        return _check_list(key, value, get_args(type_)[0])
    if get_origin(type_) is Literal:
        allowed = get_args(type_)
        fits = value in allowed
    else:
        fits = type(value) is type_
    if not fits:
        raise SettingsError(f"{key}: expected {type_name(type_)}, got {value!r}")
    if within and isinstance(value, int) and not within[0] <= value <= within[1]:
        raise SettingsError(f"{key}: expected a number from {within[0]:,} to {within[1]:,}, got {value!r}")
    return value


def _check_list(key: str, values: object, type_: Any) -> object:
    if not isinstance(values, (list, tuple)):
        raise SettingsError(f"{key}: expected {type_name(tuple[type_, ...])}, got {values!r}")
    if type_ is ServerSettings:
        return tuple(_server(f"{key}[{i}]", value) for i, value in enumerate(values))
    return tuple(_check(f"{key}[{i}]", value, type_, None) for i, value in enumerate(values))


def _server(key: str, values: object) -> ServerSettings:
    if not isinstance(values, Mapping) or not values.get("url"):
        raise SettingsError(f"{key}: expected a table with a url")
    hints = get_type_hints(ServerSettings)
    for name, value in values.items():
        if name not in hints:
            raise SettingsError(f"{key}.{name}: there is no such setting")
        # What stands at the wrong place may be a token, so it is not repeated.
        if name == "token" and not isinstance(value, str):
            raise SettingsError(f"{key}.token: expected a string")
        _check(f"{key}.{name}", value, hints[name], (0, 86_400_000))
    return ServerSettings(**values)


def type_name(type_: Any) -> str:
    if get_origin(type_) is tuple:
        return "a list of tables" if get_args(type_)[0] is ServerSettings else "a list of strings"
    if get_origin(type_) is Literal:
        return " or ".join(f'"{value}"' for value in get_args(type_))
    return {str: "a string", int: "a whole number", bool: "true or false"}[type_]


def _field_names(type_: Any) -> set[str]:
    return {item.name for item in dataclasses.fields(type_)}
