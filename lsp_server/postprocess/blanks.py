"""White space that nobody would type."""

from __future__ import annotations

from dataclasses import replace

from lsp_server.postprocess.draft import Draft
from lsp_server.values import Reason


def trim_trailing_blanks(draft: Draft) -> Draft:
    return replace(draft, text=draft.text.rstrip())


def no_second_space(draft: Draft) -> Draft:
    """The space before the cursor is there already; indentation on a blank line is left to the model."""
    if draft.context.line_prefix.strip() and draft.context.line_prefix.endswith((" ", "\t")):
        return replace(draft, text=draft.text.lstrip(" \t"))
    return draft


def nothing_to_add(draft: Draft) -> Draft | Reason:
    return draft if draft.text.strip() else Reason.NOTHING_TO_ADD
