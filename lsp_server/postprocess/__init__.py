"""The filters that run on the finished text, in order. Each hands a draft on, or gives the reason to show nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lsp_server.postprocess.blanks import (
    first_line_at_its_column,
    no_second_space,
    nothing_to_add,
    plain_line_ends,
    trim_trailing_blanks,
)
from lsp_server.postprocess.closers import reconcile_closers
from lsp_server.postprocess.draft import Draft
from lsp_server.postprocess.fences import without_fence
from lsp_server.postprocess.indentation import in_the_documents_steps
from lsp_server.postprocess.overlap import already_there, cut_rest_of_line
from lsp_server.syntax import Seam
from lsp_server.values import CodeContext, Reason

FILTERS: tuple[Callable[[Draft], Draft | Reason], ...] = (
    plain_line_ends,
    without_fence,
    trim_trailing_blanks,
    no_second_space,
    first_line_at_its_column,
    in_the_documents_steps,
    nothing_to_add,
    reconcile_closers,
    cut_rest_of_line,
    already_there,
    nothing_to_add,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    text: str
    n_replaced: int  # characters right of the cursor that give way
    changed_by: tuple[str, ...]  # names of the filters that changed the draft
    rejected: Reason | None


def apply(text: str, context: CodeContext, seam: Seam | None = None) -> Outcome:
    draft = Draft(context, text, seam=seam)
    changed_by: list[str] = []
    for filter_ in FILTERS:
        result = filter_(draft)
        if isinstance(result, Reason):
            return Outcome("", 0, (*changed_by, filter_.__name__), result)
        if result != draft:
            changed_by.append(filter_.__name__)
        draft = result
    return Outcome(draft.text, draft.n_replaced, tuple(changed_by), None)
