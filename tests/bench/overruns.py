"""More ways to go too far, made from a case: what a model may write behind the author's text.

The suffix in other words, from some lines further down, at another indentation; loops that count; definitions of other
kinds; and talk. All of it is drawn from the case itself, by its id, so that every run sees the same.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from typing import Any

Case = dict[str, Any]

MAX_CHARS = 600
_NAME = re.compile(r"\b[a-z_]\w{3,}\b")
_COMMENT = re.compile(r"\s*(#|//|--|/\*|\*)")
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "self this true false none null return else elif elseif then while with from import class function func local"
        " const async await yield raise throw catch finally except static public private protected struct enum trait"
        " impl type interface export default package match case switch break continue where typeof string number"
        " boolean void",
    )
)
_DEFINITIONS = {
    "python": (
        "class Registry:\n    def __init__(self):\n        self.rows = []\n",
        "@functools.lru_cache\ndef lookup(key):\n    return TABLE[key]\n",
        "# Runs once a day.\nasync def refresh(client):\n    await client.get('/')\n",
        "if __name__ == '__main__':\n    main()\n",
    ),
    "typescript": (
        "export class Registry {\n  private rows: string[] = [];\n}\n",
        "const lookup = async (key: string) => {\n  return TABLE[key];\n};\n",
        "/**\n * Runs once a day.\n */\nexport async function refresh(client: Client) {\n  await client.get('/');\n}\n",
        "interface Row {\n  key: string;\n}\n",
    ),
    "rust": (
        "pub struct Registry {\n    rows: Vec<String>,\n}\n",
        "impl Registry {\n    fn len(&self) -> usize {\n        self.rows.len()\n    }\n}\n",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}\n",
        "/// Runs once a day.\npub async fn refresh(client: &Client) {\n    client.get().await;\n}\n",
    ),
    "go": (
        "type Registry struct {\n\trows []string\n}\n",
        "func (r *Registry) Len() int {\n\treturn len(r.rows)\n}\n",
        "// Refresh runs once a day.\nfunc Refresh(client *Client) error {\n\treturn client.Get()\n}\n",
    ),
    "lua": (
        "function M.refresh(client)\n  client.get()\nend\n",
        "local lookup = function(key)\n  return rows[key]\nend\n",
        "-- Runs once a day.\nfunction Registry:len()\n  return #self.rows\nend\n",
    ),
}
_TALK = (
    "```\n\nThis code does what you asked for. Let me know if you need more.\n",
    "\n# Example usage:\nprint(result)\n",
    "<|endoftext|>import os\nimport sys\n",
)


def paraphrased(case: Case, dice: random.Random) -> str:
    """Other names, other quotes, other spaces, no comments, now and then a line left out."""
    return _told_again(case, dice, _lines_below(case))


def skipped_into(case: Case, dice: random.Random) -> str:
    """Word for word, from the second to the sixth line on."""
    lines = [line for line in _lines_below(case) if line.strip()]
    return "\n".join(lines[min(dice.randint(1, 5), max(len(lines) - 1, 0)) :])


def skipped_and_paraphrased(case: Case, dice: random.Random) -> str:
    return _told_again(case, dice, skipped_into(case, dice).split("\n"))


def indented_otherwise(case: Case, dice: random.Random) -> str:
    shift = dice.choice((-4, -2, 2, 4))
    return "\n".join(_shifted(line, shift) for line in _lines_below(case))


def counted_up(case: Case, dice: random.Random) -> str:
    """The last line again and again with the next number in it."""
    line = _last_line(case)
    if re.search(r"\d", line):
        return "\n".join(re.sub(r"\d+", lambda m, n=n: str(int(m[0]) + n), line) for n in range(1, 12))
    name = dice.choice(_NAME.findall(line) or [""])
    return "\n".join(line.replace(name, f"{name}{n}", 1) if name else line for n in range(1, 12))


def block_loop(case: Case, dice: random.Random) -> str:
    """The last lines again and again, with blank lines between them."""
    lines = [line for line in case["middle"].split("\n")[1:] if line.strip()] or [_last_line(case)]
    block = "\n".join(lines[-dice.randint(2, 4) :])
    return "\n\n".join([block] * 6)


def other_definition(case: Case, dice: random.Random) -> str:
    indent = " " * dice.choice((0, 0, len(_last_line(case)) - len(_last_line(case).lstrip())))
    definition = dice.choice(_DEFINITIONS.get(case["language"], _DEFINITIONS["python"]))
    lines = [indent + line if line else line for line in definition.split("\n")]
    return dice.choice(("", "\n", "\n\n")) + "\n".join(lines)


def prefix_again(case: Case, _: random.Random) -> str:
    """The file from its first line on."""
    return case["prefix"][:MAX_CHARS] if case["prefix"].count("\n") > 3 else ""


def talk(_: Case, dice: random.Random) -> str:
    return dice.choice(_TALK)


OVERRUNS: dict[str, Callable[[Case, random.Random], str]] = {
    function.__name__: function
    for function in (
        paraphrased, skipped_into, skipped_and_paraphrased, indented_otherwise, counted_up, block_loop,
        other_definition, prefix_again, talk,
    )
}  # fmt: skip


def streams_of(case: Case) -> dict[str, str]:
    """By the name of the overrun: the author's text and what a model may write behind it."""
    streams = {}
    for name, overrun in OVERRUNS.items():
        more = overrun(case, random.Random(zlib.crc32(f"{case['id']} {name}".encode())))[:MAX_CHARS]
        if more.strip():
            gap = "" if case["middle"].endswith("\n") else "\n"
            streams[name] = case["middle"] + gap + more
    return streams


def _lines_below(case: Case) -> list[str]:
    lines = case["suffix"].split("\n")[1:] if case["kind"] != "line_end" else case["suffix"].split("\n")
    return "\n".join(lines)[:MAX_CHARS].lstrip("\n").split("\n")


def _last_line(case: Case) -> str:
    lines = [line for line in (case["prefix"].rpartition("\n")[2] + case["middle"]).split("\n") if line.strip()]
    return lines[-1] if lines else ""


def _told_again(case: Case, dice: random.Random, lines: list[str]) -> str:
    names = sorted({name for line in lines for name in _NAME.findall(line)} - _KEYWORDS)
    renamed = {name: f"{name}_{dice.choice('abxyz')}" for name in names if dice.random() < 0.3}
    told = []
    for line in lines:
        if _COMMENT.match(line) or (line.strip() and dice.random() < 0.1):
            continue
        again = _NAME.sub(lambda m: renamed.get(m[0], m[0]), line)
        told.append(again.replace('"', "'") if dice.random() < 0.5 else again)
    return "\n".join(told)


def _shifted(line: str, n_columns: int) -> str:
    if n_columns > 0:
        return " " * n_columns + line if line.strip() else line
    return line[min(-n_columns, len(line) - len(line.lstrip())) :]
