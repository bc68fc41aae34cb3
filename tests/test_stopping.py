"""Where the model is stopped, with each rule on its own: the text is what it wrote at ┃, cut where the rule cuts."""

from __future__ import annotations

import pytest

from lsp_server.stopping import first_stop
from lsp_server.stopping.chatter import control_token, fence_is_closed, file_begins_again
from lsp_server.stopping.confidence import unsure_of_the_beginning
from lsp_server.stopping.dedent import dedent_below_block
from lsp_server.stopping.definition import next_definition_begins
from lsp_server.stopping.likeness import likeness
from lsp_server.stopping.limits import time_limit, token_limit
from lsp_server.stopping.line import line_is_complete, nothing_is_missing
from lsp_server.stopping.repetition import characters_repeat, lines_repeat
from lsp_server.stopping.suffix import suffix_above, suffix_is_reached
from lsp_server.stopping.written import Stop, Written
from lsp_server.values import Limits, Piece, Reason, Shape
from tests.drawing import CURSOR, answered, context


def written(text, document="┃", *, shape=Shape.BLOCK, block_indent="", language="python", whole=False, **progress):
    given = context(document, shape, block_indent)
    given = type(given)(**{name: getattr(given, name) for name in given.__slots__} | {"language_id": language})
    return Written(given, Limits(10, 1.0), None, text, is_whole=whole, **progress)


def kept(rule, text, document="┃", **how):
    """What the rule keeps of the text; None while it lets the model write on."""
    found = rule(written(text, document, **how))
    stop = found if found is None or isinstance(found, Stop) else next(found, None)
    return None if stop is None else text[: stop.keep]


def ends(document, says, language_id="python"):
    """What is suggested in the end, by all the rules together, and why it ends there."""
    answer = answered(document, says, language_id)
    assert answer.trace.reason is not None
    return answer.completion.text if answer.completion else "", answer.trace.reason


# One line, where the model hardly ever ends by itself.


def test_where_one_line_is_wanted_the_first_line_end_stops():
    assert kept(line_is_complete, "foo(x)\nbar()", shape=Shape.LINE) == "foo(x)"
    assert kept(line_is_complete, "foo(x)", shape=Shape.LINE) is None


def test_where_a_block_is_wanted_a_line_end_does_not_stop():
    assert kept(line_is_complete, "foo(x)\nbar()", shape=Shape.BLOCK) is None


# Nothing is missing.


def test_a_whole_line_with_the_next_one_below_it_misses_nothing():
    assert kept(nothing_is_missing, "\n    y = 2", "def f():\n    x = 1┃\n    return x") == ""


def test_a_line_that_goes_on_is_no_whole_line():
    assert kept(nothing_is_missing, " + 1\n    y = 2", "def f():\n    x = 1┃\n    return x") is None


def test_an_empty_block_misses_its_body():
    assert kept(nothing_is_missing, "\n    return 1", "def f():┃\n\nx = 1", block_indent="    ") is None


def test_a_block_that_has_its_body_misses_nothing():
    assert kept(nothing_is_missing, "\n    pass", "def f():┃\n    return 1", block_indent="    ") == ""


def test_at_the_end_of_the_document_there_is_no_next_line():
    assert kept(nothing_is_missing, "\ny = 2", "x = 1┃\n") is None


def test_a_block_that_nobody_closed_misses_its_closer():
    document = "func add(a int) int {\n\treturn a┃\n\nfunc other() {\n}\n"
    assert ends(document, "\n}", "go") == ("\n}", Reason.END_OF_TEXT)
    closed = document.replace("\n\nfunc", "\n}\n\nfunc")
    assert ends(closed, "\n}\n", "go") == ("", Reason.NOTHING_MISSING)


def test_an_open_bracket_with_nothing_in_it_misses_something():
    assert kept(nothing_is_missing, "\n    1,", "items = [┃\n]") is None
    assert kept(nothing_is_missing, "\n    1,", "items = [┃\n    2,\n]") == ""


# The indentation falls below the block.

BODY = "def f(x):\n    ┃\n\n\ndef g():\n    pass\n"


def test_a_line_left_of_the_block_ends_it():
    assert kept(dedent_below_block, "y = x\n    return y\n\nz = 1\n", BODY) == "y = x\n    return y"


def test_deeper_and_equal_lines_stay_in_the_block():
    assert kept(dedent_below_block, "if x:\n        y = x\n    return y\n", BODY) is None


