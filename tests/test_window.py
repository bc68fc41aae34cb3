"""Which lines the model sees, and that they stay the same ones while somebody types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server import syntax
from lsp_server.context import gather
from lsp_server.context.window import WindowBudget
from lsp_server.formats.gguf import read_gguf
from lsp_server.models.packaged import packaged_model
from lsp_server.syntax import Syntax
from lsp_server.text import line_bounds
from lsp_server.tokenization import Tokenizer
from lsp_server.values import CodeContext, Reason, Shape, Snapshot, Window
from tests.drawing import CURSOR, snapshot

CART = '''\
"""A shop."""

import json
from decimal import Decimal

TAX = Decimal("0.2")
print(TAX)


def load(path):
    with open(path) as file:
        return json.load(file)


class Cart:
    """What somebody wants to buy."""

    def __init__(self, items):
        self.items = items
        self.paid = False

    def add(self, item):
        if self.paid:
            raise ValueError(item)
        self.items.append(item)

    def total(self):
        result = Decimal()
        for item in self.items:
            result += ┃
        return result * (1 + TAX)

    def clear(self):
        self.items.clear()
        self.paid = False

    def pay(self):
        self.paid = True


def main():
    cart = Cart(load("cart.json"))
    print(cart.total())
'''


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how busy the machine is."""
    monkeypatch.setattr(syntax, "PARSE_S", 60.0)
    monkeypatch.setattr(syntax, "QUICK_S", 60.0)


def count_words(line: str) -> int:
    return len(line.split()) + 1


def asked(
    text: str,
    offset: int,
    n_tokens: int,
    previous: Window | None = None,
    language_id: str = "python",
    count: Callable[[str], int] = count_words,
) -> CodeContext:
    request = Snapshot("file:///a", "", language_id, 1, text, offset, invoked=True)
    return gather(request, Syntax(language_id).parse(text), WindowBudget(n_tokens), count, previous)


def window(document: str, n_tokens: int, language_id: str = "python") -> Window:
    at = snapshot(document, language_id)
    return asked(at.text, at.offset, n_tokens, language_id=language_id).window


def drawn(of: Window) -> str:
    return of.prefix + CURSOR + of.suffix


def test_a_document_that_fits_is_seen_whole():
    seen = window(CART, 1000)
    assert drawn(seen) == CART
    assert seen.kept == ((0, CART.count("\n")),)


def test_the_function_comes_first_then_imports_and_constants_then_headers_then_what_is_near():
    assert (
        drawn(window(CART, 80))
        == """\
import json
from decimal import Decimal
TAX = Decimal("0.2")

class Cart:

    def __init__(self, items):
        ...
        self.paid = False

    def add(self, item):
        if self.paid:
            raise ValueError(item)
        self.items.append(item)

    def total(self):
        result = Decimal()
        for item in self.items:
            result += ┃
        return result * (1 + TAX)
"""
    )


def test_in_a_small_window_the_function_leaves_room_for_little_else():
    seen = drawn(window(CART, 38))
    assert seen.startswith("import json\n")
    assert seen.endswith("""\

    def total(self):
        result = Decimal()
        for item in self.items:
            result += ┃
        return result * (1 + TAX)
""")


def test_of_a_function_that_is_too_large_its_header_and_the_lines_nearby_are_seen():
    body = "".join(f"    step_{n} = other(step_{n - 1})\n" for n in range(1, 100))
    seen = window(f"import os\n\ndef long(step_0,\n         more):\n{body}    return ┃\n\ndef next():\n    pass\n", 40)
    assert drawn(seen).startswith("def long(step_0,\n         more):\n    step_9")
    assert "    step_99 = other(step_98)\n    return ┃\n" in drawn(seen)


