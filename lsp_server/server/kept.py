"""How much of a text that was taken is still there later, whatever is edited in and around it."""

from __future__ import annotations

from lsp_server.server.offers import Edit


class Kept:
    """`n_taken` characters at the offset `start`, followed through the edits."""

    def __init__(self, start: int, n_taken: int) -> None:
        self.n_taken = n_taken
        self._spans = [(start, start + n_taken)]

    @property
    def n_kept(self) -> int:
        return sum(end - start for start, end in self._spans)

    def follow(self, edit: Edit) -> None:
        before = [(start, min(end, edit.start)) for start, end in self._spans]
        after = [(max(start, edit.end) + edit.n_longer, end + edit.n_longer) for start, end in self._spans]
        self._spans = [(start, end) for start, end in (*before, *after) if start < end]
