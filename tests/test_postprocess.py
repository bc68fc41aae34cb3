"""What becomes of the model's text on its way into the document."""

from __future__ import annotations

import pytest

from lsp_server import postprocess
from lsp_server.syntax import Seam, Syntax
from lsp_server.values import Reason
from tests.drawing import CURSOR, completed, context


def accepted(document: str, text: str, indent_unit: str = "") -> str:
    """The document after the text went through the filters and was accepted, or the reason why nothing is shown."""
    outcome = postprocess.apply(text, context(document, indent_unit=indent_unit))
    if outcome.rejected:
        return outcome.rejected.code
    before, after = document.split(CURSOR)
    return before + outcome.text + CURSOR + after[outcome.n_replaced :]


def test_trailing_blanks_are_left_out():
    assert accepted("x = ┃", "1  \n\n") == "x = 1┃"


@pytest.mark.parametrize(
    ("document", "says", "after"),
    [
        ("def f(a):\n    ┃\n", "b = a  \n    \n    return b\t\n  \n", "def f(a):\n    b = a\n\n    return b┃\n"),
        ("x = [┃\n]\n", "  \n    'a', \t\n    2, ", "x = [\n    'a',\n    2,┃\n]\n"),
        ("s = ┃\n", "'''a  \nb'''  \n", "s = '''a  \nb'''┃\n"),
    ],
    ids=["a block", "a list", "a string"],
)
def test_blanks_at_the_ends_of_lines_are_left_out_unless_a_string_has_them(document, says, after):
    assert completed(document, says) == after


def test_blanks_at_the_ends_of_lines_stay_where_no_grammar_knows_what_they_mean():
    assert accepted("┃", "one  \ntwo  \n") == "one  \ntwo┃"


def test_the_space_before_the_cursor_is_not_doubled():
    assert accepted("x = ┃", " 1") == "x = 1┃"


def test_indentation_on_a_blank_line_is_kept():
    assert accepted("def f():\n┃", "    return 1") == "def f():\n    return 1┃"


def test_blocks_are_indented_as_in_the_document():
    by_four = "def f(a):\n    if a:\n        return 1\n\n\ndef g(a):┃\n"
    said = "\n  for b in a:\n    if b:\n      yield b"
    wanted = by_four.replace("┃", "\n    for b in a:\n        if b:\n            yield b┃")
    assert accepted(by_four, said) == wanted
    by_tab = by_four.replace("    ", "\t")
    assert accepted(by_tab, said) == wanted.replace("    ", "\t")


def test_where_the_document_has_no_blocks_the_project_says_how_they_are_indented():
    said = "\n  for b in a:\n    yield b"
    assert accepted("def g(a):┃\n", said) == "def g(a):\n  for b in a:\n    yield b┃\n"
    assert accepted("def g(a):┃\n", said, "    ") == "def g(a):\n    for b in a:\n        yield b┃\n"
    assert accepted("def g(a):┃\n", said, "\t") == "def g(a):\n\tfor b in a:\n\t\tyield b┃\n"


def test_the_documents_own_blocks_go_before_what_the_project_says():
    document = "def f(a):\n  return a\n\n\ndef g(a):┃\n"
    assert accepted(document, "\n    return a", "\t") == document.replace("┃", "\n  return a┃")


def test_tabs_and_spaces_of_one_text_become_what_the_document_has():
    by_tab = "def f(a):\n\tif a:\n\t\treturn 1\n\n\ndef g(a):┃\n"
    said = "\n\tfor b in a:\n        if b:\n\t\t    yield call(\n                b)\n    return a"
    wanted = "\n\tfor b in a:\n\t\tif b:\n\t\t\tyield call(\n\t\t\t\tb)\n\treturn a"
    assert accepted(by_tab, said) == by_tab.replace("┃", wanted + "┃")
    by_four = by_tab.replace("\t", "    ")
    assert accepted(by_four, said) == by_four.replace("┃", wanted.replace("\t", "    ") + "┃")


def test_a_line_that_is_indented_by_spaces_among_tabs_is_mended():
    document = "def f(a):\n\tif a:\n\t\tb = a┃\n\treturn a\n"
    said = "\n        c = b\n\t\treturn g(b,\n\t\t         c)"
    wanted = "\n\t\tc = b\n\t\treturn g(b,\n\t\t\t\t c)"
    assert accepted(document, said) == document.replace("┃", wanted + "┃")
    aligned = said.replace("        c = b", "\t\tc = b")
    assert accepted(document, aligned) == document.replace("┃", aligned + "┃")


def test_what_is_aligned_by_spaces_stays_aligned():
    document = "def f(a):\n\treturn a\n\n\ndef g(a):┃\n"
    said = "\n    if a:\n        return f(a,\n                 1)"
    assert accepted(document, said) == document.replace("┃", "\n\tif a:\n\t\treturn f(a,\n\t\t\t\t 1)┃")


