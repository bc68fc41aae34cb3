"""The settings: defaults in the types, one parser, every complaint names its key.

Later wins: the user's infill-ls.toml, the editor's initializationOptions, the command line; and, for harmless keys
only, `workspace/configuration`. A workspace never chooses a model or an executable: a client's answer to
`workspace/configuration` mixes the user's values with the workspace's, so keys that are the user's alone are ignored.
"""

from __future__ import annotations

from lsp_server.settings.merging import FILE_NAME, SECTION, merge
from lsp_server.settings.places import config_file, from_file, log_file, usage_file
from lsp_server.settings.reference import Option, options, reference
from lsp_server.settings.tables import (
    BackendSettings,
    LatencySettings,
    LogSettings,
    ModelSettings,
    ServerSettings,
    Settings,
    SuggestSettings,
    UsageSettings,
)

__all__ = [
    "FILE_NAME",
    "SECTION",
    "BackendSettings",
    "LatencySettings",
    "LogSettings",
    "ModelSettings",
    "Option",
    "ServerSettings",
    "Settings",
    "SuggestSettings",
    "UsageSettings",
    "config_file",
    "from_file",
    "log_file",
    "merge",
    "options",
    "reference",
    "usage_file",
]