def test_an_unfinished_line_is_not_yet_a_dedent():
    assert kept(dedent_below_block, "y = x\n  z", BODY) is None


def test_the_brace_that_closes_the_block_belongs_to_it():
    text = "return a + b;\n}\n\nfunction g() {\n"
    assert kept(dedent_below_block, text, "function f() {\n    ┃") is None


def test_a_brace_that_stands_below_already_is_not_written_again():
    assert kept(dedent_below_block, "return 1;\n}\n", "function f() {\n    ┃\n}\n") == "return 1;"


@pytest.mark.parametrize("branch", ["else:", "elif b:", "except ValueError:", "finally:"])
def test_another_branch_of_the_statement_belongs_to_it(branch):
    assert (
        kept(dedent_below_block, f"x()\n    {branch}\n        y()\n", "def f():\n    if a:\n        ┃\n    return x\n")
        is None
    )


def test_a_branch_that_stands_below_already_is_not_written_again():
    assert kept(dedent_below_block, "x()\nelse:\n    y()\n", "if a:\n    ┃\nelse:\n    z()\n") == "x()"


def test_the_end_of_a_block_in_words_belongs_to_it_once():
    assert kept(dedent_below_block, "return 1\nend\n", "function f()\n  ┃\n\nlocal x = 1\n") is None
    assert kept(dedent_below_block, "return 1\nend\n", "function f()\n  ┃\nend\n") == "return 1"


def test_the_first_line_says_how_deep_a_new_block_is():
    document = "def f():┃\n"
    assert kept(dedent_below_block, "\n  x = 1\n  return x\n", document, block_indent="    ") is None
    assert kept(dedent_below_block, "\n  x = 1\ny = 2\n", document, block_indent="    ") == "\n  x = 1"


def test_tabs_count_as_indentation():
    assert kept(dedent_below_block, "x()\n\ty()\nz()\n", "func f() {\n\t┃") == "x()\n\ty()"


# The suffix, word for word, in other words, or further down.

SUFFIX = "items = [\n    ┃\n    second_item_of_all,\n    third_item,\n]\n"


def test_the_line_below_the_cursor_is_not_written_again():
    assert kept(suffix_is_reached, "first_item,\n    second_item_of_all,\n", SUFFIX) == "first_item,"


def test_the_line_below_is_known_at_another_indentation():
    assert kept(suffix_is_reached, "first_item,\n  second_item_of_all,\n", SUFFIX) == "first_item,"


def test_a_line_still_being_written_is_not_compared():
    assert kept(suffix_is_reached, "first_item,\n    second_item_of_all,", SUFFIX) is None


def test_a_short_line_tells_only_with_the_next_one():
    document = "if a:\n    ┃\n    x()\n    return compute(a)\n"
    assert kept(suffix_is_reached, "y()\n    x()\n", document) is None
    assert kept(suffix_is_reached, "y()\n    x()\n    return compute(a)\n", document) == "y()"


def test_a_line_that_stands_above_as_well_tells_only_with_the_next_one():
    document = "@property\ndef a(self): ...\n\n┃\n@property\ndef b(self): ...\n"
    assert kept(suffix_is_reached, "@property\n", document) is None


PARAPHRASED = """\
def save(path, items):
    ┃
    with open(path, "w") as file:
        for item in items:
            file.write(item.name + "\\n")
    return len(items)
"""


def test_the_suffix_in_other_words_is_known_after_some_lines():
    says = (
        "path = Path(path)\n"
        "    with open(path, 'w') as output:\n"
        "        for entry in items:\n"
        "            output.write(entry.name + '\\n')\n"
        "    return len(items)\n"
    )
    assert kept(suffix_is_reached, says, PARAPHRASED) == "path = Path(path)"


def test_lines_further_down_are_known_too():
    says = (
        'check(items)\n        for item in items:\n            file.write(item.name + "\\n")\n    return len(items)\n'
    )
    assert kept(suffix_is_reached, says, PARAPHRASED) == "check(items)"


def test_lines_that_are_like_all_lines_around_tell_nothing():
    document = (
        "A = Option('a', 1)\nB = Option('b', 2)\n┃\nX = Option('x', 8)\nY = Option('y', 9)\nZ = Option('z', 10)\n"
    )
    says = "C = Option('c', 3)\nD = Option('d', 4)\nE = Option('e', 5)\nF = Option('f', 6)\n"
    assert kept(suffix_is_reached, says, document) is None


