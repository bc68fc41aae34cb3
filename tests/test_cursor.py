"""How much is wanted at the cursor, with a grammar and, where it cannot matter, without one as well."""

from __future__ import annotations

import pytest

from lsp_server.context.cursor import Decision, decide
from lsp_server.context.scopes import Indentation
from lsp_server.languages import language
from lsp_server.syntax import Syntax
from lsp_server.values import Reason, Shape
from tests.drawing import snapshot


def decision(
    document: str,
    language_id: str = "python",
    *,
    invoked: bool = False,
    by_indentation: bool = False,
    in_comments: bool = True,
) -> Decision:
    asked = snapshot(document, language_id)
    tree = None if by_indentation else Syntax(language_id).parse(asked.text)
    scopes = tree or Indentation(asked.text, language(language_id))
    return decide(asked.text, asked.offset, scopes, invoked, in_comments=in_comments)


def shape(document: str, language_id: str = "python", **how: bool) -> Shape:
    return decision(document, language_id, **how).shape


both_ways = pytest.mark.parametrize("by_indentation", [False, True], ids=["grammar", "indentation"])


@both_ways
@pytest.mark.parametrize("document", ["val┃ue = 1", "value = oth┃er", "f(größ┃e)", "a_┃b"])
def test_inside_a_word_nothing_is_wanted(document, by_indentation):
    assert decision(document, by_indentation=by_indentation) == Decision(Shape.NOTHING, Reason.INSIDE_WORD, "")


@both_ways
@pytest.mark.parametrize("document", ["┃value = 1", "x = ┃ + 1", "f(┃a, b)", "x = (┃) or y", "x = 1  ┃# note"])
def test_with_code_on_the_right_nothing_is_wanted(document, by_indentation):
    assert decision(document, by_indentation=by_indentation) == Decision(Shape.NOTHING, Reason.CODE_ON_THE_RIGHT, "")


@both_ways
@pytest.mark.parametrize(("document", "language_id"), [("x = 1\n# why┃\n", "python"), ("// a┃\nf();\n", "javascript")])
def test_in_a_comment_nothing_is_wanted_unless_it_is_set_or_asked_by_hand(document, language_id, by_indentation):
    how = {"language_id": language_id, "by_indentation": by_indentation}
    assert decision(document, **how, in_comments=False) == Decision(Shape.NOTHING, Reason.IN_COMMENT, "")
    assert decision(document, **how, in_comments=False, invoked=True).refusal is None
    assert decision(document, **how, in_comments=True).refusal is None


@both_ways
@pytest.mark.parametrize("document", ["x = 'wh┃'\n", "def f():\n    '''Do ┃'''\n", "x = 1  # a\n┃\n", "# a\nx = ┃\n"])
def test_strings_and_lines_below_comments_are_no_comments(document, by_indentation):
    assert decision(document, by_indentation=by_indentation, in_comments=False).refusal is None


@both_ways
@pytest.mark.parametrize("document", ["x = f(┃)", "x = [f('┃')]", "x = {'a': ┃},", "if f(┃):", "x = ┃  "])
def test_closers_on_the_right_are_no_code(document, by_indentation):
    assert shape(document, by_indentation=by_indentation) is Shape.LINE


def test_closing_tags_on_the_right_are_no_code():
    assert shape("const a = <b>┃</b>;\n", "typescriptreact") is Shape.LINE
    assert shape("const a = <Item ┃/>;\n", "typescriptreact") is Shape.LINE
    assert shape("<ul>\n  <li>┃</li>\n</ul>\n", "html") is Shape.BLOCK


@both_ways
@pytest.mark.parametrize("document", ["val┃ue = 1", "┃value = 1", "x = ┃ + 1"])
def test_a_request_made_by_hand_is_never_refused(document, by_indentation):
    assert decision(document, invoked=True, by_indentation=by_indentation) == Decision(Shape.LINE, None, "")


@both_ways
@pytest.mark.parametrize(
    "document",
    [
        "x = ┃\ny = 2\n",
        "def f():\n    x = 1\n    ┃\n    y = 2\n",
        "def f():\n    x = 1\n┃\n    y = 2\n",
        "def f():\n    return ┃\n",
        "import os\n┃\nimport sys\n",
        "if a:┃ b = 1",
    ],
)
def test_a_line_begun_or_between_others_is_one_line(document, by_indentation):
    assert shape(document, invoked=True, by_indentation=by_indentation) is Shape.LINE


