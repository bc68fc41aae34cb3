"""The settings: defaults in the types, one parser, every complaint names its key.

Later wins: the user's infill-ls.toml, the editor's initializationOptions, the command line; and, for harmless keys
only, `workspace/configuration`. A workspace never chooses a model or an executable: a client's answer to
`workspace/configuration` mixes the user's values with the workspace's, so keys that are the user's alone are ignored.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import platformdirs

from lsp_server.errors import SettingsError
from lsp_server.toml import UnreadableToml, read_toml

SECTION = "infill"
FILE_NAME = "infill-ls.toml"

T = TypeVar("T")
Range: TypeAlias = tuple[int, int]  # both ends included

# Where TOML writes a value in another way than Python does.
DEFAULTS_AS_WRITTEN = {"True": "true", "False": "false", "''": '""', "()": "[]"}


def option(default: T, doc: str, *, user_only: bool = False, within: Range | None = None) -> T:
    """One setting: its default, a sentence for the reference, and whether a workspace may change it."""
    metadata = {"doc": doc, "user_only": user_only, "within": within}
    result: T = field(default=default, metadata=metadata)
    return result


@dataclass(frozen=True, slots=True)
class ModelSettings:
    path: str = option("", "The model, a GGUF file. Empty: the small one in the package.", user_only=True)
    family: str = option("", "The FIM family, where it is not recognised from the file.", user_only=True)
    order: Literal["", "psm", "spm", "spm2"] = option(
        "", "The order of the prompt's segments. Empty: the family's own.", user_only=True
    )
    windowTokens: int = option(
        0,
        "Tokens of prompt and answer together, at most. 0: what the model was trained for, up to 2048.",
        user_only=True,
        within=(0, 1_048_576),
    )
    engine: Literal["auto", "llama.cpp", "native", "llama-server", "ctransformers"] = option(
        "auto",
        "What runs the model. native: llama.cpp compiled for this machine, from infill-ls[native]. llama-server is for"
        " platforms where llama.cpp's C API is missing.",
        user_only=True,
    )
    mixing: Literal["auto", "on", "off"] = option(
        "auto",
        "Let what you have open in the editor have a say in each token. auto: where that was measured to help, as with"
        " the model in the package.",
        user_only=True,
    )
    threads: int = option(0, "Threads that compute. 0: one less than there are cores.", user_only=True, within=(0, 256))


@dataclass(frozen=True, slots=True)
class SuggestSettings:
    enabled: bool = option(True, "Suggest while typing. A request made by hand is always answered.")
    popup: Literal["auto", "always", "never"] = option(
        "auto",
        "Offer suggestions in the completion popup too (textDocument/completion). auto: only to editors that cannot"
        " show them inline.",
    )
    ahead: bool = option(
        True, "Compute what comes after a suggestion, and the window at the cursor, while nothing else is asked."
    )
    minConfidence: int = option(
        30,
        "How sure the model has to be of its first tokens, in per cent, for a suggestion to be shown. A request made by"
        " hand is answered in any case, and so is one whose server tells no probabilities.",
        within=(0, 100),
    )
    inComments: bool = option(False, "Suggest in comments too. A request made by hand is answered there in any case.")
    maxTokens: int = option(96, "Tokens written at most; the line begun is still ended.", within=(1, 4096))
    maxTimeMs: int = option(2500, "Milliseconds spent at most; the line begun is still ended.", within=(1, 600_000))


@dataclass(frozen=True, slots=True)
class LatencySettings:
    targetMs: int = option(
        600,
        "Milliseconds in which a suggestion should be there while typing: its length is fitted to the speed of this"
        " machine, and the first one in a file may see less of it. 0: as long as it takes.",
        within=(0, 600_000),
    )
    debounceMs: int = option(
        150,
        "Milliseconds that writing waits at most where another key is to be expected before it is done. 0: none.",
        within=(0, 10_000),
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: Literal["error", "warning", "info", "debug"] = option("info", "What is logged, to stderr and to the file.")
    file: str = option(
        "", 'The log file. Empty: infill-ls.log in the platform\'s log folder. "-": none.', user_only=True
    )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One model server, a table in `backend.servers`. The token is never in here, only where it is found."""

    url: str = ""
    dialect: str = "llama.cpp"
    model: str = ""  # the server's name for it, where it serves several
    family: str = ""  # as model.family, where the prompt is a text
    order: str = ""  # as model.order
    vocabulary: str = ""  # a GGUF file of the same model, of which only the vocabulary is read
    role: Literal["primary", "fallback", "hedge"] = "primary"
    weight: int = 1
    token: str = ""  # env:NAME, keyring:SERVICE or file:PATH
    caFile: str = ""
    clientCert: str = ""
    clientKey: str = ""
    proxy: str = ""  # empty: as HTTPS_PROXY and its kin say
    http2: bool = False
    connectMs: int = 1500
    firstTokenMs: int = 0  # 0: as long as suggest.maxTimeMs


