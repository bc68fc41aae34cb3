"""The statement at the cursor is done, and the model goes on to define the next thing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lsp_server.languages import language
from lsp_server.stopping.written import Line, Stop, Written, width
from lsp_server.values import Reason

_MODIFIERS = (
    r"(?:(?:export|default|declare|async|local|static|public|private|protected|internal|abstract|unsafe|final|sealed"
    r"|override|virtual|inline|constexpr|const|readonly|partial|open|suspend|pub(?:\([^)]*\))?|extern(?:\s+\"\w+\")?)\s+)*"
)
_DEFINES = re.compile(
    _MODIFIERS
    + r"(?:def|defp|class|function\*?|fn|func|fun|struct|impl|enum|trait|interface|mod|module|namespace|sub|proc"
    r"|macro_rules!|union|record|type|object|protocol)[\s<(]\s*(?!=)[\w(&*<$.:]"
    r"|"
    + _MODIFIERS
    + r"(?:let|var|const|local)\s+\w+\s*(?::[^=]*)?=\s*(?:async\s*)?(?:function\b|\([^()]*\)\s*(?::[^=]*)?=>)"
    r"|if\s+__name__\s*=="
)
# A method or function without a keyword of its own, as in C, Java, C# and JavaScript.
_SIGNATURE = re.compile(
    _MODIFIERS + r"(?!(?:if|for|while|switch|catch|return|else|do|with|using|lock|elif|match|await|throw|new)\b)"
    r"(?:[\w<>\[\],:?*&]+\s+)*[\w~:*&]+\s*\([^;={}]*\)[^;={}()]*\{$"
)
_BRACED = frozenset(
    ["c", "cpp", "csharp", "java", "javascript", "javascriptreact", "typescript", "typescriptreact", "php"]
)
_BELONGS_TO_NEXT = re.compile(r"@|#|//|/\*|\*|--|template\s*<|\[\w")


def next_definition_begins(written: Written) -> Iterator[Stop]:
    """A definition no deeper than the cursor's statement, once there is more than comments and decorators above it."""
    begun, is_first = False, _stands_above_code(written)
    above: list[Line] = []  # comments and decorators, for the next line if no blank line comes between
    for line in written.lines:
        if above and (written.is_behind_blank_line(line) or (is_first and _is_comment(above[-1], written))):
            above, begun, is_first = [], True, False
        if begun and line.width <= written.base and _defines(line.code, written.context.language_id):
            yield Stop(Reason.NEXT_DEFINITION, written.before(above[0] if above else line))
        belongs = bool(_BELONGS_TO_NEXT.match(line.code)) and line.width <= written.base + line.code.startswith("*")
        above = [*above, line] if belongs else []
        begun, is_first = begun or not belongs, is_first and belongs


def _is_comment(line: Line, written: Written) -> bool:
    comment = language(written.context.language_id).comment
    return line.code.startswith(("/*", "*")) or bool(
        comment and line.code.startswith(comment) and not line.code.startswith("#[")
    )


def _stands_above_code(written: Written) -> bool:
    """The line below the cursor's is no deeper, and not blank: it is what comments and decorators here are for."""
    line = written.context.below.split("\n", 1)[0]
    return bool(line.strip()) and width(line) <= written.base


def _defines(code: str, language_id: str) -> bool:
    if code.endswith(";"):
        return False  # a declaration without a body stands among others
    return bool(_DEFINES.match(code) or (language_id in _BRACED and _SIGNATURE.match(code)))
