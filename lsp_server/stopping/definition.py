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

_DOCUMENTATION = re.compile(r"///|/\*\*|---")


def next_definition_begins(written: Written) -> Iterator[Stop]:
    """A definition no deeper than the cursor's statement, once there is more than comments and decorators above it."""
    begun, stands_above_code = False, _stands_above_code(written)
    above: list[Line] = []  # comments and decorators, for the next line if no blank line comes between
    for line in written.lines:
        if above and (written.is_behind_blank_line(line) or _documents_what_follows(line, above)):
            above, begun = [], True
        if line.width <= written.base and _defines(line.code, written.context.language_id):
            if begun:
                yield Stop(Reason.NEXT_DEFINITION, written.before(above[0] if above else line), is_sure=False)
            elif stands_above_code and above and all(_is_comment(remark, written) for remark in above):
                yield Stop(Reason.NEXT_DEFINITION, written.before(line), is_sure=False)
        belongs = bool(_BELONGS_TO_NEXT.match(line.code)) and line.width <= written.base + line.code.startswith("*")
        above = [*above, line] if belongs else []
        begun = begun or not belongs


def _documents_what_follows(line: Line, above: list[Line]) -> bool:
    """A comment of the kind for documentation, behind others."""
    return bool(_DOCUMENTATION.match(line.code)) and not _DOCUMENTATION.match(above[-1].code)


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
