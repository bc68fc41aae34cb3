"""What token healing is worth: greedy completions with and without it, at cursors as people leave them.

    python tests/bench/healing.py CASES.jsonl[.gz] [--language python] [--n 200] [--model M.gguf]

A case has a `prefix`, a `middle`, which its author wrote next, and a `suffix`. Each is asked as it is, behind the
first operator of the middle, and one to three letters into its first long word. What the model writes, up to its first
line end, is compared with what the author wrote: exactly equal, and how similar by characters (difflib's ratio).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import re
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from statistics import mean

from lsp_server.assemble import load_engine
from lsp_server.backends.local import LocalBackend
from lsp_server.settings import Settings, merge
from lsp_server.values import FimPrompt, Limits, Piece

N_PREFIX_CHARS, N_SUFFIX_CHARS = 1000, 350  # fit into the smallest window
LIMITS = Limits(16, 60)
WORD, OPERATOR = re.compile(r"\w{4,}"), re.compile(r"[.(\[=,\"'] ?")


@dataclass(frozen=True, slots=True)
class Cut:
    place: str
    prefix: str
    truth: str
    suffix: str


def main() -> int:
    options = _parse()
    settings, _ = merge(Settings(), {"model.path": options.model})
    backend = load_engine(settings).backend
    assert isinstance(backend, LocalBackend)
    cuts = [cut for case in _cases(options) for cut in _cuts(case, random.Random(options.seed))]
    rows = []
    print(f"{'cursor':<22}{'healing':>8}{'n':>6}{'exact %':>9}{'similar %':>11}")
    for place in dict.fromkeys(cut.place for cut in cuts):
        for heals in (False, True):
            backend.encoder.heals = heals
            rows.append(_row(backend, place, heals, [cut for cut in cuts if cut.place == place]))
            print("{place:<22}{heals!s:>8}{n:>6}{exact:>9.1f}{similar:>11.1f}".format(**rows[-1]))
    print(json.dumps(rows))
    return 0


def _row(backend: LocalBackend, place: str, heals: bool, cuts: list[Cut]) -> dict[str, object]:
    pairs = [(_first_line(asyncio.run(_written(backend, cut))), _first_line(cut.truth)) for cut in cuts]
    exact = 100 * mean(written == truth for written, truth in pairs)
    similar = 100 * mean(SequenceMatcher(None, *pair).ratio() for pair in pairs)
    return {"place": place, "heals": heals, "n": len(cuts), "exact": exact, "similar": similar}


def _cuts(case: dict[str, str], chance: random.Random) -> Iterator[Cut]:
    prefix, middle, suffix = case["prefix"], case["middle"], case["suffix"]
    ends = {"as it is": 0}
    if operator := OPERATOR.search(middle):
        ends["behind an operator"] = operator.end()
    if word := WORD.search(middle):
        ends["in a word"] = word.start() + chance.randint(1, 3)
    for place, end in ends.items():
        yield Cut(place, (prefix + middle[:end])[-N_PREFIX_CHARS:], middle[end:], suffix[:N_SUFFIX_CHARS])


async def _written(backend: LocalBackend, cut: Cut) -> str:
    text = ""
    async with aclosing(backend.stream(FimPrompt(cut.prefix, cut.suffix), LIMITS)) as events:
        async for event in events:
            text += event.text if isinstance(event, Piece) else ""
            if "\n" in text.lstrip("\n"):
                break
    return text


def _first_line(text: str) -> str:
    return text.lstrip("\n").partition("\n")[0].rstrip()


def _cases(options: argparse.Namespace) -> list[dict[str, str]]:
    opened = gzip.open if options.cases.suffix == ".gz" else open
    with opened(options.cases, "rt", encoding="utf-8") as lines:
        cases = [case for case in map(json.loads, lines) if case["middle"].strip()]
    if options.language:
        cases = [case for case in cases if case["language"] == options.language]
    return random.Random(options.seed).sample(cases, min(options.n, len(cases)))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--language", default="python", help="of the cases asked; empty for all (default: python)")
    parser.add_argument("--n", type=int, default=200, help="cases (default: 200)")
    parser.add_argument("--model", default="", help="a GGUF file (default: the model in the package)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