@dataclass(frozen=True, slots=True)
class BackendSettings:
    servers: tuple[ServerSettings, ...] = option(
        (), "Model servers, each a table (see the README). Empty: the model runs in this process.", user_only=True
    )
    promptTokens: int = option(
        2048, "Tokens of prompt that servers are sent at most.", user_only=True, within=(64, 1_048_576)
    )
    local: bool = option(True, "Let the model in this process answer while no server does.", user_only=True)
    hedge: bool = option(False, "Ask a second server when the first is slower than it usually is.", user_only=True)
    otherFilesTokens: int = option(
        0,
        "Tokens of other open files in the same language that a server is sent along at most; llama.cpp takes them, at"
        " /infill. 0: none.",
        user_only=True,
        within=(0, 1_048_576),
    )
    neverSend: tuple[str, ...] = option(
        (), "Files that are never sent to servers, as globs, beside keys and credentials.", user_only=True
    )


@dataclass(frozen=True, slots=True)
class UsageSettings:
    enabled: bool = option(
        True,
        "Count on this machine, for `infill-ls stats`, what was shown, taken and kept. Nothing is sent anywhere.",
        user_only=True,
    )


@dataclass(frozen=True, slots=True)
class Settings:
    model: ModelSettings = ModelSettings()
    suggest: SuggestSettings = SuggestSettings()
    latency: LatencySettings = LatencySettings()
    backend: BackendSettings = BackendSettings()
    log: LogSettings = LogSettings()
    usage: UsageSettings = UsageSettings()


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the settings reference."""

    key: str
    type: str
    default: object
    doc: str
    user_only: bool


def options() -> Iterator[Option]:
    """Every setting, in the order of the types."""
    for section in dataclasses.fields(Settings):
        group: Any = type(section.default)
        hints = get_type_hints(group)
        for item in dataclasses.fields(group):
            yield Option(
                f"{section.name}.{item.name}",
                _type_name(hints[item.name]),
                item.default,
                item.metadata["doc"],
                item.metadata["user_only"],
            )


def reference() -> str:
    """Every setting as a row of a Markdown table; the README holds this very text."""
    rows = ["| setting | values | default | what it does |", "|---|---|---|---|"]
    for item in options():
        default = DEFAULTS_AS_WRITTEN.get(repr(item.default), item.default)
        doc = item.doc + (" *Not from a workspace.*" if item.user_only else "")
        rows.append(f"| `{item.key}` | {item.type} | `{default}` | {doc} |")
    return "\n".join(rows)


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


def config_file() -> Path:
    """Where the user's own settings are looked for."""
    return Path(platformdirs.user_config_dir("infill-ls", appauthor=False)) / FILE_NAME


def log_file(settings: Settings) -> Path | None:
    """Where the log is written; None where no file is wanted."""
    if settings.log.file == "-":
        return None
    # os.path's, which leaves alone what it cannot expand.
    given = os.path.expanduser(settings.log.file)
    return Path(given or Path(platformdirs.user_log_dir("infill-ls", appauthor=False)) / "infill-ls.log")


def usage_file() -> Path:
    """Where it is counted what became of the suggestions."""
    return Path(platformdirs.user_data_dir("infill-ls", appauthor=False)) / "usage.sqlite"


def from_file(path: Path) -> tuple[Settings, tuple[str, ...]]:
    """The defaults with the user's file over them; a file that is not there changes nothing."""
    try:
        return merge(Settings(), read_toml(path))
    except UnreadableToml as error:
        return Settings(), (f"{error}; the defaults are used",)


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
        raise SettingsError(f"{key}: expected {_type_name(type_)}, got {value!r}")
    if within and isinstance(value, int) and not within[0] <= value <= within[1]:
        raise SettingsError(f"{key}: expected a number from {within[0]:,} to {within[1]:,}, got {value!r}")
    return value


def _check_list(key: str, values: object, type_: Any) -> object:
    if not isinstance(values, (list, tuple)):
        raise SettingsError(f"{key}: expected {_type_name(tuple[type_, ...])}, got {values!r}")
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


def _type_name(type_: Any) -> str:
    if get_origin(type_) is tuple:
        return "a list of tables" if get_args(type_)[0] is ServerSettings else "a list of strings"
    if get_origin(type_) is Literal:
        return " or ".join(f'"{value}"' for value in get_args(type_))
    return {str: "a string", int: "a whole number", bool: "true or false"}[type_]


def _field_names(type_: Any) -> set[str]:
    return {item.name for item in dataclasses.fields(type_)}