def test_a_branch_left_of_the_cursor_is_written_with_the_documents_tabs():
    document = "def f(a):\n\tif a:\n\t\t┃\n"
    said = "return 1\n    else:\n        return 2"
    assert accepted(document, said) == "def f(a):\n\tif a:\n\t\treturn 1\n\telse:\n\t\treturn 2┃\n"


def test_indentation_that_is_no_block_is_left_alone():
    document = "def f(a):\n    if a:\n        return 1\n    ┃\n"
    said = "return call(\n      a,\n      b,\n    )"
    assert accepted(document, said) == document.replace("┃", said + "┃")
    assert accepted("def f():┃", "\n  return 1") == "def f():\n  return 1┃"


@pytest.mark.parametrize(
    ("document", "says", "after"),
    [
        ("def f(a):\n    ┃\n", "    return a\n", "def f(a):\n    return a┃\n"),
        ("def f(a):\n    ┃\n", "b = a\n    return b\n", "def f(a):\n    b = a\n    return b┃\n"),
        ("def f(a):\n┃\n", "    return a\n", "def f(a):\n    return a┃\n"),
        ("if a:\n    if b:\n    ┃\n", "        c()\n", "if a:\n    if b:\n        c()┃\n"),
        ("if a:\n\tif b:\n\t┃\n", "        c()\n", "if a:\n\tif b:\n\t\tc()┃\n"),
        ("if a:\n\tb()\n\t┃\n", "    c()\n", "if a:\n\tb()\n\tc()┃\n"),
    ],
)
def test_the_first_line_stands_at_its_column(document, says, after):
    assert completed(document, says) == after


def test_indentation_left_of_the_cursor_is_not_doubled():
    outcome = postprocess.apply("    return 1", context("def f():\n    ┃", block_indent="    "))
    assert outcome.text == "return 1"
    deeper = postprocess.apply("      return 1", context("if a:\n    if b:\n    ┃", block_indent="        "))
    assert deeper.text == "    return 1"


def test_white_space_is_no_suggestion():
    assert accepted("x = 1┃", " \n ") == Reason.NOTHING_TO_ADD.code


def test_a_closer_that_the_editor_wrote_is_not_doubled():
    assert accepted("print(┃)", "x)") == "print(x┃)"


def test_two_closers_are_not_doubled_either():
    assert accepted("f(g[┃])", "0])") == "f(g[0┃])"


def test_a_closer_of_the_texts_own_bracket_stays():
    assert accepted("print(┃)", "len(x)") == "print(len(x)┃)"
    assert accepted("print(┃)", "len(x))") == "print(len(x)┃)"


def test_a_text_that_goes_on_behind_the_closer_takes_it_along():
    assert accepted("if check(┃)", "x):") == "if check(x):┃"


def test_a_quote_that_the_editor_wrote_is_not_doubled():
    assert accepted('open("┃")', 'notes.txt")') == 'open("notes.txt┃")'


def test_a_string_inside_the_text_is_left_alone():
    assert accepted("print(┃)", '"(", x)') == 'print("(", x┃)'


def test_the_rest_of_the_line_is_not_repeated():
    assert accepted("for ┃ in items:", "item in items:") == "for item┃ in items:"


def test_a_copy_of_the_line_below_is_no_suggestion():
    assert accepted("┃\nreturn total", "return total") == Reason.ALREADY_THERE.code
    assert accepted("ret┃\nreturn total", "urn total") == Reason.ALREADY_THERE.code


def test_a_copy_of_the_lines_below_is_no_suggestion():
    assert accepted("a = 1\n┃\nb = 2\nc = 3", "b = 2\nc = 3") == Reason.ALREADY_THERE.code


def test_a_line_that_only_begins_like_the_one_below_stays():
    assert accepted("┃\nreturn total", "return totals") == "return totals┃\nreturn total"


def test_a_fence_around_the_text_is_left_out():
    assert accepted("┃", "```ts\nconst x = 5;\n```") == "const x = 5;┃"
    assert accepted("x = ┃", "```python\n1\n```") == "x = 1┃"
    assert accepted("```\na\n```\n\n┃", "```\nb\n```") == "```\na\n```\n\n```\nb\n```┃"


def in_syntax(document: str, text: str, language_id: str = "python") -> str:
    """The same, with the syntax of the document at hand."""
    before, after = document.split(CURSOR)
    tree = Syntax(language_id).parse(before + after)
    assert tree is not None
    outcome = postprocess.apply(text, context(document), Seam(tree, before + after, len(before)))
    return before + outcome.text + CURSOR + after[outcome.n_replaced :]


def test_the_closers_that_leave_no_error_are_chosen():
    assert in_syntax('x = "f(┃)\n', 'x) = 1"') == 'x = "f(x) = 1"┃\n'
    assert in_syntax("x = f(┃)\n", "y") == "x = f(y┃)\n"


def test_a_copy_of_the_line_below_that_the_document_misses_stays():
    assert in_syntax("f(\n    (\n    1\n┃\n)\n", ")") == "f(\n    (\n    1\n)┃\n)\n"


def test_the_filters_that_changed_the_text_are_named():
    assert postprocess.apply("x)", context("print(┃)")).changed_by == ("reconcile_closers",)
