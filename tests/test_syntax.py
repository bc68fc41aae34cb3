"""Questions about code, asked of every grammar, of half-written code, and while the code is being edited."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server import syntax
from lsp_server.languages import LANGUAGES, language
from lsp_server.syntax import Definition, Seam, Syntax, Tree, language_of, missing_grammars
from tests.drawing import snapshot

LANGUAGE_IDS = sorted(LANGUAGES)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how busy the machine is."""
    monkeypatch.setattr(syntax, "PARSE_S", 60.0)
    monkeypatch.setattr(syntax, "QUICK_S", 60.0)


PYTHON = """\
import os
from a import (
    b,
)
LIMIT = 3
print(LIMIT)

@decorated
class Cart:
    size: int = 0

    def add(self, item):
        self.items.append(item)

    @cached
    def total(
        self,
    ) -> int:
        prices = [1,
                  ┃2]
        return sum(prices)

    def clear(self):
        pass

def main(): ...
"""


def parsed(document: str, language_id: str) -> tuple[Tree, str, int]:
    """The tree of a document, its text without the mark, and where the cursor is."""
    asked = snapshot(document, language_id)
    tree = Syntax(language_id).parse(asked.text)
    assert tree
    return tree, asked.text, asked.offset


def headers(text: str, definitions: list[Definition] | tuple[Definition, ...]) -> list[str]:
    return [" ".join(text[found.start : found.header_end].split()) for found in definitions]


def structure(tree: Tree) -> list[tuple[object, ...]]:
    """Every node's kind and place."""
    found, waiting = [], [tree._root]
    while waiting:
        node = waiting.pop()
        found.append((node.type, node.start_byte, node.end_byte, tuple(node.start_point), tuple(node.end_point)))
        waiting += node.children
    return found


@pytest.mark.parametrize("language_id", LANGUAGE_IDS)
def test_the_table_names_kinds_that_the_grammar_has(language_id):
    row = language(language_id)
    grammar = syntax._grammar(row.package, row.function)
    assert grammar
    kinds = " ".join((row.functions, row.classes, row.imports, row.constants)).split()
    assert [kind for kind in kinds if grammar.id_for_node_kind(kind, True) is None] == []


def test_all_grammars_are_installed():
    assert missing_grammars() == ()


@pytest.mark.parametrize(
    ("path", "language_id"),
    [
        ("a/b.py", "python"),
        ("B.PYI", "python"),
        ("x.tsx", "typescriptreact"),
        ("x.d.ts", "typescript"),
        ("Gemfile", "ruby"),
        (".bashrc", "shellscript"),
        ("notes.txt", "plaintext"),
        ("py", "plaintext"),
        ("", "plaintext"),
    ],
)
def test_the_language_is_told_by_the_name_of_the_file(path, language_id):
    assert language_of(path) == language_id


@pytest.mark.parametrize("name", ["sh", "bash", "cs", "jsonc", "javascriptreact", "Python", "typescript.tsx"])
def test_other_names_for_languages_are_known(name):
    assert language(name).package


def test_a_language_without_a_grammar_has_no_tree():
    assert Syntax("brainfuck").parse("+[-]") is None


