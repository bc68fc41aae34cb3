"""What is known of each programming language: its grammar, which kinds of node mean what, and how its blocks open.

A new language is a row here, its identifiers as editors send them, and its wheel among the dependencies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Language:
    """One row. Node kinds are separated by spaces, as the grammar names them."""

    package: str = ""  # the wheel that holds the grammar, to import; "" where there is none
    function: str = "language"  # the function in it
    functions: str = ""
    classes: str = ""
    imports: str = ""
    constants: str = ""
    opens: str = r"\{$"  # a line that ends like this opens a block
    indented: bool = False  # blocks end where the indentation does
    stand_in: str = ""  # in place of a body that is left out
    comment: str = "//"  # what a comment to the line's end begins with
    unit: str = "    "  # of indentation, where the document shows none


def _kinds(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Nodes whose children are statements, declarations or members, in any of the grammars.
CONTAINERS = _kinds(
    "module program source_file translation_unit compilation_unit chunk document stylesheet stream ERROR"
    " block statement_block statement_list compound_statement body_statement do_group then do else do_block"
    " class_body interface_body enum_body constructor_body declaration_list field_declaration_list"
    " enum_declaration_list object_type switch_body switch_case switch_default switch_block"
    " switch_block_statement_group case_statement preproc_ifdef preproc_if table element block_mapping"
)
# Nodes around a definition that belong to it: decorators, `export`, `const name =`, `template <…>`.
WRAPPERS = _kinds(
    "decorated_definition export_statement ambient_declaration template_declaration lexical_declaration"
    " variable_declaration variable_declarator assignment_statement expression_list expression_statement"
    " assignment_expression type_declaration type_spec"
)
COMMENT = re.compile(r"(^|_)comment$")
STRING = re.compile(
    r"^(?!concatenated|chained)(.*_)?"
    r"((string|char|character|heredoc|nowdoc)(_literal|_value|_body|_scalar|_expression)?|quote_scalar)$"
)
CODE_IN_STRING = re.compile("interpolation|substitution|expansion")
COMMENT_CLOSERS = ("*/", "-->", "]]")
STRING_CLOSERS = ("'", '"', "`", "]]", ">")

_OPENER_CHARS = 500  # from the end of the line, which may be a whole file

_SWITCH = r"\{$|^\s*(case\b.*|default\s*):$"
_JAVASCRIPT = Language(
    package="tree_sitter_javascript",
    functions="function_declaration generator_function_declaration method_definition arrow_function"
    " function_expression generator_function",
    classes="class_declaration class",
    imports="import_statement",
    constants="lexical_declaration variable_declaration",
    opens=_SWITCH,
    unit="  ",
)
_TYPESCRIPT = replace(
    _JAVASCRIPT,
    package="tree_sitter_typescript",
    function="language_typescript",
    functions=f"{_JAVASCRIPT.functions} function_signature method_signature abstract_method_signature",
    classes=f"{_JAVASCRIPT.classes} abstract_class_declaration interface_declaration enum_declaration internal_module",
    imports="import_statement import_alias",
    constants=f"{_JAVASCRIPT.constants} type_alias_declaration",
)
_C_CONSTANTS = "preproc_def preproc_function_def declaration type_definition"

UNKNOWN = Language(opens=r"[{:]$|\b(then|do|begin)$", comment="")

LANGUAGES: dict[str, Language] = {
    "python": Language(
        package="tree_sitter_python",
        functions="function_definition",
        classes="class_definition",
        imports="import_statement import_from_statement future_import_statement",
        constants="assignment type_alias_statement",
        opens=r"^\s*(async\s+)?(def|class|if|elif|else|for|while|try|except|finally|with|match|case)\b.*:$",
        indented=True,
        stand_in="...",
        comment="#",
    ),
    "javascript": _JAVASCRIPT,
    "typescript": _TYPESCRIPT,
    "typescriptreact": replace(_TYPESCRIPT, function="language_tsx"),
    "rust": Language(
        package="tree_sitter_rust",
        functions="function_item function_signature_item closure_expression",
        classes="impl_item trait_item struct_item enum_item union_item mod_item",
        imports="use_declaration extern_crate_declaration",
        constants="const_item static_item type_item",
    ),
    "go": Language(
        package="tree_sitter_go",
        functions="function_declaration method_declaration func_literal",
        classes="struct_type interface_type",
        imports="package_clause import_declaration",
        constants="const_declaration var_declaration",
        opens=r"[{(]$|^\s*(case\b.*|default):$",
        unit="\t",
    ),
    "java": Language(
        package="tree_sitter_java",
        functions="method_declaration constructor_declaration compact_constructor_declaration lambda_expression",
        classes="class_declaration interface_declaration enum_declaration record_declaration"
        " annotation_type_declaration",
        imports="package_declaration import_declaration",
        constants="field_declaration constant_declaration",
        opens=_SWITCH,
    ),
    "c": Language(
        package="tree_sitter_c",
        functions="function_definition",
        classes="struct_specifier union_specifier enum_specifier",
        imports="preproc_include",
        constants=_C_CONSTANTS,
        opens=_SWITCH,
    ),
    "cpp": Language(
        package="tree_sitter_cpp",
        functions="function_definition lambda_expression",
        classes="class_specifier struct_specifier union_specifier enum_specifier namespace_definition",
        imports="preproc_include using_declaration",
        constants=f"{_C_CONSTANTS} alias_declaration",
        opens=_SWITCH,
    ),
    "lua": Language(
        package="tree_sitter_lua",
        functions="function_declaration function_definition",
        constants="variable_declaration assignment_statement",
        opens=r"\b(then|do|else|repeat)$|\bfunction\b[^()]*\([^()]*\)$|\{$",
        comment="--",
        unit="  ",
    ),
    "shellscript": Language(
        package="tree_sitter_bash",
        functions="function_definition",
        constants="variable_assignment declaration_command",
        opens=r"\b(then|do|else|in)$|\{$",
        comment="#",
        unit="  ",
    ),
    "ruby": Language(
        package="tree_sitter_ruby",
        functions="method singleton_method",
        classes="class module singleton_class",
        imports="call",
        constants="assignment",
        opens=r"^\s*(def|class|module|if|elsif|else|unless|while|until|case|when|begin|for|ensure|rescue)\b(?!.*\bend$)"
        r"|(\bdo|\{)(\s*\|[^|]*\|)?$",
        comment="#",
        unit="  ",
    ),
    "php": Language(
        package="tree_sitter_php",
        function="language_php",
        functions="function_definition method_declaration anonymous_function arrow_function",
        classes="class_declaration interface_declaration trait_declaration enum_declaration",
        imports="namespace_definition namespace_use_declaration",
        constants="const_declaration property_declaration",
        opens=r"\{$|^\s*(case\b.*|default|if\b.*|else|foreach\b.*|for\b.*|while\b.*):$",
    ),
    "csharp": Language(
        package="tree_sitter_c_sharp",
        functions="method_declaration constructor_declaration local_function_statement lambda_expression",
        classes="class_declaration struct_declaration interface_declaration enum_declaration record_declaration"
        " namespace_declaration",
        imports="using_directive file_scoped_namespace_declaration",
        constants="field_declaration",
        opens=_SWITCH,
    ),
    "html": Language(package="tree_sitter_html", opens=r"<[A-Za-z][^<>]*(?<!/)>$", comment="", unit="  "),
    "css": Language(package="tree_sitter_css", imports="import_statement", comment="", unit="  "),
    "json": Language(package="tree_sitter_json", opens=r"[{\[]$", unit="  "),
    "yaml": Language(package="tree_sitter_yaml", opens=r":$", indented=True, comment="#", unit="  "),
    "toml": Language(package="tree_sitter_toml", opens=r"[{\[]$", comment="#"),
}

_OTHER_NAMES = {
    "bash": "shellscript",
    "c++": "cpp",
    "c#": "csharp",
    "cs": "csharp",
    "javascript.jsx": "javascript",
    "javascriptreact": "javascript",
    "js": "javascript",
    "jsonc": "json",
    "jsx": "javascript",
    "py": "python",
    "scss": "css",
    "sh": "shellscript",
    "ts": "typescript",
    "tsx": "typescriptreact",
    "typescript.tsx": "typescriptreact",
    "zsh": "shellscript",
}

# The identifiers that editors send for files of these names; the command line has nobody to tell it.
_EXTENSIONS = {
    "python": ".py .pyi .pyw",
    "javascript": ".js .mjs .cjs",
    "javascriptreact": ".jsx",
    "typescript": ".ts .mts .cts",
    "typescriptreact": ".tsx",
    "rust": ".rs",
    "go": ".go",
    "java": ".java",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .hh .hpp .hxx .ino",
    "lua": ".lua",
    "shellscript": ".sh .bash .zsh .bashrc .zshrc .profile",
    "ruby": ".rb .rake .gemspec rakefile gemfile",
    "php": ".php",
    "csharp": ".cs",
    "html": ".html .htm",
    "css": ".css",
    "json": ".json",
    "jsonc": ".jsonc",
    "yaml": ".yaml .yml",
    "toml": ".toml",
}
_BY_EXTENSION = {name: language_id for language_id, names in _EXTENSIONS.items() for name in names.split()}


def language(language_id: str) -> Language:
    """The row of a language as editors name it; UNKNOWN where there is none."""
    known = language_id.lower()
    return LANGUAGES.get(_OTHER_NAMES.get(known, known), UNKNOWN)


def language_of(path: str | PurePath) -> str:
    """The language identifier of a file, by its name; "plaintext" where the name says nothing."""
    name = PurePath(path).name.lower()
    return _BY_EXTENSION.get(PurePath(name).suffix) or _BY_EXTENSION.get(name, "plaintext")


def opens_block(of: Language, line: str) -> bool:
    """Does the line, taken to be code, leave a block open at its end?"""
    code = line[-_OPENER_CHARS:].rstrip()
    if of.indented:
        # A header may be spread over lines, `) -> int:`; a colon inside brackets belongs to a slice or a dictionary.
        depth = sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))
        if depth:
            return depth < 0 and code.endswith(":")
    return re.search(of.opens, code) is not None
