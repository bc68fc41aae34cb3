"""What stands in the document already is not suggested again."""

from __future__ import annotations

from dataclasses import replace

from lsp_server.postprocess.draft import Draft
from lsp_server.values import Reason

MIN_OVERLAP = 2  # a single shared character is more often chance than repetition


def cut_rest_of_line(draft: Draft) -> Draft:
    """The text ends with what stands right of the cursor: leave it out."""
    rest = draft.context.line_suffix[draft.n_replaced :].rstrip()
    if len(rest.strip()) >= MIN_OVERLAP and draft.text.endswith(rest) and not _opens_in_text(draft.text, rest):
        return replace(draft, text=draft.text[: -len(rest)].rstrip(" \t"))
    return draft


def already_there(draft: Draft) -> Draft | Reason:
    """The line would become a copy of the one below it, or the text repeats all that follows."""
    below = [line.strip() for line in draft.context.below.split("\n", 50) if line.strip()]
    new = [line.strip() for line in draft.text.split("\n") if line.strip()]
    completed = [(draft.context.line_prefix + draft.text.split("\n")[0]).strip(), *new[1:]]
    for lines in (completed, new):
        if below and lines == below[: len(lines)] and len("".join(lines)) >= MIN_OVERLAP and not draft.mends():
            return Reason.ALREADY_THERE
    return draft


def _opens_in_text(text: str, rest: str) -> bool:
    """The closer at the end belongs to a bracket of the text itself, so it is no repetition of the document's."""
    pairs = {")": "(", "]": "[", "}": "{"}
    return any(text.count(pairs[char]) > text[: -len(rest)].count(char) for char in rest if char in pairs)
