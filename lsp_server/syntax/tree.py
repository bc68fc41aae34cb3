"""Questions about the code around an offset, answered by a parsed text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, TypeAlias

import tree_sitter

from lsp_server.languages import (
    CODE_IN_STRING,
    COMMENT,
    COMMENT_CLOSERS,
    CONTAINERS,
    STRING,
    STRING_CLOSERS,
    WRAPPERS,
    Language,
    opens_block,
)
from lsp_server.text import Span, is_blank, last_code, line_bounds, line_start

Kind: TypeAlias = Literal["function", "class", "field"]

MAX_DEPTH = 500  # of nodes looked at, in code nested without end
MAX_IMPORT_LINES, MAX_CONSTANT_LINES, MAX_FIELD_LINES = 40, 8, 3  # longer ones are not worth their room


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, a class, or a field of a class: header `text[start:header_end]`, body `text[header_end:end]`.

    Decorators and the like belong to the header. A field is all header.
    """

    kind: Kind
    start: int
    header_end: int
    end: int


class Tree:
    """The syntax of one text. Later edits of the document do not touch it."""

    def __init__(self, text: str, tree: tree_sitter.Tree, of: Language) -> None:
        self._text = text
        self.parsed = tree
        self._root = tree.root_node
        self.language = of
        self._kinds = _definition_kinds(of)

    def kind_at(self, offset: int) -> Literal["code", "comment", "string"]:
        """What a character typed at `offset` would be part of."""
        for node in reversed(self._path(offset)):
            if node.start_byte >= offset:
                continue
            inside = offset < node.end_byte
            if inside and CODE_IN_STRING.search(node.type):
                return "code"
            if COMMENT.search(node.type):
                return "comment" if inside or not self._closed_by(COMMENT_CLOSERS, node) else "code"
            if STRING.search(node.type):
                return "string" if inside or not self._closed_by(STRING_CLOSERS, node) else "code"
        return "code"

    def opens_block_before(self, offset: int) -> bool:
        """Does the line, left of `offset`, leave a block open? A comment behind the opener does not matter."""
        start = line_start(self._text, offset)
        end = start + len(self._text[start:offset].rstrip())
        comments = (node.start_byte for node in self._path(end) if COMMENT.search(node.type))
        end = min(next(comments, end), end)
        line = self._text[start:end]
        return not is_blank(line) and opens_block(self.language, line) and self.kind_at(end) == "code"

    def statement_at(self, offset: int) -> Span:
        """The statement, declaration or member around `offset`; on a blank line, the line."""
        start, end = line_bounds(self._text, offset)
        line = self._text[start:end]
        if is_blank(line):
            return start, end
        n_indent, n_before = len(line) - len(line.lstrip()), len(self._text[start:offset].rstrip())
        path = self._path(start + max(n_before, n_indent + 1))
        for parent, node in reversed(list(pairwise(path))):
            if parent.type in CONTAINERS:
                return node.start_byte, node.end_byte
        return start, end

    def enclosing_definitions(self, offset: int) -> tuple[Definition, ...]:
        """The functions and classes around `offset`, the innermost first."""
        return tuple(self._definition(node, start) for node, start in reversed(self._enclosing(offset)))

    def siblings(self, offset: int, n_most: int) -> tuple[list[Definition], list[Definition]]:
        """The other members of the class around `offset`, or of the module: above and below, the nearest first.

        Fields are members of classes only. At most `n_most` neighbours are looked at on each side.
        """
        container = self._container(offset)
        with_fields = container.parent is not None and not container.type.startswith("preproc_if")
        up, down = container.walk(), container.walk()
        has_below = down.goto_first_child_for_byte(offset) is not None
        has_above = (
            up.goto_first_child_for_byte(offset) is not None and up.goto_previous_sibling()
            if has_below
            else up.goto_last_child()
        )
        above = _along(up, "goto_previous_sibling", n_most) if has_above else ()
        below = _along(down, "goto_next_sibling", n_most) if has_below else ()
        below_cursor = (node for node in below if node.start_byte >= offset)
        return list(self._members(above, with_fields)), list(self._members(below_cursor, with_fields))

    def preamble(self, n_most: int) -> tuple[list[Span], list[Span]]:
        """The imports and the constants among the first `n_most` members of the module, without very long ones."""
        imports, constants = self.language.imports.split(), self.language.constants.split()
        spans: tuple[list[Span], list[Span]] = [], []
        for node in _top_level(self._root, n_most):
            inner = _inside_statement(node)
            if inner.type in imports and self._n_lines(node) <= MAX_IMPORT_LINES:
                spans[0].append((node.start_byte, node.end_byte))
            elif inner.type in constants and self._n_lines(node) <= MAX_CONSTANT_LINES and not self._unwrap(node):
                spans[1].append((node.start_byte, node.end_byte))
        return spans

    def n_errors(self, start: int, end: int, n_most: int = 100) -> int:
        """How many places between the two offsets the grammar cannot explain; counting ends at `n_most`."""
        n_found, waiting = 0, [self._root]
        while waiting and n_found < n_most:
            node = waiting.pop()
            if node.has_error and node.end_byte >= start and node.start_byte <= end:
                n_found += node.is_error or node.is_missing
                waiting += node.children
        return n_found

    def _path(self, offset: int) -> list[tree_sitter.Node]:
        """The nodes around the character left of `offset`, from the root down."""
        at = max(offset - 1, 0)
        cursor, path = self._root.walk(), [self._root]
        while len(path) < MAX_DEPTH and cursor.goto_first_child_for_byte(at) is not None:
            node = cursor.node
            if node is None or node.start_byte > at:
                break
            path.append(node)
        return path

    def _enclosing(self, offset: int) -> list[tuple[tree_sitter.Node, int]]:
        """The definitions around `offset`, the outermost first, each with the start of what belongs to it."""
        found = []
        wrapper: int | None = None
        for node in self._path(last_code(self._text, offset)):
            start = node.start_byte if wrapper is None else wrapper
            if node.type in self._kinds and node.is_named and self._encloses(node, offset):
                found.append((node, start))
            wrapper = start if node.type in WRAPPERS else None
        return found

    def _encloses(self, node: tree_sitter.Node, offset: int) -> bool:
        """In an indented language a body also goes on where the cursor is indented deeper than the header."""
        if offset < node.end_byte or not self.language.indented:
            return node.start_byte < offset < node.end_byte
        here, header = line_start(self._text, offset), line_start(self._text, node.start_byte)
        return node.end_byte > here or offset - here > node.start_byte - header

    def _definition(self, node: tree_sitter.Node, start: int) -> Definition:
        body = node.child_by_field_name("body") or _child_of(node, CONTAINERS)
        if body is None:
            header_end = line_bounds(self._text, node.start_byte)[1]
        elif self._text.startswith("{", body.start_byte):
            header_end = body.start_byte + 1
        else:
            before = body.prev_sibling
            header_end = before.end_byte if before else body.start_byte
        return Definition(self._kinds[node.type], start, min(header_end, node.end_byte), node.end_byte)

    def _unwrap(self, node: tree_sitter.Node) -> Definition | None:
        """The definition that a member is, with what is wrapped around it."""
        inner = node
        while inner.type not in self._kinds:
            if inner.type not in WRAPPERS or not inner.named_child_count:
                return None
            inner = inner.named_child(inner.named_child_count - 1)
        return self._definition(inner, node.start_byte)

    def _container(self, offset: int) -> tree_sitter.Node:
        """What the members around `offset` stand in: the body of a class, or the module."""
        for node, _ in reversed(self._enclosing(offset)):
            if self._kinds[node.type] == "class":
                return _child_of(node, CONTAINERS) or node
        guards = (node for node in self._path(offset) if node.type.startswith("preproc_if"))
        return next(guards, self._root)

    def _members(self, nodes: Iterable[tree_sitter.Node], with_fields: bool) -> Iterator[Definition]:
        for node in nodes:
            definition = self._unwrap(node)
            if definition:
                yield definition
            elif with_fields and self._n_lines(node) <= MAX_FIELD_LINES and not self._is_remark(node):
                yield Definition("field", node.start_byte, node.end_byte, node.end_byte)

    def _is_remark(self, node: tree_sitter.Node) -> bool:
        """A comment, or a text that stands for itself, as in Python."""
        inner = _inside_statement(node)
        return bool(COMMENT.search(inner.type) or STRING.search(inner.type))

    def _n_lines(self, node: tree_sitter.Node) -> int:
        return self._text.count("\n", node.start_byte, node.end_byte) + 1

    def _closed_by(self, closers: tuple[str, ...], node: tree_sitter.Node) -> bool:
        return self._text.endswith(closers, node.start_byte + 1, node.end_byte)


