"""Documents as the user sees them: the cursor is marked ┃."""

from __future__ import annotations

import asyncio

from lsp_server.backends.scripted import Scripted
from lsp_server.context.window import WindowBudget
from lsp_server.pipeline import Answer, Engine, ModelInfo, complete
from lsp_server.syntax import Syntax
from lsp_server.values import CodeContext, Limits, Shape, Snapshot, Window

CURSOR = "┃"
LIMITS = Limits(max_tokens=200, max_time_s=60)


def snapshot(document: str, language_id: str = "python", *, invoked: bool = True) -> Snapshot:
    offset = document.index(CURSOR)
    text = document.replace(CURSOR, "", 1)
    return Snapshot("file:///sample", "/sample", language_id, 1, text, offset, invoked)


def scripted_engine(model_says: str, limits: Limits = LIMITS, probability: float | None = None) -> Engine:
    """The whole pipeline, with a backend that says what it is told to."""
    info = ModelInfo("scripted", "", "none", "none", "psm", "scripted", 2048)
    return Engine(Scripted(model_says, probability), lambda line: len(line) // 3 + 1, WindowBudget(1848), limits, info)


def answered(document: str, model_says: str, language_id: str = "python", limits: Limits = LIMITS) -> Answer:
    asked = snapshot(document, language_id)
    tree = Syntax(language_id).parse(asked.text)
    return asyncio.run(complete(scripted_engine(model_says, limits), asked, tree, None))


def completed(document: str, model_says: str, language_id: str = "python", limits: Limits = LIMITS) -> str:
    """The document after the suggestion was accepted, the cursor behind what was inserted."""
    asked = snapshot(document, language_id)
    completion = answered(document, model_says, language_id, limits).completion
    if completion is None:
        return document
    return asked.text[: asked.offset] + completion.text + CURSOR + asked.text[completion.replace_until :]


def context(document: str, shape: Shape = Shape.LINE, block_indent: str = "", indent_unit: str = "") -> CodeContext:
    """A context with the shape given, for rules and filters on their own."""
    before, after = document.split(CURSOR)
    line_suffix, _, below = after.partition("\n")
    window = Window(before, after, 0, 0, (), document.count("\n") + 1, True)
    line_prefix = before.rpartition("\n")[2]
    return CodeContext(
        "python", "", line_prefix, line_suffix, below, shape, None, block_indent, "\n", window, indent_unit
    )