def test_another_rule_that_fires_on_a_line_of_the_suffix_takes_lines_of_it_above_along():
    document = "def f(\n    a,\n    ┃\n    first_option,\n    timeout_in_seconds,\n):\n    return a\n"
    says = "b,\n    timeout_in_seconds,\n):\n"
    stop = next(dedent_below_block(written(says, document)))
    assert says[: stop.keep] == "b,\n    timeout_in_seconds,"
    assert [says[: earlier.keep] for earlier in suffix_above(written(says, document), stop)] == ["b,"]


def test_the_closer_below_takes_the_line_above_it_along_if_that_is_like_the_one_below():
    document = "int f(int a) {\n    ┃\n    return best;\n}\n"
    assert ends(document, "int best = a;\n    return best_y;\n}\n", "c") == ("int best = a;", Reason.SUFFIX_REACHED)


def test_a_text_that_ends_like_the_document_does_has_run_through_it():
    document = "┃\nsetup()\nrun_everything()\nexit_with_the_status()\n"
    assert kept(suffix_is_reached, "x = 1\nexit_with_the_status()\n", document, whole=True) == "x = 1"
    assert kept(suffix_is_reached, "x = 1\nexit_with_the_status()\n", document) is None


def test_likeness_is_the_share_of_tokens_in_common():
    assert likeness("a = f(b)", "a = f(b)") == 1.0
    assert likeness('x = "a"', "x = 'a'") == 1.0
    assert likeness("a = f(b)", "c = f(b)") == pytest.approx(7 / 9)
    assert likeness("userName", "user_Name") == 1.0
    assert likeness("a", "b") == 0.0


# The next definition.


@pytest.mark.parametrize(
    ("language", "document", "says"),
    [
        ("python", "def f():\n    ┃", "return 1\n\n\ndef g():\n"),
        ("python", "def f():\n    ┃", "return 1\n\n\n@cached\nclass A:\n"),
        ("python", "x = ┃", "1\n\nif __name__ == '__main__':\n"),
        ("rust", "fn f() {┃", " 1 }\n\n#[test]\npub(crate) async fn g() {\n"),
        ("go", "x := ┃", "1\n\nfunc (c *Command) Run() error {\n"),
        ("lua", "local x = ┃", "1\n\nlocal function f(a)\n"),
        ("typescript", "x = ┃", "1;\n\nexport default function f() {\n"),
        ("typescript", "x = ┃", "1;\n\nconst f = async (a) => {\n"),
        ("java", "    int f() { return 1; }\n    int x = ┃", "1;\n\n    public static int g(int a) {\n"),
        ("c", "int x = ┃", "1;\n\nstatic int g(int a)  {\n"),
    ],
)
def test_the_next_definition_is_left_out(language, document, says):
    assert kept(next_definition_begins, says, document, language=language) == says.split("\n\n")[0]


def test_the_definition_at_the_cursor_is_written():
    assert kept(next_definition_begins, "def g():\n    return 1\n", "def f():\n    pass\n\n\n┃") is None
    assert kept(next_definition_begins, "@cached\ndef g():\n    return 1\n", "def f():\n    pass\n\n\n┃") is None


def test_only_one_definition_is_written():
    says = "def g():\n    return 1\n\n\ndef h():\n    return 2\n"
    assert kept(next_definition_begins, says, "x = 1\n\n\n┃") == "def g():\n    return 1"


def test_a_definition_inside_the_block_is_part_of_it():
    assert kept(next_definition_begins, "x = 1\n        def h():\n", "def f():\n    if a:\n        ┃") is not None
    assert kept(next_definition_begins, "if x:\n        def h():\n", "def f():\n    ┃") is None


def test_the_comment_above_the_next_definition_goes_with_it():
    says = "return 1\n\n# Twice as much.\ndef g():\n"
    assert kept(next_definition_begins, says, "def f(): ┃") == "return 1"


def test_a_comment_above_a_blank_line_stays():
    assert kept(next_definition_begins, "# Network\n\ndef g():\n", "┃") == "# Network"


def test_the_comment_of_the_next_definition_goes_with_it_wherever_the_cursor_is():
    assert kept(next_definition_begins, "1\n\n# Once.\ndef g():\n", "x = ┃\ny = 2\n") == "1"


def test_a_comment_for_the_line_below_the_cursor_is_not_for_a_new_definition():
    assert kept(next_definition_begins, "# The port.\ndef g():\n", "┃\nport = 80\n") == "# The port."


