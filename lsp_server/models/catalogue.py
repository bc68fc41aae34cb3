"""The models that the program knows where to get: `catalogue.toml` as values, and as the table of `models list`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from lsp_server.errors import UsageError
from lsp_server.fim import FAMILIES
from lsp_server.toml import read_toml

GB = 10**9
# How a model is run → what the list says of it.
RUNS = {
    "llama.cpp": "as it is",
    "ctransformers": "as it is, by ctransformers",
    "convert": "once converted",
    "remote": "on a GPU server",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One model; the keys of catalogue.toml, which describes them."""

    name: str
    title: str
    runs: str
    repository: str
    files: tuple[str, ...]
    size: int
    licence: str
    family: str
    context: int
    exact: bool = False
    sha256: str = ""
    gated: bool = False
    verified: bool = True
    note: str = ""

    @property
    def orders(self) -> tuple[str, ...]:
        """The orders of its prompts, the one that is used first."""
        return next(family.orders for family in FAMILIES if family.name == self.family)


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Name → entry, in the order of the file."""
    tables = read_toml(Path(__file__).with_name("catalogue.toml"))
    return {name: _entry(name, keys) for name, keys in tables.items() if isinstance(keys, dict)}


def find(name: str) -> CatalogueEntry:
    """Raises UsageError, with the nearest names, for a model that is not in the catalogue."""
    entries = catalogue()
    if name in entries:
        return entries[name]
    near = get_close_matches(name.lower(), entries, n=3, cutoff=0.4)
    advice = f"did you mean {' or '.join(near)}?" if near else "`infill-ls models list` shows them all"
    raise UsageError(f"there is no model {name!r} in the catalogue; {advice}")


def next_step(entry: CatalogueEntry, path: Path) -> str:
    """What to do with the model once its file is at `path`."""
    if entry.runs == "convert":
        return f"convert it with `infill-ls models convert {path.parent} {entry.name}.gguf`"
    if entry.runs == "remote":
        return f"serve {path.parent} on a machine with a GPU, or convert it with `infill-ls models convert`"
    return f"try it with `infill-ls complete FILE:LINE --model {path}`, or write it down in infill-ls.toml:\n\n" + (
        f"[model]\npath = {json.dumps(str(path), ensure_ascii=False)}"
    )


def listing(installed: Callable[[CatalogueEntry], Path | None]) -> str:
    """The table for a terminal; `installed` says where the file of an entry is, if it is here."""
    rows = [
        ("", "NAME", "SIZE", "CONTEXT", "PROMPTS", "LICENCE", "RUNS"),
        *(_row(entry, installed) for entry in catalogue().values()),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([*lines, *_legend()])


def _row(entry: CatalogueEntry, installed: Callable[[CatalogueEntry], Path | None]) -> tuple[str, ...]:
    size = f"{'' if entry.exact else '~'}{entry.size / GB:.1f} GB"
    licence = entry.licence + (", gated" if entry.gated else "")
    return (
        "✓" if installed(entry) else "",
        entry.name + ("" if entry.verified else " ?"),
        f"{size:>8}",
        f"{entry.context:>7,}",
        f"{entry.family} {entry.orders[0]}",
        licence,
        RUNS[entry.runs],
    )


def _legend() -> Iterator[str]:
    yield ""
    yield "✓ is on this machine; ~ is about that size; ? was not seen on the hub, its name is its maker's usual one"
    yield "Get one with `infill-ls models pull NAME`."


def _entry(name: str, keys: Mapping[str, object]) -> CatalogueEntry:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
    return CatalogueEntry(name=name, **values)  # type: ignore[arg-type]  # a test checks every value of the file