@pytest.mark.parametrize(
    ("language_id", "document", "kind"),
    [
        ("python", "x = 1  # a ┃", "comment"),
        ("python", "x = 1  # a┃\ny = 2", "comment"),
        ("python", "x = ┃1  # a", "code"),
        ("python", "x = 'a┃b'", "string"),
        ("python", "x = 'a\"┃'", "string"),
        ("python", "x = 'ab'┃", "code"),
        ("python", "x = ┃'ab'", "code"),
        ("python", "x = f'{a┃}'", "code"),
        ("python", "x = f'{a}┃'", "string"),
        ("python", 'def f():\n    """Do\n    ┃\n    """', "string"),
        ("python", "x = 'a'┃ 'b'", "code"),
        ("javascript", "a(`b ${c┃} d`)", "code"),
        ("javascript", "a(`b ${c} d┃`)", "string"),
        ("javascript", "a() /* b */┃", "code"),
        ("javascript", "a() /* b ┃*/", "comment"),
        ("javascript", "a() // b ┃", "comment"),
        ("rust", "let c = 'x'; // ┃", "comment"),
        ("go", "var s = `a\n┃`", "string"),
        ("java", 'String s = "a┃";', "string"),
        ("c", "#include <a┃.h>", "string"),
        ("c", "char c = 'a┃';", "string"),
        ("cpp", 'auto s = R"(a┃)";', "string"),
        ("lua", "local s = [[a┃]]", "string"),
        ("lua", "x = 1 -- a┃", "comment"),
        ("shellscript", 'echo "a $(b┃)"', "code"),
        ("shellscript", 'echo "a┃"', "string"),
        ("ruby", '"a #{b┃} c"', "code"),
        ("ruby", '"a #{b} c┃"', "string"),
        ("php", '<?php\n$a = "b┃";', "string"),
        ("csharp", 'var s = $"a {b┃}";', "code"),
        ("csharp", 'var s = "a┃";', "string"),
        ("html", "<!-- a┃ -->", "comment"),
        ("css", "a { } /* b┃ */", "comment"),
        ("toml", 'a = "b┃"', "string"),
    ],
)
def test_code_comments_and_strings_are_told_apart(language_id, document, kind):
    tree, _, offset = parsed(document, language_id)
    assert tree.kind_at(offset) == kind


@pytest.mark.parametrize(
    ("language_id", "document", "opens"),
    [
        ("python", "if a:┃", True),
        ("python", "if a:  # why┃", True),
        ("python", "if a:  ┃", True),
        ("python", "def f(\n    a,\n) -> int:┃", True),
        ("python", "x = {'a':┃}", False),
        ("python", "if a[1:┃]", False),
        ("python", "x = lambda:┃", False),
        ("python", "# if a:┃", False),
        ("python", "x = 'if a:┃'", False),
        ("python", "x: int = y┃", False),
        ("javascript", "if (a) {┃}", True),
        ("javascript", "switch (a) {\n  case 1:┃\n}", True),
        ("javascript", "x = a ? b :┃", False),
        ("javascript", 'x = "{┃"', False),
        ("lua", "if a then┃", True),
        ("lua", "local f = function(a, b)┃", True),
        ("lua", "f(a)┃", False),
        ("ruby", "items.each do |item|┃", True),
        ("ruby", "def add(item)┃", True),
        ("ruby", "x = 1 if a┃", False),
        ("shellscript", "for a in b; do┃", True),
        ("html", "<div class='a'>┃", True),
        ("html", "<br/>┃", False),
        ("html", "</div>┃", False),
        ("go", "import (┃", True),
        ("yaml", "a:┃", True),
    ],
)
def test_a_line_that_opens_a_block_is_known(language_id, document, opens):
    tree, _, offset = parsed(document, language_id)
    assert tree.opens_block_before(offset) is opens


def test_the_statement_at_the_cursor_may_have_many_lines():
    tree, text, offset = parsed(PYTHON, "python")
    start, end = tree.statement_at(offset)
    assert text[start:end].split() == ["prices", "=", "[1,", "2]"]


def test_on_a_blank_line_the_statement_is_the_line():
    tree, _, offset = parsed("a = 1\n  ┃\nb = 2\n", "python")
    assert tree.statement_at(offset) == (6, 8)


def test_definitions_around_the_cursor_are_found_with_their_decorators():
    tree, text, offset = parsed(PYTHON, "python")
    found = tree.enclosing_definitions(offset)
    assert headers(text, found) == ["@cached def total( self, ) -> int:", "@decorated class Cart:"]
    assert [definition.kind for definition in found] == ["function", "class"]


def test_members_beside_the_cursor_are_found_the_nearest_first():
    tree, text, offset = parsed(PYTHON, "python")
    above, below = tree.siblings(offset, 10)
    assert headers(text, above) == ["def add(self, item):", "size: int = 0"]
    assert headers(text, below) == ["def clear(self):"]


