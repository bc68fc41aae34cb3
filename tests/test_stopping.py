"""Where the model is stopped, each rule on its own: the text is what the model wrote at ┃, cut where the rule cuts."""

from __future__ import annotations

import pytest

from lsp_server.stopping.blank_lines import blank_lines_leave_the_block
from lsp_server.stopping.dedent import dedent_below_block
from lsp_server.stopping.limits import time_limit, token_limit
from lsp_server.stopping.line import line_is_complete
from lsp_server.stopping.repetition import loop
from lsp_server.stopping.suffix import suffix_is_reached
from lsp_server.stopping.written import Written
from lsp_server.values import Limits, Reason, Shape
from tests.drawing import context


def kept(rule, text, document="┃", shape=Shape.BLOCK, block_indent="", *, whole=False, **progress):
    """What the rule keeps of the text; None while it lets the model write on."""
    written = Written(context(document, shape, block_indent), Limits(10, 1.0), text, is_whole=whole, **progress)
    stop = rule(written)
    return None if stop is None else text[: stop.keep]


def test_where_one_line_is_wanted_the_first_line_end_stops():
    assert kept(line_is_complete, "foo(x)\nbar()", shape=Shape.LINE) == "foo(x)"
    assert kept(line_is_complete, "foo(x)", shape=Shape.LINE) is None


def test_where_a_block_is_wanted_a_line_end_does_not_stop():
    assert kept(line_is_complete, "foo(x)\nbar()", shape=Shape.BLOCK) is None


BODY = "def f(x):\n    ┃\n\n\ndef g():\n    pass\n"


def test_a_line_left_of_the_block_ends_it():
    assert kept(dedent_below_block, "y = x\n    return y\n\nz = 1", BODY, block_indent="    ") == "y = x\n    return y"


def test_deeper_and_equal_lines_stay_in_the_block():
    assert kept(dedent_below_block, "if x:\n        y = x\n    return y", BODY, block_indent="    ") is None


def test_an_unfinished_indentation_is_not_yet_a_dedent():
    assert kept(dedent_below_block, "y = x\n  ", BODY, block_indent="    ") is None


def test_the_brace_that_closes_the_block_belongs_to_it():
    text = "return a + b;\n}\n\nfunction g() {"
    assert kept(dedent_below_block, text, "function f() {\n    ┃", block_indent="    ") == "return a + b;\n}"


def test_a_brace_that_may_go_on_is_waited_for():
    document = "if (a) {\n    ┃"
    assert kept(dedent_below_block, "b();\n}", document, block_indent="    ") is None
    assert kept(dedent_below_block, "b();\n}", document, block_indent="    ", whole=True) == "b();\n}"


def test_a_brace_that_stands_below_already_is_not_written_again():
    document = "function f() {\n    ┃\n}\n"
    assert kept(dedent_below_block, "return 1;\n}\n", document, block_indent="    ") == "return 1;"


def test_tabs_count_as_indentation():
    assert kept(dedent_below_block, "x()\n\ty()\nz()", "func f() {\n\t┃", block_indent="\t") == "x()\n\ty()"


def test_two_blank_lines_end_an_indented_block():
    assert kept(blank_lines_leave_the_block, "x = 1\n\n\n", BODY, block_indent="    ") == "x = 1"
    assert kept(blank_lines_leave_the_block, "x = 1\n\n    y", BODY, block_indent="    ") is None


def test_one_blank_line_ends_a_block_at_the_top_level():
    assert kept(blank_lines_leave_the_block, "import os\n\nimport sys", "┃") == "import os"


SUFFIX = "items = [\n    ┃\n    second_item,\n]"


def test_the_line_below_the_cursor_is_not_written_again():
    assert kept(suffix_is_reached, "first_item,\n    second_item,\n", SUFFIX) == "first_item,"


def test_the_line_below_is_known_at_another_indentation():
    assert kept(suffix_is_reached, "first_item,\n        second_item,\n", SUFFIX) == "first_item,"


def test_a_line_still_being_written_is_not_compared():
    assert kept(suffix_is_reached, "first_item,\n    second_item,", SUFFIX) is None
    assert kept(suffix_is_reached, "first_item,\n    second_item,", SUFFIX, whole=True) == "first_item,"


def test_a_short_line_tells_only_at_its_own_indentation():
    document = "if a {\n    ┃\n}"
    assert kept(suffix_is_reached, "if b {\n        c\n    }\n", document) is None
    assert kept(suffix_is_reached, "b()\n}\n", document) == "b()"


def test_the_same_line_three_times_is_a_loop_and_stays_once():
    assert kept(loop, "a = 1\nprint(a)\nprint(a)\nprint(a)\n") == "a = 1\nprint(a)"
    assert kept(loop, "print(a)\nprint(a)\n") is None


def test_the_same_characters_five_times_are_a_loop():
    assert kept(loop, "x = foo.bar.bar.bar.bar.bar") == "x = foo.bar"


@pytest.mark.parametrize("text", ["# " + "-" * 70, "x = 'aaaaaaaaaaaa'", "a, b, c, d, e, f = range(6)"])
def test_rulers_and_lists_are_no_loops(text):
    assert kept(loop, text) is None


def test_a_ruler_without_end_is_a_loop():
    assert kept(loop, "#" + "-" * 200) == "#-"


def test_past_the_token_limit_whole_lines_are_kept():
    assert kept(token_limit, "a = 1\nb = 2\nc =", n_tokens=10) == "a = 1\nb = 2"
    assert kept(token_limit, "a = 1\nb = 2\nc =", n_tokens=9) is None


def test_the_first_line_may_be_ended_until_half_as_much_again():
    assert kept(token_limit, "a = some_long_call(", n_tokens=14) is None
    assert kept(token_limit, "a = some_long_call(", n_tokens=15) == ""


def test_the_time_limit_ends_at_a_line_too():
    assert kept(time_limit, "a = 1\nb =", elapsed_s=1.1) == "a = 1"
    assert kept(time_limit, "a = 1\nb =", elapsed_s=0.9) is None


def test_every_rule_says_why():
    stop = line_is_complete(Written(context("┃"), Limits(10, 1.0), "a\n"))
    assert stop is not None and stop.reason is Reason.LINE_COMPLETE
