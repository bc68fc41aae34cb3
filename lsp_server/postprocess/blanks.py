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


def first_line_at_its_column(draft: Draft) -> Draft:
    """Indentation that stands left of the cursor already is not written a second time."""
    here, block = draft.context.line_prefix, draft.context.block_indent
    if here.strip() or not here or not block.startswith(here):
        return draft
    code = draft.text.lstrip(" \t")
    lead = draft.text[: len(draft.text) - len(code)]
    missing = block[len(here) :]
    return replace(draft, text=missing + code) if len(lead) > len(missing) else draft


def nothing_to_add(draft: Draft) -> Draft | Reason:
    return draft if draft.text.strip() else Reason.NOTHING_TO_ADD