def test_only_so_many_members_are_looked_at():
    tree, text, offset = parsed("".join(f"def f{n}():\n    pass\n" for n in range(50)) + "┃x = 1\n", "python")
    above, below = tree.siblings(offset, 3)
    assert headers(text, above) == ["def f49():", "def f48():", "def f47():"]
    assert below == []


def test_imports_and_constants_come_from_the_module():
    tree, text, _ = parsed(PYTHON, "python")
    imports, constants = tree.preamble(100)
    assert [text[start:end].split()[0] for start, end in imports] == ["import", "from"]
    assert [text[start:end] for start, end in constants] == ["LIMIT = 3"]


@pytest.mark.parametrize(
    ("document", "around"),
    [
        ("def f():┃\n\nx = 1\n", ["def f():"]),
        ("def f():\n    ┃\n\nx = 1\n", ["def f():"]),
        ("def f():\n    x = 1\n\n    ┃\n\ndef g(): ...\n", ["def f():"]),
        ("def f():\n    x = 1\n┃\ndef g(): ...\n", []),
        ("class A:\n    def f(self):\n        x = 1\n    ┃\n", ["class A:"]),
        ("class A:\n    def f(self):\n        x = 1\n        ┃\n", ["def f(self):", "class A:"]),
        ("def f():\n    x = 1\n\ny = ┃\n", []),
    ],
)
def test_a_python_function_goes_on_where_the_cursor_is_indented(document, around):
    tree, text, offset = parsed(document, "python")
    assert headers(text, tree.enclosing_definitions(offset)) == around


@pytest.mark.parametrize(
    ("language_id", "document", "around", "beside"),
    [
        (
            "typescriptreact",
            "export const App = () => {\n  return <a>┃</a>;\n};\nfunction other() {}\n",
            ["export const App = () => {"],
            ["function other() {"],
        ),
        (
            "rust",
            "impl Cart {\n    fn add(&self) {\n        ┃\n    }\n    fn clear(&self) {}\n}\n",
            ["fn add(&self) {", "impl Cart {"],
            ["fn clear(&self) {"],
        ),
        (
            "go",
            "func (c *Cart) Add(x int) {\n\t┃\n}\n\ntype Item struct {\n\ta int\n}\n",
            ["func (c *Cart) Add(x int) {"],
            ["type Item struct {"],
        ),
        (
            "java",
            "class Cart {\n  int add(int x) {\n    return ┃;\n  }\n  int size;\n}\n",
            ["int add(int x) {", "class Cart {"],
            ["int size;"],
        ),
        (
            "cpp",
            "namespace shop {\ntemplate <class T>\nclass Cart {\n  int add(T x) {\n    ┃\n  }\n};\n}\n",
            ["int add(T x) {", "template <class T> class Cart {", "namespace shop {"],
            [],
        ),
        (
            "c",
            "#ifndef A\n#define A\nint f(int x) {\n  ┃\n}\nint g(void) { }\n#endif\n",
            ["int f(int x) {"],
            ["int g(void) {"],
        ),
        ("lua", "function M.f(a)\n  ┃\nend\nlocal function g()\nend\n", ["function M.f(a)"], ["local function g()"]),
        ("shellscript", "f() {\n  ┃\n}\ng() {\n  true\n}\n", ["f() {"], ["g() {"]),
        (
            "ruby",
            "class Cart\n  def add(item)\n    ┃\n  end\n  def clear\n  end\nend\n",
            ["def add(item)", "class Cart"],
            ["def clear"],
        ),
        (
            "php",
            "<?php\nclass Cart {\n  function add($x) {\n    ┃\n  }\n  function clear() {}\n}\n",
            ["function add($x) {", "class Cart {"],
            ["function clear() {"],
        ),
        (
            "csharp",
            "namespace Shop {\n  class Cart {\n    int Add(int x) {\n      ┃\n    }\n    int Size() { }\n  }\n}\n",
            ["int Add(int x) {", "class Cart {", "namespace Shop {"],
            ["int Size() {"],
        ),
    ],
)
def test_every_language_has_its_definitions(language_id, document, around, beside):
    tree, text, offset = parsed(document, language_id)
    assert headers(text, tree.enclosing_definitions(offset)) == around
    assert headers(text, tree.siblings(offset, 10)[1]) == beside


