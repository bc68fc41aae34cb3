"""The settings of one session, from all the places that have a say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lsp_server.settings import SECTION, Settings, merge


@dataclass(frozen=True, slots=True)
class Sources:
    """What was known before any editor came: the defaults with the user's file over them, and the command line.

    An editor's own settings go between the two.
    """

    base: Settings = field(default_factory=Settings)
    complaints: tuple[str, ...] = ()  # about the user's file
    overrides: Mapping[str, object] = field(default_factory=dict)

    def settings(self) -> Settings:
        """As they are without an editor."""
        return merge(self.base, self.overrides)[0]


class Configuration:
    """Settings in layers. Complaints are gathered until somebody can be told, each of them once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._options: object = None
        self._workspace: object = None
        self._told: set[str] = set()
        self._to_tell: list[str] = []
        self.settings = sources.settings()
        self._complain(sources.complaints)

    def set_options(self, values: object) -> None:
        """`initializationOptions`: the user's own."""
        self._options = section_of(values)
        self._rebuild()

    def set_workspace(self, values: object) -> None:
        """An answer to `workspace/configuration`, or the settings of `workspace/didChangeConfiguration`."""
        self._workspace = section_of(values)
        self._rebuild()

    def complaints(self) -> tuple[str, ...]:
        """Those that nobody was told of so far."""
        complaints, self._to_tell = tuple(self._to_tell), []
        return complaints

    def _rebuild(self) -> None:
        settings, complaints = merge(self._sources.base, self._options)
        settings, of_workspace = merge(settings, self._workspace, from_workspace=True)
        settings, of_command_line = merge(settings, self._sources.overrides)
        self.settings = settings
        self._complain((*complaints, *of_workspace, *of_command_line))

    def _complain(self, complaints: tuple[str, ...]) -> None:
        self._to_tell += [complaint for complaint in complaints if complaint not in self._told]
        self._told.update(complaints)


def section_of(values: object) -> object:
    """Our section, where an editor sends it by its name beside others."""
    return values[SECTION] if isinstance(values, Mapping) and SECTION in values else values
