"""What the code around an offset is where there is no grammar, told from its indentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, Protocol

from lsp_server.languages import Language, opens_block
from lsp_server.syntax import Definition
from lsp_server.text import Span, indent_of, is_blank, line_bounds, line_start, lines_above, lines_below

N_LINES = 300  # looked at in each direction
N_COLUMNS = 400  # of each, since a line may be a whole file

_DEFINITION = re.compile(
    r"\b(def|defp|fun|func|function|fn|sub|proc|procedure|method)\b|"
    r"\b(?P<of_class>class|struct|impl|interface|trait|module|namespace|object|enum|contract)\b"
)
_IMPORT = re.compile(r"(import|from|#include|use|using|require|include|package|open|@import)\b|local\b.*\brequire\b")
_CLOSER = re.compile(r"\s*([)\]}]|(end|fi|done|esac|endif)\b|</)")


class Scopes(Protocol):
    """The questions about a text that windows and shapes are made of; `syntax.Tree` answers them better."""

    language: Language

    def kind_at(self, offset: int) -> Literal["code", "comment", "string"]: ...

    def opens_block_before(self, offset: int) -> bool: ...

    def statement_at(self, offset: int) -> Span: ...

    def enclosing_definitions(self, offset: int) -> tuple[Definition, ...]: ...

    def siblings(self, offset: int, n_most: int) -> tuple[list[Definition], list[Definition]]: ...

    def preamble(self, n_most: int) -> tuple[list[Span], list[Span]]: ...


class Indentation:
    """The same questions as `syntax.Tree`, answered by looking at the lines nearby."""

    def __init__(self, text: str, of: Language) -> None:
        self._text = text
        self.language = of

    def kind_at(self, offset: int) -> Literal["code", "comment", "string"]:
        comment = self.language.comment
        start = line_start(self._text, offset)
        return "comment" if comment and self._beginning(start, offset).lstrip().startswith(comment) else "code"

    def opens_block_before(self, offset: int) -> bool:
        start = line_start(self._text, offset)
        comment = self.language.comment
        code = self._text[start:offset].split(f" {comment}")[0] if comment else self._text[start:offset]
        return self.kind_at(offset) == "code" and opens_block(self.language, code)

    def statement_at(self, offset: int) -> Span:
        """The line: where a statement goes on in the next one, only a grammar knows."""
        return line_bounds(self._text, offset)

    def enclosing_definitions(self, offset: int) -> tuple[Definition, ...]:
        """The lines above with less and less indentation that look like headers; else the outermost of those lines."""
        headers = list(self._headers(offset))
        defining = [start for start in headers if _DEFINITION.search(self._beginning(start))]
        return tuple(self._definition(start, offset) for start in defining or headers[-1:])

    def siblings(self, offset: int, n_most: int) -> tuple[list[Definition], list[Definition]]:
        functions = (found for found in self.enclosing_definitions(offset) if found.kind == "function")
        inner = next(functions, Definition("function", offset, offset, offset))
        width = self._width(line_start(self._text, inner.start))
        above = self._headers_at(width, lines_above(self._text, inner.start))
        below = self._headers_at(width, lines_below(self._text, inner.end))
        return list(islice(above, n_most)), list(islice(below, n_most))

    def preamble(self, n_most: int) -> tuple[list[Span], list[Span]]:
        starts = [0, *(start for start, _ in islice(lines_below(self._text, 0), n_most))]
        imports = [line_bounds(self._text, start) for start in starts if _IMPORT.match(self._beginning(start))]
        return imports, []

    def _headers(self, offset: int) -> Iterator[int]:
        """Where the lines start that have less indentation than all between them and the cursor."""
        here, end = line_bounds(self._text, offset)
        width = offset - here if is_blank(self._text[here:end]) else self._width(here)
        for start, _ in islice(lines_above(self._text, offset), N_LINES):
            if not width:
                return
            line = self._beginning(start)
            if not is_blank(line) and self._width(start) < width and not closes_block(line):
                width = self._width(start)
                yield start

    def _headers_at(self, width: int, lines: Iterable[Span]) -> Iterator[Definition]:
        """Headers of this indentation, until the block around them ends."""
        for start, _ in islice(lines, N_LINES):
            line = self._beginning(start)
            if is_blank(line):
                continue
            if self._width(start) < width:
                return
            if self._width(start) == width and _DEFINITION.search(line):
                end = line_bounds(self._text, start)[1]
                yield Definition("field", start, end, end)

    def _definition(self, start: int, offset: int) -> Definition:
        """The body lasts, below `offset`, while lines are indented deeper than the header, and has its closing line."""
        found = _DEFINITION.search(self._beginning(start))
        kind: Literal["function", "class"] = "class" if found and found["of_class"] else "function"
        end = line_bounds(self._text, offset)[1]
        for below, _ in islice(lines_below(self._text, offset), N_LINES):
            line = self._beginning(below)
            is_inside = is_blank(line) or self._width(below) > self._width(start)
            if not is_blank(line) and (is_inside or closes_block(line)):
                end = line_bounds(self._text, below)[1]
            if not is_inside:
                break
        return Definition(kind, start, line_bounds(self._text, start)[1], end)

    def _width(self, start: int) -> int:
        return len(indent_of(self._beginning(start)))

    def _beginning(self, start: int, end: int | None = None) -> str:
        """Of the line that starts there."""
        end = line_bounds(self._text, start)[1] if end is None else end
        return self._text[start : min(end, start + N_COLUMNS)]


def closes_block(line: str) -> bool:
    """Does the line begin with what ends a block?"""
    return _CLOSER.match(line) is not None