def test_bodies_in_braces_are_left_out_between_them():
    step = "  step%d(item) {\n    this.items[%d].push(item);\n    this.total += 1;\n  }\n\n"
    document = (
        'import a from "b";\n\nconst LIMIT = 3;\n\nclass Cart {\n  size = 0;\n\n'
        + "".join(step % (n, n) for n in range(9))
        + "  add(item) {\n    this.┃\n  }\n\n"
        + "  last() {\n    return this.items;\n    // the end\n  }\n}\n"
    )
    assert (
        drawn(window(document, 70, "javascript"))
        == """\
import a from "b";
const LIMIT = 3;

class Cart {

  step7(item) {
    this.items[7].push(item);
    this.total += 1;
  }

  step8(item) {
    this.items[8].push(item);
    this.total += 1;
  }

  add(item) {
    this.┃
  }

  last() {
  }
"""
    )


def test_without_a_grammar_the_indentation_says_what_matters():
    document = (
        "import shop\n\n"
        + "".join(f"sub step{n}(item)\n    item.count += {n}\n    return item\n\n" for n in range(20))
        + "sub add(item)\n    if item\n        item.┃\n    return item\n\nsub last(item)\n    return 1\n"
    )
    seen = drawn(window(document, 40, "plaintext"))
    assert seen.startswith("import shop\n")
    assert "sub add(item)\n    if item\n        item.┃\n    return item\n" in seen


def test_what_the_prefix_does_not_need_the_suffix_gets():
    lines = "".join(f"value_{n} = {n}\n" for n in range(200))
    assert window("┃" + lines, 100).n_suffix_tokens > 75
    assert window(lines + "┃", 100).n_prefix_tokens > 75
    in_between = window(lines + "┃\n" + lines, 100)
    assert 0.70 < in_between.n_prefix_tokens / (in_between.n_prefix_tokens + in_between.n_suffix_tokens) <= 0.80


def test_a_cut_is_made_between_statements_where_the_code_is_nested_least():
    steps = "".join(f"def f{n}():\n    a = [\n        {n},\n    ]\n    return a\n\n\n" for n in range(30))
    for n_tokens in range(60, 90):
        lines = drawn(window(steps + "x = ┃\n" + steps, n_tokens)).split("\n")
        assert lines[0].startswith("def f"), n_tokens


def test_a_nested_line_is_not_seen_without_what_it_is_nested_in():
    for n_tokens in range(45, 110):
        seen = drawn(window(CART, n_tokens))
        assert "raise ValueError" not in seen or "if self.paid" in seen, n_tokens


def test_of_a_line_larger_than_the_window_the_part_at_the_cursor_is_seen():
    line = "".join(f"value{n}({n}); " for n in range(10_000))
    seen = window(f"first();\n{line[:70_000]}┃{line[70_000:]}\nlast();\n", 60, "javascript")
    assert seen.n_prefix_tokens + seen.n_suffix_tokens <= 60
    assert line[:70_000].endswith(seen.prefix) and line[70_000:].startswith(seen.suffix)
    assert len(seen.prefix.split()) > 30 and len(seen.suffix.split()) > 5
    assert not seen.prefix[0].isalnum() or not line[70_000 - len(seen.prefix) - 1].isalnum()


def test_a_long_line_nearby_ends_the_window_and_is_not_even_counted():
    counted: list[int] = []

    def count(line: str) -> int:
        counted.append(len(line))
        return count_words(line)

    text = "data = [" + "1, " * 100_000 + "]\nx = 1\ny = "
    seen = asked(text, len(text), 60, count=count).window
    assert drawn(seen) == "x = 1\ny = ┃"
    assert max(counted) < 2000


def test_a_window_too_small_for_anything_is_refused():
    refused = asked("x = 1\n", 6, 10)
    assert (refused.shape, refused.refusal) == (Shape.NOTHING, Reason.NO_ROOM)


def test_the_model_sees_plain_line_ends_whatever_the_document_has():
    seen = asked("a = 1\r\nb = \r\nc = 3\rd = 4\r\n", 11, 500)
    assert drawn(seen.window) == "a = 1\nb = ┃\nc = 3\nd = 4\n"
    assert (seen.line_prefix, seen.line_suffix, seen.below, seen.eol) == ("b = ", "", "c = 3\nd = 4\n", "\r\n")


