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

    The model's own steps stay where the document shows none, or where a line is no whole number of steps deep.
    """
    context = draft.context
    above, below = context.window.prefix.split("\n")[-N_LINES:-1], context.window.suffix.split("\n")[1:N_LINES]
    wanted = usual_step([*above, *below])
    lines = (context.line_prefix + draft.text).split("\n")
    steps = _steps_into_blocks(lines, context.language_id)
    if not wanted or len(steps) != 1 or wanted in steps:
        return draft
    again = [_indented_again(line, indent_of(lines[0]), steps[0], wanted) for line in lines[1:]]
    if None in again:
        return draft
    return replace(draft, text="\n".join([draft.text.split("\n")[0], *(line for line in again if line is not None)]))


def _steps_into_blocks(lines: Sequence[str], language_id: str) -> list[str]:
    """The different steps between a line that opens a block and the one behind it."""
    code = [line for line in lines if line.strip()]
    openers = ((one, two) for one, two in pairwise(code) if opens_block(language(language_id), one))
    return sorted({step for one, two in openers if (step := usual_step([one, two]))})


def _indented_again(line: str, base: str, step: str, wanted: str) -> str | None:
    """The line with as many of the wanted steps; None where that is no whole number."""
    indent, n_base = indent_of(line), _columns(base)
    n_steps, rest = divmod(_columns(indent) - n_base, _columns(step))
    if not line.strip() or n_steps < 0:
        return line
    return None if rest else base + wanted * n_steps + line[len(indent) :]


def _columns(indent: str) -> int:
    return len(indent.expandtabs(TAB_WIDTH))
