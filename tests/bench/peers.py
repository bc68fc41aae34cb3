"""What other projects' tests expect of a completion, and what this project makes of it: each group on its own.

    python tests/bench/peers.py CASES.jsonl          a table, and why this project differs where it does on purpose
    python tests/bench/peers.py CASES.jsonl --show tabby:trimSpace     the cases of a group that differ

A case is a line of JSON: {source: "PROJECT:FILE", filter, language, prefix, suffix, raw_completion, expected, meta:
{kind, replace_len?}}. `expected` is null where nothing is to be shown.

    agrees    the same document, blanks at line ends aside
    shorter   a part of it that ends where a line ends, or nothing: the user goes on
    differs   another document
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from stopping import engine_saying

from lsp_server.pipeline import complete
from lsp_server.syntax import Syntax
from lsp_server.values import Snapshot

OUTCOMES = ("agrees", "shorter", "differs")
# Why this project does something else there, or stops earlier.
REASONS = {
    "continue:avoidEmptyComments": "an empty comment line is how many languages part paragraphs",
    "continue:avoidPathLine": "a comment with a path is what some files begin with",
    "continue:filterCodeBlockLines": "the text ends where a fence closes; nested fences are not unwrapped",
    "continue:filterEnglishLinesAtEnd": "cut at the fence above the prose already",
    "continue:filterEnglishLinesAtStart": "blank lines stay; one line of prose looks like code",
    "continue:pipeline": "two equal lines may be meant; closers are kept where the document parses with them",
    "continue:removeBackticks": "a fence that nobody closed inside of the code stays",
    "continue:skipLines": "markers of that project's own prompts, which are not used here",
    "continue:skipPrefixes": "markers of that project's own prompts, which are not used here",
    "continue:stopAtLines": "markers of that project's own prompts, which are not used here",
    "continue:stopAtStartOf": "blanks at the end are not shown",
    "continue:stopAtStopTokens": "stop words of the test's own; here they come from the model's family",
    "lsp-ai:remove_duplicate_start+end": "an overlap of one character is more often chance than repetition",
    "tabby:formatIndentation": "the model's own steps stay where the document shows none",
    "tabby:limitScopeByIndentation": "a statement may be followed by others of its block; not by what stands below it",
    "tabby:normalizeIndentation": "odd indentation is right in some styles",
    "tabby:pipeline": "a string may end in the middle of a line; a closing tag that stands there is kept",
    "tabby:removeDuplicateSuffixLines": "a line left of the cursor's ends the block",
    "tabby:removeLineEndsWithRepetition": "of a loop in a line, once is kept; zeros are a number",
    "tabby:removeRepetitiveLines": "counting by letters is not told from a list of names",
}


def main() -> int:
    options = _parse()
    cases = [json.loads(line) for line in Path(options.cases).read_text("utf-8").splitlines() if line]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        group = f"{case['source'].split(':')[0]}:{case['filter']}"
        insert, n_replaced = asyncio.run(_answer(case))
        outcome = _outcome(case, insert, n_replaced)
        counts[group][outcome] += 1
        if options.show == group and outcome != "agrees":
            print("-" * 100, case["name"], outcome, sep="\n")
            print(f"{case['prefix'][-200:]}┃{case['suffix'][:150]}")
            print(
                "says  ", repr(case["raw_completion"]), "wanted", repr(case["expected"]), "got", repr(insert), sep="\n"
            )
    print(f"{'group':<42}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES) + "  why not all")
    for group, count in sorted(counts.items()):
        print(f"{group:<42}" + "".join(f"{count[outcome]:>9}" for outcome in OUTCOMES) + f"  {REASONS.get(group, '')}")
    return 0


async def _answer(case: dict[str, Any]) -> tuple[str, int]:
    text, offset = case["prefix"] + case["suffix"], len(case["prefix"])
    snapshot = Snapshot("file:///case", "", case["language"], 1, text, offset, invoked=True)
    tree = Syntax(case["language"]).parse(text)
    answer = await complete(engine_saying(case["raw_completion"]), snapshot, tree, None)
    if answer.completion is None:
        return "", 0
    return answer.completion.text, answer.completion.replace_until - offset


def _outcome(case: dict[str, Any], insert: str, n_replaced: int) -> str:
    wanted = case["expected"] or ""
    ours = _lines(case, insert, n_replaced)
    if ours == _lines(case, wanted, case["meta"].get("replace_len", 0) if wanted else 0):
        return "agrees"
    is_part = wanted.startswith(insert) and wanted[len(insert) :].lstrip(" \t").startswith("\n")
    return "shorter" if not insert or is_part else "differs"


def _lines(case: dict[str, Any], insert: str, n_replaced: int) -> list[str]:
    document = case["prefix"] + insert + case["suffix"][n_replaced:]
    return [line.rstrip() for line in document.rstrip().split("\n")]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", metavar="CASES")
    parser.add_argument("--show", default="", metavar="GROUP", help="print the cases of this group that differ")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