def test_a_refused_request_leaves_the_window_as_it_was():
    before = asked("value = 1\n", 9, 100).window
    request = Snapshot("file:///a", "", "python", 1, "value = 1\n", 2, invoked=False)
    refused = gather(request, None, WindowBudget(100), count_words, before)
    assert refused.refusal is Reason.INSIDE_WORD
    assert refused.window is before


LINES = [
    "def f(a):",
    "class A:",
    "    x = 1",
    "        y(",
    "",
    "}",
    "if (a) {",
    "import os",
    "é = '😀'",
    "\t\tz",
    '"""',
]
documents = st.builds(str.join, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.sampled_from(LINES), max_size=60))


@settings(deadline=None)
@given(documents, st.floats(0, 1), st.integers(16, 120), st.sampled_from(["python", "javascript", "plaintext"]))
def test_any_window_keeps_its_promises(text, where, n_tokens, language_id):
    offset = int(where * len(text))
    offset -= text[offset - 1 : offset + 1] == "\r\n"
    seen = asked(text, offset, n_tokens, language_id=language_id).window
    assert seen.n_prefix_tokens + seen.n_suffix_tokens <= n_tokens
    last = [excerpt.end for excerpt in seen.excerpts].index(offset)
    assert seen.excerpts[last + 1].start == offset
    assert seen.prefix.endswith(text[line_bounds(text, offset)[0] : offset])
    assert seen.suffix.startswith(text[offset : line_bounds(text, offset)[1]])
    for first, second in zip(seen.excerpts, seen.excerpts[1:], strict=False):
        assert first.end < second.start or first.end == second.start == offset
    for edge in {excerpt.start for excerpt in seen.excerpts} | {excerpt.end for excerpt in seen.excerpts}:
        assert edge in (0, len(text), offset) or text[edge - 1] in "\r\n"