def test_errors_are_counted_where_they_are():
    tree, text, offset = parsed("def f(:\n    pass\n\n┃x = 1\ny = 2\n", "python")
    assert tree.n_errors(0, 10) > 0
    assert tree.n_errors(offset, len(text)) == 0


@pytest.mark.parametrize("wide", ["é", "字", "😀", "\ud83d", "\ude00"])
def test_characters_of_any_width_leave_the_offsets_right(wide):
    document = f"{wide} = '{wide * 3}'  # {wide}\ndef {wide}({wide}):\n    return '{wide * 2}┃'\n\ndef next(): ...\n"
    tree, text, offset = parsed(document, "python")
    assert headers(text, tree.enclosing_definitions(offset)) == [f"def {wide}({wide}):"]
    assert headers(text, tree.siblings(offset, 5)[1]) == ["def next():"]
    assert tree.kind_at(offset) == "string"


def test_a_byte_order_mark_and_hard_spaces_are_white_space():
    tree, text, _ = parsed("\ufeffimport os\nx\u00a0= 1\n┃", "python")
    assert tree.n_errors(0, len(text)) == 0


new_texts = st.sampled_from(["", "x", "\n", "    ", "):", "'", "é\n", "😀"])
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), new_texts))


def after_edits(syntax_of_it: Syntax, text: str, changes: list[tuple[float, int, str]], parse_each: bool) -> str:
    for where, n_removed, new_text in changes:
        start = int(where * len(text))
        end = min(start + n_removed, len(text))
        syntax_of_it.edit(text, start, end, new_text)
        text = text[:start] + new_text + text[end:]
        if parse_each:
            syntax_of_it.settle(text)
    return text


@settings(deadline=None)
@given(edits, st.booleans())
def test_after_any_edits_the_tree_is_that_of_the_new_text(changes, parse_each):
    followed = Syntax("python")
    text = PYTHON
    followed.settle(text)
    text = after_edits(followed, text, changes, parse_each)
    followed.settle(text)
    tree, fresh = followed.parse(text), Syntax("python").parse(text)
    assert tree and fresh
    # Where the code is broken, the parser may explain it in another way than when it sees it for the first time.
    if not fresh.n_errors(0, len(text)):
        assert structure(tree) == structure(fresh)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["\n", "# é\n", "# 😀\n\n"])), min_size=1, max_size=9))
def test_rows_stay_true_while_lines_are_added(added):
    followed, text = Syntax("python"), PYTHON.replace("┃", "")
    followed.settle(text)
    for line, new_text in added:
        start = sum(map(len, text.splitlines(keepends=True)[:line]))
        followed.edit(text, start, start, new_text)
        text = text[:start] + new_text + text[start:]
    tree, fresh = followed.parse(text), Syntax("python").parse(text)
    assert tree and fresh and structure(tree) == structure(fresh)


def test_an_answer_stays_valid_while_later_edits_arrive():
    followed = Syntax("python")
    tree = followed.parse(text := PYTHON.replace("┃", ""))
    assert tree
    before = structure(tree)
    after_edits(followed, text, [(0.1, 5, "):\n"), (0.9, 0, "'''"), (0.0, 3, "")], parse_each=True)
    assert structure(tree) == before