def test_declarations_stand_in_a_row():
    assert kept(next_definition_begins, " a;\nmod b;\nmod c;\n", "mod┃", language="rust") is None


@pytest.mark.parametrize("line", ["type = 1", "classes = []", "if (a) {", "return f(a) {", "defer()", "struct_of(x)"])
def test_other_statements_define_nothing(line):
    assert kept(next_definition_begins, f"1;\n{line}\n", "x = ┃", language="javascript") is None


# Loops.


def test_a_line_three_times_over_is_written_once():
    assert kept(lines_repeat, "x = 1\ncall()\ncall()\ncall()\n") == "x = 1\ncall()"
    assert kept(lines_repeat, "x = 1\ncall()\ncall()\n") is None


def test_a_block_three_times_over_is_written_once():
    block = "if a:\n    b()\n"
    assert kept(lines_repeat, block * 3) == block.strip()


def test_blank_lines_and_indentation_do_not_hide_a_loop():
    assert kept(lines_repeat, "call()\n\n  call()\n\n    call()\n") == "call()"


def test_the_rest_of_the_cursors_line_may_be_what_is_repeated():
    assert kept(lines_repeat, "rt os\nrt os\nrt os\n", "impo┃") == "rt os"
    assert kept(lines_repeat, "rt os\nimport os\nimport os\n", "impo┃") == "rt os"


def test_closers_are_no_loop_while_their_indentation_falls():
    closers = "        }\n    }\n}\n"
    assert kept(lines_repeat, closers) is None
    assert kept(lines_repeat, closers * 3) == closers.rstrip()


def test_counting_up_is_a_loop_too_after_some_more_lines():
    lines = [f"x{n} = compute({n})\n" for n in range(1, 8)]
    assert kept(lines_repeat, "".join(lines[:4])) is None
    assert kept(lines_repeat, "".join(lines[:5])) == "x1 = compute(1)"


def test_the_same_characters_over_and_over_are_written_once():
    assert kept(characters_repeat, "x = foo = " + "foo = " * 5) == "x = foo"


def test_a_ruler_is_no_loop():
    assert kept(characters_repeat, "# " + "-" * 70) is None
    assert kept(characters_repeat, "# " + "-" * 130) == "# -"


# Something else than code.


def test_a_control_token_in_letters_ends_the_text():
    assert kept(control_token, "return 1\n<|endoftext|>import os") == "return 1"
    assert kept(control_token, "if a <b> c:") is None


def test_a_control_token_that_the_document_speaks_of_is_text():
    assert kept(control_token, "'<|endoftext|>'", "END = '<|endoftext|>'\nSTOP = ┃") is None


def test_a_closed_fence_ends_the_text():
    assert kept(fence_is_closed, "return 1\n```\nThis returns one.\n") == "return 1"
    assert kept(fence_is_closed, "Text.\n```\n", "# Notes\n\n```\nx\n```\n┃") is None


def test_the_beginning_of_the_file_is_not_written_again():
    document = "import os\nimport sys\nfrom collections import Counter\n\nx = ┃"
    says = "1\nimport os\nimport sys\nfrom collections import Counter\n"
    assert kept(file_begins_again, says, document) == "1"
    assert kept(file_begins_again, says, "import re\n" + document) is None


# Confidence.


def test_what_the_model_is_not_sure_of_is_not_shown():
    limits = Limits(10, 1.0, min_confidence=0.4)
    sure, unsure = ("x", 0.9), ("y", 0.1)
    assert stopped(limits, unsure, unsure) is None
    assert stopped(limits, unsure, unsure, sure) == Stop(Reason.UNSURE, 0)
    assert stopped(limits, sure, sure, unsure, unsure) is None
    assert stopped(limits, unsure, ended=True) == Stop(Reason.UNSURE, 0)
    assert stopped(limits, unsure, ("\n", 0.5)) == Stop(Reason.UNSURE, 0)


def test_where_the_server_tells_no_probabilities_all_is_shown():
    limits = Limits(10, 1.0, min_confidence=0.4)
    assert stopped(limits, ("x", None), ("y", None), ("z", None), ended=True) is None
    assert stopped(Limits(10, 1.0), ("x", 0.0), ended=True) is None


def stopped(limits, *pieces, ended=False):
    so_far = Written(context("x = ┃"), limits)
    for text, probability in pieces:
        so_far = so_far.grown_by(Piece(text, probability), 0.0)
    return unsure_of_the_beginning(so_far.ended() if ended else so_far)