@pytest.mark.parametrize("language_id", ["python", "javascript", "plaintext"])
def test_the_cost_depends_on_the_window_and_not_on_the_document(language_id):
    def counted_lines(n_functions: int) -> int:
        counted: list[str] = []

        def count(line: str) -> int:
            counted.append(line)
            return 5

        text = "".join(f"function f{n}() {{\n  a = {n};\n  return a;\n}}\n\n" for n in range(n_functions))
        asked(text, text.index("return", len(text) // 2), 200, None, language_id, count)
        return len(counted)

    assert counted_lines(5000) <= counted_lines(300) + 10


class Typing:
    """Somebody edits a document, with a request after each key."""

    def __init__(self, document: str, n_tokens: int) -> None:
        at = snapshot(document)
        self.text, self.offset, self.n_tokens = at.text, at.offset, n_tokens
        self.syntax = Syntax("python")
        self.windows: list[Window] = []
        self.ask()

    def ask(self) -> Window:
        request = Snapshot("file:///a", "", "python", 1, self.text, self.offset, invoked=True)
        previous = self.windows[-1] if self.windows else None
        tree = self.syntax.parse(self.text)
        self.windows.append(gather(request, tree, WindowBudget(self.n_tokens), count_words, previous).window)
        return self.windows[-1]

    def replace(self, start: int, end: int, new_text: str) -> Window:
        """An edit, after which the cursor stands behind it if it was."""
        self.syntax.edit(self.text, start, end, new_text)
        self.text = self.text[:start] + new_text + self.text[end:]
        if self.offset >= end:
            self.offset += len(new_text) - (end - start)
        return self.ask()

    def type(self, keys: str) -> None:
        for key in keys:
            self.replace(self.offset, self.offset, key)

    def delete(self, n_keys: int) -> None:
        for _ in range(n_keys):
            self.replace(self.offset - 1, self.offset, "")

    def jump(self, before: str) -> Window:
        self.offset = self.text.index(before)
        return self.ask()

    def n_recuts(self) -> int:
        return sum(seen.recut for seen in self.windows[1:])


SHOP = "".join(f"def step_{n}(item, count):\n    value = item + {n}\n    return value * count\n\n\n" for n in range(60))
MIDDLE = SHOP.replace("    value = item + 30\n", "    value = item + 30\n    ┃\n")
TYPED = (
    "for other in range(count):\n        if other > 3 and value < 5:\n            value += step_3(other, 1)\n"
    "            print(value)\n    if value == 7:\n        value = [1 , 2 , 3]\n    print(value or None)\n"
    "    total = value + 5"
)


def before_the_line(seen: Window) -> str:
    return seen.prefix[: seen.prefix.rfind("\n") + 1]


def test_while_somebody_types_the_cut_points_stay():
    session = Typing(MIDDLE, 200)
    session.type(TYPED)
    assert len(TYPED) > 200 and session.n_recuts() <= 3
    for first, second in zip(session.windows, session.windows[1:], strict=False):
        if not second.recut:
            assert second.prefix.startswith(before_the_line(first))
            assert second.suffix == first.suffix


def test_a_fresh_cut_leaves_room_that_typing_uses_up():
    session = Typing(MIDDLE, 200)
    first = session.windows[0]
    assert 130 < first.n_prefix_tokens + first.n_suffix_tokens <= 170
    session.type("a b c d e f " * 10)
    assert max(seen.n_prefix_tokens + seen.n_suffix_tokens for seen in session.windows) > 190
    assert 1 <= session.n_recuts() <= 3


def test_what_is_typed_and_deleted_again_leaves_the_window_as_it_was():
    session = Typing(MIDDLE, 200)
    session.type("if value:\n        pass")
    session.delete(len("if value:\n        pass"))
    assert session.n_recuts() == 0
    assert drawn(session.windows[-1]) == drawn(session.windows[0])


def test_deleting_up_to_the_edge_of_the_window_cuts_it_anew():
    session = Typing(MIDDLE, 200)
    session.delete(800)
    assert 1 <= session.n_recuts() <= 8
    assert all(seen.n_prefix_tokens > 60 for seen in session.windows)


def test_a_small_step_keeps_the_window_and_a_jump_cuts_it_anew():
    session = Typing(MIDDLE, 200)
    assert not session.jump("value = item + 30").recut
    seen = session.jump("value = item + 55")
    assert seen.recut and "step_55" in seen.prefix


def test_an_edit_above_the_window_leaves_it_as_it_is():
    session = Typing(MIDDLE, 200)
    seen = session.replace(5, 5, "import os\n")
    assert not seen.recut and drawn(seen) == drawn(session.windows[0])


def test_an_edit_of_a_header_that_is_seen_cuts_anew():
    session = Typing(MIDDLE, 200)
    place = session.text.index("step_24(item")
    seen = session.replace(place, place + 4, "stride")
    assert seen.recut and "def stride_24(item, count):" in seen.prefix
    session.type("x = 1")
    assert not session.windows[-1].recut


def test_an_edit_below_the_window_leaves_it_as_it_is():
    session = Typing(MIDDLE, 200)
    end = len(session.text)
    seen = session.replace(end - 10, end, "x = 1\n")
    assert not seen.recut and drawn(seen) == drawn(session.windows[0])


def test_a_large_paste_is_not_counted_line_by_line(monkeypatch):
    session = Typing(MIDDLE, 200)
    counted: list[str] = []
    monkeypatch.setitem(globals(), "count_words", lambda line: counted.append(line) or 5)
    assert session.replace(session.offset, session.offset, "    value = 1\n" * 5_000).recut
    assert len(counted) < 500


def test_an_edit_within_the_lines_below_is_seen():
    session = Typing(MIDDLE, 200)
    place = session.text.index("return value", session.offset)
    seen = session.replace(place, place + 6, "yield")
    assert "yield value" in seen.suffix


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_gguf(read_gguf(packaged_model()).metadata)


def test_the_sum_over_the_lines_is_no_less_than_the_tokens_of_the_whole(tokenizer):
    for n_tokens in (64, 128, 256):
        seen = asked(MIDDLE.replace(CURSOR, ""), MIDDLE.index(CURSOR), n_tokens, count=tokenizer.count_line).window
        assert tokenizer.count(seen.prefix) <= seen.n_prefix_tokens
        assert tokenizer.count(seen.suffix) <= seen.n_suffix_tokens
        assert 0.5 * n_tokens < tokenizer.count(seen.prefix) + tokenizer.count(seen.suffix) <= n_tokens