def test_in_a_long_document_the_tree_is_moved_along_until_there_is_time(monkeypatch):
    monkeypatch.setattr(syntax, "QUICK_S", -1.0)
    followed, text = Syntax("python"), "x = 1\n\ndef f():\n    return x\n"
    followed.settle(text)
    followed.edit(text, 0, 0, "def g():\n    pass\n\n")
    text = "def g():\n    pass\n\n" + text
    moved = followed.parse(text)
    assert moved and headers(text, moved.enclosing_definitions(len(text) - 2)) == ["def f():"]
    assert headers(text, moved.siblings(len(text) - 2, 9)[0]) == []
    followed.settle(text)
    settled = followed.parse(text)
    assert settled and headers(text, settled.siblings(len(text) - 2, 9)[0]) == ["def g():"]


def test_much_new_text_is_parsed_at_once(monkeypatch):
    monkeypatch.setattr(syntax, "QUICK_S", -1.0)
    followed, more = Syntax("python"), "def g():\n    pass\n" * 200
    followed.settle("x = 1\n")
    followed.edit("x = 1\n", 6, 6, more)
    tree = followed.parse("x = 1\n" + more)
    assert tree and len(tree.siblings(len(more) + 6, 500)[0]) == 200


def test_a_document_that_is_too_large_has_no_tree_until_it_shrinks(monkeypatch):
    monkeypatch.setattr(syntax, "MAX_CHARS", 20)
    followed, text = Syntax("python"), "x = 1  # a long line\n"
    assert followed.parse(text) is None
    followed.edit(text, 5, len(text), "\n")
    assert followed.parse("x = 1\n") is not None


def test_text_that_takes_too_long_is_left_alone_for_a_while(monkeypatch):
    noise = "".join(random.Random(1).choices("{}()[]<>;:'\"/*#\\ ab1\n", k=60_000))
    followed = Syntax("cpp")
    monkeypatch.setattr(syntax, "PARSE_S", 0.002)
    assert followed.parse(noise) is None
    monkeypatch.setattr(syntax, "PARSE_S", 60.0)
    assert followed.parse("int x;") is None
    followed.edit(noise, 0, len(noise), "int x;")
    tree = followed.parse("int x;")
    assert tree and structure(tree)[0][:3] == ("translation_unit", 0, 6)


HARD_TEXTS = {
    "nothing": "",
    "null bytes": "x = 1\0\0\ndef f():\n    \0\n",
    "lone surrogates": "x = '\ud800'\n\udfff = 2\n",
    "carriage returns": "x = 1\rdef f():\r    pass\r\n",
    "deep brackets": "x = " + "([" * 3_000,
    "deep blocks": "{" * 30_000 + "}" * 30_000,
    "one line": "x=[" + "1," * 50_000 + "]",
    "only punctuation": ";;\n;\n,\n)\n}\n",
    "half a function": "def f(a, b\n    x = [\n  class A\n",
    "binary": bytes(range(256)).decode("latin-1") * 20,
}


@pytest.mark.parametrize("language_id", LANGUAGE_IDS)
@pytest.mark.parametrize("text", HARD_TEXTS.values(), ids=HARD_TEXTS)
def test_every_question_has_an_answer_for_hard_texts(language_id, text):
    tree = Syntax(language_id).parse(text)
    assert tree
    for offset in (0, len(text) // 2, len(text)):
        assert tree.kind_at(offset) in ("code", "comment", "string")
        assert tree.opens_block_before(offset) in (True, False)
        start, end = tree.statement_at(offset)
        assert 0 <= start <= end <= len(text)
        above, below = tree.siblings(offset, 9)
        for found in (*tree.enclosing_definitions(offset), *above, *below):
            assert 0 <= found.start <= found.header_end <= found.end <= len(text)
        tree.preamble(50)
        tree.n_errors(max(offset - 100, 0), offset)


def test_in_a_long_document_an_insertion_is_judged_by_the_code_nearby():
    member = "def f(x):\n    return x\n\n\n"
    before, after = member * 2000 + "def g(x):\n    return ", "\n\n\n" + member * 2000
    tree = Syntax("python").parse(before + after)
    assert tree is not None
    seam = Seam(tree, before + after, len(before))
    assert seam.n_errors("x + 1") == 0
    assert seam.n_errors("x + (1") > 0
