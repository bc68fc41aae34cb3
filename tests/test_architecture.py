"""The shape of the package: imports point down the layers, every library has one door, every module says what it is.

Each rule is a function from the parsed modules to complaints, so that violations can be planted, and seen to be found.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = "lsp_server"
PACKAGE = Path(__file__).parent.parent / ROOT

# From the top down. A unit, which is a module or a package, imports units of lower layers, and none of its own layer.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"server", "doctor", "terminal"},
    {"once", "explanation"},
    {"assemble"},
    {"pipeline"},
    {"context", "prompt", "backends", "stopping", "postprocess", "models"},
    {"inference"},
    {"tokenization", "fim"},
    {"formats", "syntax"},
    {"settings", "trace", "cache", "text", "languages", "privacy", "usage", "formatting"},
    {"values", "errors", "toml", "output"},
    {"__init__"},
)

# Each library that is not Python's own, and the only modules that may import it.
DOORS = {
    "anyio": {"backends"},
    "cattrs": {"server"},  # through which lsprotocol reads and writes JSON
    "ctransformers": {"inference"},
    "editorconfig": {"formatting"},
    "gguf": {"formats", "models.convert"},
    "httpx": {"backends"},
    "huggingface_hub": {"models.download"},
    "keyring": {"backends"},
    "lsprotocol": {"server"},
    "numpy": {"inference", "models.convert"},
    "platformdirs": {"settings", "models.download"},
    "psutil": {"server", "doctor"},
    "pygls": {"server"},
    "safetensors": {"formats", "models.convert"},
    "tokenizers": {"tokenization", "models.convert"},
    "tomli": {"toml"},  # for a Python without tomllib, to which that one is strange too
    "tomllib": {"toml"},
    "torch": {"models.convert"},
    "tree_sitter": {"syntax"},  # and its grammars, tree_sitter_python and so on
    "websockets": {"server"},
    "xllamacpp": {"inference"},
}

# Who may write to stdout: the commands, and the server through its own stream.
PRINTS = {"output"}
HOLDS_STDOUT = PRINTS | {"cli", "server"}


@dataclass(frozen=True)
class Module:
    name: str  # without the package's own, as in "stopping.dedent"; a package has its plain name
    tree: ast.Module
    imports: frozenset[str]  # absolute, wherever they stand: in functions and under TYPE_CHECKING too

    @property
    def unit(self) -> str:
        return self.name.partition(".")[0]

    def ours(self) -> Iterator[str]:
        return (name.removeprefix(f"{ROOT}.") for name in self.imports if name.startswith(f"{ROOT}."))

    def others(self) -> Iterator[str]:
        libraries = {name.partition(".")[0] for name in self.imports}
        return (name for name in sorted(libraries - {ROOT, "__future__"}) if name not in sys.stdlib_module_names)


Modules = dict[str, Module]
Rule = Callable[[Modules], list[str]]


@cache
def load(package: Path) -> Modules:
    files = {_name(path.relative_to(package)): path for path in sorted(package.rglob("*.py"))}
    modules = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text("utf-8"), filename=str(path))
        folder = (ROOT, *path.parent.relative_to(package).parts)
        modules[name] = Module(name, tree, frozenset(_imports(tree, folder, files)))
    return modules


def _name(path: Path) -> str:
    folder = path.parent.parts
    return ".".join(folder if path.stem == "__init__" and folder else (*folder, path.stem))


def _imports(tree: ast.Module, folder: tuple[str, ...], known: Collection[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:  # `from package import x`: x is a module of the package, or a name in it
                as_module = f"{base}.{alias.name}"
                yield as_module if as_module.removeprefix(f"{ROOT}.") in known else base


def imports_point_down(modules: Modules) -> list[str]:
    depth = {unit: number for number, layer in enumerate(LAYERS) for unit in layer}
    complaints = [f"{module.name} has no place in LAYERS" for module in modules.values() if module.unit not in depth]
    for module in modules.values():
        for imported in module.ours():
            unit = imported.partition(".")[0]
            if unit != module.unit and depth.get(unit, -1) <= depth.get(module.unit, len(LAYERS)):
                complaints.append(f"{module.name} imports {imported}, which is not below it")
    return complaints


def no_circles(modules: Modules) -> list[str]:
    graph = {module.name: {name for name in module.ours() if name != module.name} for module in modules.values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"a circle of imports: {' ← '.join(error.args[1])}"]
    return []


def one_door_each(modules: Modules) -> list[str]:
    complaints = []
    for module in modules.values():
        for library in module.others():
            doors = DOORS.get("tree_sitter" if library.startswith("tree_sitter_") else library, set())
            if not any(f"{module.name}.".startswith(f"{door}.") for door in doors):
                where = " or ".join(sorted(doors)) or "none"
                complaints.append(f"{module.name} imports {library}, whose door is {where}")
    return complaints


def only_output_prints(modules: Modules) -> list[str]:
    return [
        f"{module.name}, line {node.lineno}: writes to stdout, where the language server speaks to the editor"
        for module in modules.values()
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Call) and _prints(node) and module.unit not in PRINTS)
        or (isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdout" and module.unit not in HOLDS_STDOUT)
    ]


def _prints(call: ast.Call) -> bool:
    to_stdout = not any(keyword.arg == "file" for keyword in call.keywords)
    return to_stdout and isinstance(call.func, ast.Name) and call.func.id == "print"


def nothing_reads_the_tests(modules: Modules) -> list[str]:
    return [
        f"{module.name}, line {line}: {text!r} is not there once the package is installed"
        for module in modules.values()
        for line, text in _texts(module.tree)
        if re.search(r"(^|/)tests(/|$)", text)
    ]


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text in the code with its line, but for docstrings."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def modules_say_what_they_are(modules: Modules) -> list[str]:
    return [f"{module.name} has no docstring" for module in modules.values() if not ast.get_docstring(module.tree)]


RULES = (
    imports_point_down,
    no_circles,
    one_door_each,
    only_output_prints,
    nothing_reads_the_tests,
    modules_say_what_they_are,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    complaints = rule(load(PACKAGE))
    assert not complaints, "\n".join(complaints)


def test_the_map_in_the_package_docstring_draws_the_same_layers() -> None:
    drawing = (ast.get_docstring(load(PACKAGE)["__init__"].tree) or "").partition("Who may import whom")[2]
    lines = re.findall(r"^    (\w+(?:  \w+)*)(?:   .*)?$", drawing, flags=re.MULTILINE)
    assert [set(line.split()) for line in lines] == list(LAYERS[1:-1])


def planted(folder: Path, **sources: str) -> Modules:
    """A package of modules with these sources; `a__b` stands for a/b.py."""
    for name, source in sources.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, "utf-8")
    return load(folder)


@pytest.mark.parametrize(
    ("rule", "sources", "complaint"),
    [
        (imports_point_down, {"values": "from lsp_server import cli", "cli": ""}, "values imports cli"),
        (imports_point_down, {"text": "def f():\n    from lsp_server.server import run"}, "text imports server"),
        (imports_point_down, {"trace": "if TYPE_CHECKING:\n    import lsp_server.pipeline"}, "trace imports pipeline"),
        (imports_point_down, {"stopping__limits": "from ..prompt import fit"}, "stopping.limits imports prompt"),
        (imports_point_down, {"helpers": ""}, "helpers has no place"),
        (no_circles, {"stopping__a": "from lsp_server.stopping import b", "stopping__b": "from . import a"}, "circle"),
        (one_door_each, {"context__cursor": "import tree_sitter_rust"}, "context.cursor imports tree_sitter_rust"),
        (one_door_each, {"text": "from requests import get"}, "text imports requests, whose door is none"),
        (only_output_prints, {"pipeline": "x = 1\nprint(x)"}, "pipeline, line 2: writes"),
        (only_output_prints, {"trace": "import sys\nsys.stdout.write('x')"}, "trace, line 2: writes"),
        (nothing_reads_the_tests, {"models__packaged": "PATH = 'tests/samples/cart.py'"}, "models.packaged, line 1"),
        (modules_say_what_they_are, {"text": "LINES = 1"}, "text has no docstring"),
    ],
)
def test_a_planted_violation_is_found(rule: Rule, sources: dict[str, str], complaint: str, tmp_path: Path) -> None:
    found = rule(planted(tmp_path, **sources))
    assert len(found) == 1 and complaint in found[0]


def test_what_the_rules_allow_is_not_complained_of(tmp_path: Path) -> None:
    modules = planted(
        tmp_path,
        cli='"""Commands."""\nfrom lsp_server import values',
        output='"""For people."""\nprint("tests pass")',
        values='"""Plain values, of which tests/ has examples."""\nimport sys\nprint(1, file=sys.stderr)',
        server__feature='"""Speaks LSP."""\nimport pygls.server\nfrom lsp_server.server.state import State',
        server__state='"""What is open."""\nimport json',
    )
    assert [complaint for rule in RULES for complaint in rule(modules)] == []