# Limits.


def test_a_token_limit_ends_at_the_last_whole_line():
    assert kept(token_limit, "a = 1\nb = so", n_tokens=10) == "a = 1"
    assert kept(token_limit, "a = 1\nb = so", n_tokens=9) is None


def test_the_first_line_may_be_ended_past_the_limit():
    assert kept(token_limit, "a = some_long_call(", n_tokens=12) is None
    assert kept(token_limit, "a = some_long_call(", n_tokens=15) == ""


def test_the_time_limit_ends_at_a_line_too():
    assert kept(time_limit, "a = 1\nb =", elapsed_s=1.1) == "a = 1"
    assert kept(time_limit, "a = 1\nb =", elapsed_s=0.9) is None


# All rules together, with the syntax of the document.


def test_a_fence_ends_the_text_however_broken_the_document_is():
    says = "return (1\n```\nThis returns one, as you wanted.\n"
    assert ends("def f():\n    ┃\n", says) == ("return (1", Reason.TALK)


def test_a_stop_that_leaves_the_document_broken_waits_for_a_better_one():
    document = "run({\n    ┃\n);\nnext();\n"
    assert ends(document, "a: 1,\n}\n);\nnext();\n", "javascript") == ("a: 1,\n}", Reason.SUFFIX_REACHED)


def test_where_the_suffix_holds_a_body_its_header_is_written():
    document = "interface Props ┃\n  const a = useState();\n  return a;\n}\n"
    says = "{\n  b: number;\n}\n\nexport function Part(props: Props) {"
    assert ends(document, says, "typescript") == (says, Reason.END_OF_TEXT)


CART = "class Cart:\n    def price(self):\n        return self._items[0].price\n\n    ┃\n"


def test_another_definition_is_kept_if_it_speaks_of_the_document_and_the_model_ends_behind_it():
    one = "def add(self, item):\n        self._items.append(item)"
    related = "\n\n    def prices(self):\n        return [item.price for item in self._items]"
    assert ends(CART, one + related) == (one + related, Reason.END_OF_TEXT)
    foreign = "\n\n    def send_mail(self, address):\n        smtp.connect(address).deliver()"
    assert ends(CART, one + foreign) == (one, Reason.NEXT_DEFINITION)


def test_definitions_without_end_are_cut_behind_the_first():
    says = [
        f"def {name}_item(self, item):\n        self._items.{name}(item)" for name in ("add", "drop", "find", "log")
    ]
    more = "\n\n    ".join(says * 5)
    assert ends(CART, more) == (says[0], Reason.NEXT_DEFINITION)


def test_a_chance_likeness_with_lines_below_is_no_suffix_if_the_text_ends_elsewhere():
    below = "}\nsend(params)\nresult = {\n    'model': model,\n    'prompt': prompt,\n    'top': top,\n}\n"
    document = "params = {\n    ┃\n" + below
    says = "'model': model,\n    'prompt': prompt,\n    'top': top,\n    'temperature': 0.5 if is_cold else 1.0,"
    assert ends(document, says) == (says, Reason.END_OF_TEXT)
    into_the_suffix = says.replace("    'temperature': 0.5 if is_cold else 1.0,", "}\n")
    assert ends(document, into_the_suffix)[1] is Reason.SUFFIX_REACHED


def test_a_wait_for_what_becomes_of_a_doubt_is_short():
    doubtful = written("return 1\n\n\ndef g():\n    return 1\n", BODY, elapsed_s=0.1)
    assert first_stop(doubtful) == Stop(Reason.DEDENT, 8)
    document = "def f():\n    return 1\n\n\n┃"
    says = "def g():\n    return 2\n\n\ndef h():\n    return 3\n"
    assert first_stop(written(says, document, elapsed_s=0.5)) is None
    late = first_stop(written(says, document, elapsed_s=0.9))
    assert late is not None and says[: late.keep] == "def g():\n    return 2"


def test_an_answer_made_empty_by_a_rule_says_which():
    assert ends("x = 1┃\ny = 2\n", "\ny = 2\n") == ("", Reason.NOTHING_MISSING)


def test_rules_for_lines_are_not_asked_inside_a_line():
    begun = written("x = 1\n", BODY).grown_by(Piece("z"), 0.0)
    assert first_stop(begun) is None
    assert first_stop(written("x = 1\nz = 2\n", BODY)) == Stop(Reason.DEDENT, 5)
    assert CURSOR in BODY
