"""What the code around the cursor says, before the model is asked: how much is wanted, and what the model sees."""

from __future__ import annotations

from lsp_server.context.cursor import decide
from lsp_server.context.filling import CountLine
from lsp_server.context.scopes import Indentation, Scopes
from lsp_server.context.window import WindowBudget, cut
from lsp_server.languages import language
from lsp_server.syntax import Tree
from lsp_server.text import dominant_eol, line_bounds, next_line, with_plain_line_ends
from lsp_server.values import CodeContext, Reason, Shape, Snapshot, Window

__all__ = ["WindowBudget", "gather"]

BELOW_CHARS = 20_000  # of the text below the cursor's line that stopping and filters may look at


def gather(
    snapshot: Snapshot,
    tree: Tree | None,
    budget: WindowBudget,
    count_line: CountLine,
    previous: Window | None,
    *,
    ends_by_itself: bool = True,
    in_comments: bool = True,
) -> CodeContext:
    """Decide what is wanted at the cursor and cut the window around it.

    `tree` is the syntax of `snapshot.text`; without one, the indentation has to do. `count_line` gives the tokens of
    one line, its line end included. `previous` is the window of the document's last request: where its cut points still
    do, they are kept. A refused request has that window, or an empty one. A model that `ends_by_itself` may write as
    many lines as belong to the place, and the stopping rules end what does not; any other is held to the shape. Without
    `in_comments`, those are refused, too.
    """
    text, offset = snapshot.text, snapshot.offset
    scopes: Scopes = tree or Indentation(text, language(snapshot.language_id))
    decision = decide(text, offset, scopes, snapshot.invoked, in_comments=in_comments)
    shape, refusal, window = decision.shape, decision.refusal, None
    if shape is Shape.LINE and ends_by_itself:
        shape = Shape.BLOCK
    if refusal is None:
        window = cut(text, offset, scopes, budget, count_line, previous)
        shape, refusal = (shape, None) if window else (Shape.NOTHING, Reason.NO_ROOM)
    start, end = line_bounds(text, offset)
    below = next_line(text, offset)
    return CodeContext(
        language_id=snapshot.language_id,
        path=snapshot.path,
        line_prefix=text[start:offset],
        line_suffix=text[offset:end],
        below=with_plain_line_ends(text[below : below + BELOW_CHARS]),
        shape=shape,
        refusal=refusal,
        block_indent=decision.block_indent,
        eol=dominant_eol(text),
        window=window or previous or Window("", "", 0, 0, (), text, True),
        indent_unit=snapshot.indent_unit,
    )
