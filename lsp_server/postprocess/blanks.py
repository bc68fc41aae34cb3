"""White space that nobody would type."""

from __future__ import annotations

import re
from dataclasses import replace

from lsp_server.postprocess.draft import Draft
from lsp_server.text import with_plain_line_ends
from lsp_server.values import Reason

# Blanks at the end of a line are part of a string that goes on in the next.
_LONG_STRING = re.compile(r'"""|\'\'\'|`|<<')
_QUOTES = "\"'"


def plain_line_ends(draft: Draft) -> Draft:
    """The server writes the document's own."""
    return replace(draft, text=with_plain_line_ends(draft.text))


def trim_trailing_blanks(draft: Draft) -> Draft:
    """At the end of the text; at the ends of its lines too, where they are code for sure."""
    text = draft.text.rstrip()
    lines = text.split("\n")
    if draft.is_code() and not any(map(_may_leave_a_string_open, lines)):
        text = "\n".join(line.rstrip(" \t") for line in lines)
    return replace(draft, text=text)


def _may_leave_a_string_open(line: str) -> bool:
    return bool(_LONG_STRING.search(line)) or any(line.count(quote) % 2 for quote in _QUOTES)


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
