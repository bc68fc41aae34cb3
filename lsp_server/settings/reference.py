"""The settings as a table for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

from lsp_server.settings.merging import type_name
from lsp_server.settings.tables import Settings

# Where TOML writes a value in another way than Python does.
DEFAULTS_AS_WRITTEN = {"True": "true", "False": "false", "''": '""', "()": "[]"}


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
                type_name(hints[item.name]),
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