def _child_of(node: tree_sitter.Node, kinds: frozenset[str]) -> tree_sitter.Node | None:
    return next((child for child in reversed(node.named_children) if child.type in kinds), None)


def _inside_statement(node: tree_sitter.Node) -> tree_sitter.Node:
    return node.named_child(0) if node.type == "expression_statement" and node.named_child_count else node


def _top_level(root: tree_sitter.Node, n_most: int) -> Iterator[tree_sitter.Node]:
    """The members of the module; those inside `#ifndef … #endif` are members, too."""
    cursor = root.walk()
    for node in _along(cursor, "goto_next_sibling", n_most) if cursor.goto_first_child() else ():
        inner = node.walk()
        if node.type.startswith("preproc_if") and inner.goto_first_child():
            yield from _along(inner, "goto_next_sibling", n_most)
        else:
            yield node


def _along(cursor: tree_sitter.TreeCursor, step: str, n_most: int) -> Iterator[tree_sitter.Node]:
    """The named ones of at most `n_most` neighbours: a module may have thousands, and broken code tens of thousands.

    Nodes have a way to their neighbours, too, but in broken code each of its steps takes as long as all before it.
    """
    for _ in range(n_most):
        node = cursor.node
        if node and node.is_named:
            yield node
        if not getattr(cursor, step)():
            return


@cache
def _definition_kinds(of: Language) -> dict[str, Kind]:
    classes: dict[str, Kind] = {kind: "class" for kind in of.classes.split()}
    return classes | {kind: "function" for kind in of.functions.split()}
