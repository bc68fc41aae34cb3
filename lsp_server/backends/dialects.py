"""The one table of what each kind of server can do: a row for each server and kind of prompt."""

from __future__ import annotations

from lsp_server.backends import llama_cpp_server, mistral, ollama, openai, tgi
from lsp_server.backends.dialect import Dialect
from lsp_server.errors import SettingsError

# For each server, the most exact prompt first: ids leave nothing to the server, text leaves it the whole vocabulary.
DIALECTS: tuple[Dialect, ...] = (
    llama_cpp_server.IDS,
    llama_cpp_server.INFILL,
    openai.IDS,
    openai.TEXT,
    openai.LLAMA_CPP_PYTHON,
    openai.SUFFIX,
    mistral.FIM,
    mistral.DEEPSEEK,
    tgi.STREAM,
    ollama.RAW,
)
NAMES = tuple(dict.fromkeys(row.name for row in DIALECTS))


def choose(name: str, *, has_vocabulary: bool, has_family: bool) -> Dialect:
    """The best row for what is known of the model: its vocabulary, or at least its family. Raises SettingsError."""
    if name not in NAMES:
        raise SettingsError(f"backend.servers: there is no dialect {name!r}; choose one of {', '.join(NAMES)}")
    usable = {"ids": has_vocabulary, "segments": True, "text": has_family}
    for row in DIALECTS:
        if row.name == name and usable[row.prompt]:
            return row
    raise SettingsError(
        f"backend.servers: {name} is asked with a whole prompt, so say how: set family, as in model.family"
        + (", or vocabulary" if any(row.prompt == "ids" for row in DIALECTS if row.name == name) else "")
    )


def as_table() -> str:
    """The table as Markdown; the README holds this very text."""
    columns = (
        "dialect",
        "prompt",
        "endpoint",
        "logprobs",
        "stop strings",
        "healed",
        "cancelled on disconnect",
        "tested",
    )
    rows = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in DIALECTS:
        stops = "any number" if row.max_stops is None else f"{row.max_stops} at most"
        logprobs, heals = ("yes" if flag else "no" for flag in (row.logprobs, row.heals))
        cells = (f"`{row.name}`", row.prompt, f"`{row.path}`", logprobs, stops, heals, row.cancels, row.tested)
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
