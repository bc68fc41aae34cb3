"""Steps of indentation as the document has them, whatever the model is used to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from lsp_server.languages import language, opens_block
from lsp_server.postprocess.draft import Draft
from lsp_server.text import indent_of, usual_step

N_LINES = 100  # of the document in each direction
TAB_WIDTH = 4


def in_the_documents_steps(draft: Draft) -> Draft:
    """Where all blocks of the text are indented by another step than the document's, they get the document's.

    Where the document shows none, by the editor's or the project's. The model's own steps stay where nobody says, or
    where a line is no whole number of steps deep.
    """
    context = draft.context
    above, below = context.window.prefix.split("\n")[-N_LINES:-1], context.window.suffix.split("\n")[1:N_LINES]
    wanted = usual_step([*above, *below]) or context.indent_unit
    first, *others = (context.line_prefix + draft.text).split("\n")
    steps = _steps_into_blocks([first, *others], context.language_id)
    base, widths = indent_of(first), {_columns(step) for step in steps or {wanted}}
    if not wanted or len(widths) != 1 or (steps <= {wanted} and all(_goes_with(line, base) for line in others)):
        return draft
    (n_columns,) = widths
    again = [_indented_again(line, base, n_columns, wanted) for line in others]
    if None in again:
        return draft
    return replace(draft, text="\n".join([draft.text.split("\n")[0], *(line for line in again if line is not None)]))


def _steps_into_blocks(lines: Sequence[str], language_id: str) -> set[str]:
    """The different steps between a line that opens a block and the one behind it, tabs or spaces."""
    code = [line for line in lines if line.strip()]
    openers = ((one, two) for one, two in pairwise(code) if opens_block(language(language_id), one))
    return {step for one, two in openers if (step := _step(indent_of(one), indent_of(two)))}


def _step(outer: str, inner: str) -> str:
    """By columns, where the one is written with tabs and the other with spaces; "" where it is no likely step."""
    if inner.startswith(outer):
        return usual_step([f"{outer}x", f"{inner}x"])
    n_columns = _columns(inner) - _columns(outer)
    return " " * n_columns if 2 <= n_columns <= 8 else ""


def _goes_with(line: str, base: str) -> bool:
    """Are tabs tabs and spaces spaces, as far as the first line shows them?"""
    indent = indent_of(line)
    return not line.strip() or indent.startswith(base) or base.startswith(indent)


def _indented_again(line: str, base: str, n_columns: int, wanted: str) -> str | None:
    """The line with a step of `wanted` for each `n_columns`; None where that is no whole number."""
    indent = indent_of(line)
    n_steps, rest = divmod(_columns(indent) - _columns(base), n_columns)
    if not line.strip():
        return line
    if n_steps < 0:
        return _outside(indent, base) + line[len(indent) :]
    if rest and _columns(wanted) != n_columns:
        return None
    return base + wanted * n_steps + " " * rest + line[len(indent) :]


def _outside(indent: str, base: str) -> str:
    """Indentation left of the text's own, written as the document writes it where that has the same columns."""
    outer = (base[:n] for n in range(len(base)))
    return next((same for same in outer if _columns(same) == _columns(indent)), indent)


def _columns(indent: str) -> int:
    return len(indent.expandtabs(TAB_WIDTH))
