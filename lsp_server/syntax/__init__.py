"""What the code around an offset is: the only package that knows tree-sitter.

`Syntax` follows one document's edits; `Tree` answers questions about one of its texts. The parser never sees the text
itself but one ASCII character for each of its characters, so that its byte offsets are our offsets in any script, and
lone surrogates and half emoji cannot upset it.
"""

from __future__ import annotations

import codecs
import importlib
import re
from copy import copy
from functools import cache, cached_property
from time import perf_counter

import tree_sitter

from lsp_server.languages import LANGUAGES, language, language_of
from lsp_server.syntax.tree import Definition, Kind, Tree
from lsp_server.text import Span

__all__ = ["Definition", "Kind", "Seam", "Syntax", "Tree", "language_of", "missing_grammars"]

MAX_CHARS = 2_000_000  # beyond, a first parse takes about half a second, and the indentation has to do
PARSE_S = 1.0  # text that is not what its name says can take far longer than its size tells
REST_S = 30.0  # before another attempt at such a text
QUICK_S = 0.002  # a parse that takes longer is put off while somebody waits
REPARSE_SHARE = 1 / 16  # of what the first parse took, for one edit: as measured
STALE_CHARS = 2_000  # but not past this much of new text
# The YAML scanner ends the process when its stack of indentations, which begin with these characters, grows past 250.
TOO_DEEP = {"tree_sitter_yaml": re.compile(r"^[ \t?:-]{200}", re.MULTILINE)}
NEAR_CHARS = 8_000  # before and after an insertion, in a long document
_MEMBER = re.compile(r"\n(?=[^\s)\]}#])")  # where a member of the module begins, as far as its first column tells
SPLICE_S = 0.05  # for the question what an insertion would do
SPLICE_ERRORS = 20  # counting ends there
CHUNK = 16_384  # characters handed to the parser at a time


class Syntax:
    """The syntax of one document that is being edited. Not for several threads."""

    def __init__(self, language_id: str) -> None:
        self.language = language(language_id)
        grammar = _grammar(self.language.package, self.language.function)
        self._parser = tree_sitter.Parser(grammar) if grammar else None
        self._tree: tree_sitter.Tree | None = None
        self._stale: Span | None = None  # what was edited since the last parse
        self._reparse_s = 0.0  # what the next one is thought to take
        self._rest_until = 0.0
        self._row = (0, 0)  # an offset and its row, near the last edit

    def edit(self, old_text: str, start: int, end: int, new_text: str) -> None:
        """`new_text` takes the place of `old_text[start:end]`. Cheap: nothing is parsed."""
        if end - start == len(old_text):
            self._tree, self._rest_until = None, 0.0
        if self._tree is None:
            return
        at = self._point(old_text, start)
        old_end, new_end = _advance(at, old_text[start:end]), _advance(at, new_text)
        self._tree.edit(start, end, start + len(new_text), at, old_end, new_end)
        self._row = (start, at[0])
        low, high = self._stale or (start, end)
        self._stale = min(low, start), max(high, end) + len(new_text) - (end - start)

    def parse(self, text: str) -> Tree | None:
        """The syntax of `text`, which holds all edits so far; None where there is no grammar or it takes too long.

        In a long document a parse costs milliseconds for a single character, so after a small edit the tree before
        it, moved along, is good enough for an answer; `settle` makes up for it.
        """
        n_stale = self._stale[1] - self._stale[0] if self._stale else 0
        if self._tree is None or n_stale > STALE_CHARS or (self._stale and self._reparse_s <= QUICK_S):
            self._parse(text)
        return Tree(text, self._tree.copy(), self.language) if self._tree else None

    def ahead(self, text: str, start: int, end: int, new_text: str, then: str) -> Tree | None:
        """The syntax of `then`, in which `new_text` stands in place of `text[start:end]`; this one stays as it is."""
        fork = copy(self)
        fork._tree = self._tree.copy() if self._tree else None
        fork.edit(text, start, end, new_text)
        return fork.parse(then)

    def settle(self, text: str) -> None:
        """Parse what was put off, while nobody waits."""
        if self._tree is None or self._stale:
            self._parse(text)

    def _parse(self, text: str) -> None:
        start = perf_counter()
        if self._parser is None or len(text) > MAX_CHARS or start < self._rest_until or self._is_too_deep(text):
            self._tree = None
            return
        is_first = self._tree is None
        self._tree = _parsed(self._parser, text, self._tree, start + PARSE_S)
        self._stale, self._rest_until = None, start + REST_S if self._tree is None else 0.0
        taken_s = perf_counter() - start
        if is_first:
            self._row, self._reparse_s = (0, 0), taken_s * REPARSE_SHARE
        else:  # one quick parse among slow ones does not make the next one quick
            self._reparse_s = max(taken_s, 0.8 * self._reparse_s)

    def _is_too_deep(self, text: str) -> bool:
        pattern = TOO_DEEP.get(self.language.package)
        return pattern is not None and pattern.search(text) is not None

    def _point(self, text: str, offset: int) -> tuple[int, int]:
        """Row and column, where only "\\n" ends a row; counted from the row of the last edit."""
        known, row = self._row
        row += text.count("\n", known, offset) - text.count("\n", offset, known)
        return row, offset - (text.rfind("\n", 0, offset) + 1)