@both_ways
@pytest.mark.parametrize(
    ("document", "block_indent"),
    [
        ("def f():┃\n", "    "),
        ("def f():  # why┃\n\nx = 1\n".replace("why┃", "why\n    ┃"), "    "),
        ("def f():\n    ┃\n\nx = 1\n", "    "),
        ("def f():\n┃\n", "    "),
        ("def f():\n    ┃", "    "),
        ("class A:\n  def f(self):\n    return 1\n\n  def g(self):┃\n", "    "),
        ("class A:\n\tdef f(self):\n\t\treturn 1\n\n\tdef g(self):┃\n", "\t\t"),
        ("def f(\n    a,\n) -> int:┃\n", "    "),
        ("for a in b:\n    if a:\n        ┃\n    c()\n", "        "),
        ("try:\n    ┃\nexcept ValueError:\n    pass\n", "    "),
        ("if a:\n  b()\nelse:┃", "  "),
    ],
)
def test_an_empty_block_is_wanted_whole(document, block_indent, by_indentation):
    assert decision(document, by_indentation=by_indentation) == Decision(Shape.BLOCK, None, block_indent)


@both_ways
@pytest.mark.parametrize(
    ("document", "block_indent"),
    [
        ("def f():\n    x = 1\n    ┃\n\ndef g():\n    pass\n", "    "),
        ("def f():\n    x = 1\n    ┃", "    "),
        ("class A:\n    def f(self):\n        x = 1\n        ┃\n\n    def g(self):\n        pass\n", "        "),
        ("class A:\n    def f(self):\n        x = 1\n\n    ┃\n\ndef g():\n    pass\n", "    "),
        ("if a:\n    b()\n    ┃\nelse:\n    c()\n", "    "),
        ("x = 1\n\n┃\n", ""),
        ("┃", ""),
    ],
)
def test_the_end_of_a_block_is_a_place_for_more_lines(document, block_indent, by_indentation):
    assert decision(document, by_indentation=by_indentation) == Decision(Shape.BLOCK, None, block_indent)


@both_ways
@pytest.mark.parametrize(
    ("language_id", "document", "block_indent"),
    [
        ("javascript", "function f() {┃}\n", "  "),
        ("javascript", "function f() {\n  ┃\n}\n", "  "),
        ("javascript", "function f() {\n  ┃}\n", "  "),
        ("javascript", "function f() {\n  a();\n┃\n}\n", "  "),
        ("javascript", "function f() {\n\ta();\n\tif (b) {┃\n\t}\n}\n", "\t\t"),
        ("javascript", "if (a) {\n  b();\n} else {┃}\n", "  "),
        ("rust", "impl A {\n    fn f() {\n        ┃\n    }\n}\n", "        "),
        ("go", "func f() {┃}\n", "\t"),
        ("c", "int f(void) {\n  if (a) {\n    ┃\n  }\n  return 1;\n}\n", "    "),
        ("lua", "if a then┃\nend\n", "  "),
        ("ruby", "def f(a)\n  ┃\nend\n", "  "),
        ("shellscript", "if a; then\n  ┃\nfi\n", "  "),
        ("plaintext", "begin {\n    ┃\n}\n", "    "),
    ],
)
def test_blocks_of_other_languages(language_id, document, block_indent, by_indentation):
    assert decision(document, language_id, by_indentation=by_indentation) == Decision(Shape.BLOCK, None, block_indent)


@pytest.mark.parametrize(
    ("language_id", "document"),
    [
        ("python", "x = {'a':┃}"),
        ("python", "x = 'if a:┃'"),
        ("python", "# if a:┃\n"),
        ("python", 'def f():\n    """Do.\n    ┃\n    """\n'),
        ("python", 'x = """\n    one\n    ┃\ntwo\n"""\n'),
        ("javascript", "// if (a) {┃\n"),
        ("javascript", "x = `{┃`\n"),
    ],
)
def test_in_comments_strings_and_brackets_it_is_one_line(language_id, document):
    assert shape(document, language_id) is Shape.LINE


def test_a_line_begun_keeps_its_own_indentation():
    assert decision("def f():\n    x = ┃\n").block_indent == "    "


def test_line_ends_of_other_systems_make_no_difference():
    assert decision("def f():\r\n    x = 1\r\n    ┃\r\n\r\ny = 2\r\n") == Decision(Shape.BLOCK, None, "    ")
    assert decision("def f():\r\n\tx = ┃\r\n") == Decision(Shape.LINE, None, "\t")
