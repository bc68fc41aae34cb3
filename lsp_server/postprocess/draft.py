"""The value that the filters hand on."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.syntax import Seam
from lsp_server.values import CodeContext


@dataclass(frozen=True, slots=True)
class Draft:
    """A suggestion on its way out: `text` takes the place of the `n_replaced` characters right of the cursor."""

    context: CodeContext
    text: str
    n_replaced: int = 0
    seam: Seam | None = None

    def n_errors(self) -> int:
        """How many places of the document the grammar could not explain if the draft were accepted."""
        return self.seam.n_errors(self.text, self.n_replaced) if self.seam else 0

    def is_code(self) -> bool:
        """Is the cursor in code, and no string or comment, as far as a grammar knows?"""
        return self.seam is not None and self.seam.kind == "code"

    def mends(self) -> bool:
        """Does the grammar understand more of the document with the draft than without it?"""
        return self.seam is not None and self.n_errors() < self.seam.n_errors("")