class Seam:
    """The place in a document where text is to be inserted, and what that would do to the syntax around it."""

    def __init__(self, tree: Tree, text: str, offset: int) -> None:
        self._whole, self._text, self._offset = tree, text, offset
        self._known: dict[tuple[str, int], int] = {}

    @property
    def kind(self) -> str:
        """What stands there: "code", "comment" or "string"."""
        return self._whole.kind_at(self._offset)

    def n_errors(self, insert: str, n_replaced: int = 0) -> int:
        """How many places the grammar could not explain if `insert` took the place of `n_replaced` characters."""
        asked = insert, n_replaced
        if asked not in self._known:
            self._known[asked] = self._n_errors(insert, n_replaced)
        return self._known[asked]

    def _n_errors(self, insert: str, n_replaced: int) -> int:
        """A parse that takes too long tells nothing good of the insertion."""
        text, offset, before = self._near
        if before is None:
            return SPLICE_ERRORS
        at = (text.count("\n", 0, offset), offset - (text.rfind("\n", 0, offset) + 1))
        end, edited = offset + n_replaced, before.copy()
        edited.edit(offset, end, offset + len(insert), at, _advance(at, text[offset:end]), _advance(at, insert))
        document = text[:offset] + insert + text[end:]
        parsed = _parsed(self._parser, document, edited, perf_counter() + SPLICE_S)
        language = self._whole.language
        first, last = max(0, offset - NEAR_CHARS // 4), offset + len(insert) + NEAR_CHARS // 4
        return Tree(document, parsed, language).n_errors(first, last, SPLICE_ERRORS) if parsed else SPLICE_ERRORS

    @cached_property
    def _parser(self) -> tree_sitter.Parser:
        language = self._whole.language
        return tree_sitter.Parser(_grammar(language.package, language.function))

    @cached_property
    def _near(self) -> tuple[str, int, tree_sitter.Tree | None]:
        """The document, or of a long one the members of the module nearby: (text, offset in it, its syntax)."""
        if len(self._text) <= 4 * NEAR_CHARS:
            return self._text, self._offset, self._whole.parsed
        start = max(0, self._offset - NEAR_CHARS)
        member = _MEMBER.search(self._text, start, self._offset) if start else None
        start = member.end() if member else start
        last = _MEMBER.search(self._text, self._offset + NEAR_CHARS)
        near = self._text[start : last.end() if last else len(self._text)]
        return near, self._offset - start, _parsed(self._parser, near, None, perf_counter() + SPLICE_S)


def _parsed(
    parser: tree_sitter.Parser, text: str, before: tree_sitter.Tree | None, deadline: float
) -> tree_sitter.Tree | None:
    """The new tree, or None at the deadline. Only what the edits touched is read again."""

    def read(offset: int, _: object) -> bytes:
        return text[offset : offset + CHUNK].encode("ascii", "infill-ls.letters")

    def is_late(_offset: int, _has_error: bool) -> bool:
        return perf_counter() > deadline

    try:
        if before:
            return parser.parse(read, before, progress_callback=is_late)
        return parser.parse(read, progress_callback=is_late)
    except ValueError:
        parser.reset()  # or the next parse would go on where this one was given up
        return None


def _stand_ins(error: UnicodeError) -> tuple[str, int]:
    """A letter for each character that is not ASCII, so that names stay names, and a space for each space."""
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    return "".join(" " if char.isspace() or char == "\ufeff" else "x" for char in characters), error.end


codecs.register_error("infill-ls.letters", _stand_ins)


def _advance(point: tuple[int, int], text: str) -> tuple[int, int]:
    """The row and column behind `text`, put at `point`."""
    n_rows = text.count("\n")
    return (point[0] + n_rows, len(text) - text.rfind("\n") - 1) if n_rows else (point[0], point[1] + len(text))


def missing_grammars() -> tuple[str, ...]:
    """The wheels that should be installed and are not."""
    wanted = sorted({(row.package, row.function) for row in LANGUAGES.values()})
    return tuple(package.replace("_", "-") for package, function in wanted if _grammar(package, function) is None)


@cache
def _grammar(package: str, function: str) -> tree_sitter.Language | None:
    """Imported when a document first needs it; None where there is none, or it is not installed."""
    if not package:
        return None
    try:
        module = importlib.import_module(package)
    except ImportError:
        return None
    return tree_sitter.Language(getattr(module, function)())
