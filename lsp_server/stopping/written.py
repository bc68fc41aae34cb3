"""What has been written so far: the value that every stopping rule looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lsp_server.values import CodeContext, Limits, Piece, Reason


@dataclass(frozen=True, slots=True)
class Stop:
    """End the stream; `text[:keep]` stays."""

    reason: Reason
    keep: int


@dataclass(frozen=True, slots=True)
class Written:
    """The text that the model wrote behind the cursor. `is_whole` once it ended by itself, so its last line counts."""

    context: CodeContext
    limits: Limits
    text: str = ""
    n_tokens: int = 0
    elapsed_s: float = 0.0
    is_whole: bool = False

    def grown_by(self, piece: Piece, elapsed_s: float) -> Written:
        return replace(self, text=self.text + piece.text, n_tokens=self.n_tokens + 1, elapsed_s=elapsed_s)

    def ended(self) -> Written:
        return replace(self, is_whole=True)

    def lines(self) -> list[tuple[int, str]]:
        """(offset, line) of every line, the last one perhaps unfinished; the first begins at the cursor."""
        starts = [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]
        return list(zip(starts, self.text.split("\n"), strict=True))

    def whole_lines(self) -> list[tuple[int, str]]:
        """The lines that will not grow any more."""
        return self.lines() if self.is_whole else self.lines()[:-1]

    def before(self, line_start: int) -> int:
        """Where the text ends when the line at `line_start`, and blank lines above it, are left out."""
        return len(self.text[:line_start].rstrip()) if line_start else 0
