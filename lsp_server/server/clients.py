"""What is peculiar to one editor or another, by the name it gives itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    whole_line: bool = False  # a suggestion in the middle of a line has to bring the whole line
    only_line_feeds: bool = False  # takes "\r" for text, whatever line ends the file has
    warns_of_unknown: bool = False  # bothers its user with notifications that it does not know


_CLIENTS = {
    # Draws over what stands right of the cursor, and hides what the line and the suggestion begin with in common.
    "Neovim": Client(whole_line=True, only_line_feeds=True),
    # lsp-mode; eglot calls itself "Emacs".
    "emacs": Client(only_line_feeds=True, warns_of_unknown=True),
    "Emacs": Client(only_line_feeds=True),
}


def client_named(name: str | None) -> Client:
    return _CLIENTS.get(name or "", Client())
