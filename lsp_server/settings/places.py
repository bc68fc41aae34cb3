"""Where the user's own settings are, and the files that the program writes."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from lsp_server.settings.merging import FILE_NAME, merge
from lsp_server.settings.tables import Settings
from lsp_server.toml import UnreadableToml, read_toml


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
