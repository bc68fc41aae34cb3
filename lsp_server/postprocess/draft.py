"""The value that the filters hand on."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.values import CodeContext


@dataclass(frozen=True, slots=True)
class Draft:
    """A suggestion on its way out: `text` takes the place of the `n_replaced` characters right of the cursor."""

    context: CodeContext
    text: str
    n_replaced: int = 0
