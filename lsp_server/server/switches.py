"""On and off for one session, over what the settings say."""

from __future__ import annotations

from lsp_server.settings import SuggestSettings


class Switches:
    """Everywhere, and by language; both have to be on."""

    def __init__(self) -> None:
        self._everywhere: bool | None = None  # None: as suggest.enabled says
        self._languages_off: set[str] = set()

    @property
    def languages_off(self) -> list[str]:
        return sorted(self._languages_off)

    def turn(self, on: bool, language_id: str | None) -> None:
        if language_id is None:
            self._everywhere = on
        elif on:
            self._languages_off.discard(language_id)
        else:
            self._languages_off.add(language_id)

    def is_on(self, suggest: SuggestSettings) -> bool:
        return suggest.enabled if self._everywhere is None else self._everywhere

    def is_on_for(self, language_id: str, suggest: SuggestSettings) -> bool:
        return self.is_on(suggest) and language_id not in self._languages_off
