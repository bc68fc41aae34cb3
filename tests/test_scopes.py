"""What the indentation says where there is no grammar."""

from __future__ import annotations

import pytest

from lsp_server.context.scopes import Indentation
from lsp_server.languages import language
from lsp_server.syntax import Definition
from tests.drawing import snapshot

SHOP = """\
import shop
from cart use item

class Cart {
    fun size() = 0

    fun add(item) {
        if (item) {
            item.sell()
        } else {
            ┃
        }
    }

    fun clear() {
        items = []
    }
}

fun main() {
}
"""


def scopes(document: str, language_id: str = "plaintext") -> tuple[Indentation, str, int]:
    asked = snapshot(document)
    return Indentation(asked.text, language(language_id)), asked.text, asked.offset


def headers(text: str, definitions: list[Definition] | tuple[Definition, ...]) -> list[str]:
    return [text[found.start : found.header_end].strip() for found in definitions]


def test_the_lines_with_less_indentation_that_look_like_headers_are_around_the_cursor():
    found, text, offset = scopes(SHOP)
    around = found.enclosing_definitions(offset)
    assert headers(text, around) == ["fun add(item) {", "class Cart {"]
    assert [definition.kind for definition in around] == ["function", "class"]
    assert text[: around[0].end].endswith("        }\n    }")
    assert text[: around[1].end].endswith("    }\n}")


def test_where_nothing_looks_like_a_header_the_outermost_line_is_one():
    found, text, offset = scopes("a = 1\nstart {\n  when b {\n  }\n  c(┃)\n}\n")
    assert headers(text, found.enclosing_definitions(offset)) == ["start {"]


def test_a_line_that_begins_with_a_closer_is_no_header():
    found, text, offset = scopes("if (a) {\n  b();\n} else {\n  ┃\n}\n")
    assert headers(text, found.enclosing_definitions(offset)) == ["if (a) {"]


def test_headers_beside_the_function_are_found_within_its_block():
    found, text, offset = scopes(SHOP)
    above, below = found.siblings(offset, 10)
    assert headers(text, above) == ["fun size() = 0"]
    assert headers(text, below) == ["fun clear() {"]


def test_imports_are_lines_that_begin_like_imports():
    found, text, _ = scopes(SHOP)
    imports, constants = found.preamble(10)
    assert [text[start:end] for start, end in imports] == ["import shop", "from cart use item"]
    assert constants == []


@pytest.mark.parametrize("document", ["┃", "\n\n┃", "┃\n", "x┃", "    ┃", "  }\n}\n┃}", "x" * 100_000 + "┃\n  y"])
def test_every_question_has_an_answer_in_any_text(document):
    found, text, offset = scopes(document)
    assert found.kind_at(offset) == "code"
    assert not found.opens_block_before(offset)
    start, end = found.statement_at(offset)
    assert start <= offset <= end
    for definition in found.enclosing_definitions(offset):
        assert 0 <= definition.start <= definition.header_end <= definition.end <= len(text)
    found.siblings(offset, 5)
    found.preamble(5)


def test_comments_are_known_by_how_a_line_begins():
    found, _, offset = scopes("    # if a:┃\n", "python")
    assert found.kind_at(offset) == "comment"
    assert not found.opens_block_before(offset)
