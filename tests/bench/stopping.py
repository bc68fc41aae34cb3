"""Half-written documents, a scripted model that does not know where to stop, and what the pipeline makes of it.

    python tests/bench/stopping.py CASES.jsonl[.gz]                 every rule, and a table
    python tests/bench/stopping.py CASES --rules none,line,indent,all   side by side
    python tests/bench/stopping.py CASES --rules no-syntax          without a grammar
    python tests/bench/stopping.py CASES --overruns own             with other overruns than those in the file
    python tests/bench/stopping.py CASES --answers OUT.jsonl.gz     and the answers, for other programs

First comes what would be refused if nobody asked by hand; everything else is asked by hand, so that nothing is.

A case is a line of JSON: {id, language, kind, prefix, suffix, middle, expected, streams: {name: text}}. Each stream is
fed token by token to the whole pipeline, the answer is applied to the document, and the document is compared with what
the author wrote:

    exact     the expected document, trailing blanks aside        missed    nothing, though something is missing
    short     a part of it that ends where a line ends            noise     something, where nothing is missing
    cut       a part of it that ends elsewhere                    overrun   text that the author did not write
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import classes
import overruns
from plain_rules import RULES_BY_NAME

from lsp_server import pipeline, stopping, syntax
from lsp_server.backends.scripted import Scripted
from lsp_server.context.cursor import decide
from lsp_server.context.scopes import Indentation
from lsp_server.context.window import WindowBudget
from lsp_server.languages import language
from lsp_server.pipeline import Engine, ModelInfo, complete
from lsp_server.stopping.written import Written
from lsp_server.syntax import Syntax
from lsp_server.values import Limits, Snapshot

NO_LIMITS = Limits(max_tokens=100_000, max_time_s=3_600)
MODEL = ModelInfo("scripted", "", "none", "none", "psm", "scripted", 100_000)
CLASSES = ("exact", "short", "cut", "overrun", "missed", "noise")


@dataclass(frozen=True, slots=True)
class Result:
    case: dict[str, Any]
    number: int
    stream: str
    insert: str
    n_replaced: int
    reason: str
    class_: str
    n_kept: int
    is_broken: bool


class Clock:
    """Microseconds of the processor that the rules took for each piece, whatever else the machine does meanwhile."""

    def __init__(self) -> None:
        self.piece_us: list[float] = []

    def timed(self, first_stop: Callable[[Written], stopping.Stop | None]) -> Callable[[Written], stopping.Stop | None]:
        def measured(written: Written) -> stopping.Stop | None:
            start = time.thread_time()
            stop = first_stop(written)
            self.piece_us.append((time.thread_time() - start) * 1e6)
            return stop

        return measured


def main() -> int:
    options = _parse()
    # What a busy machine has no time for would change the answers: here the rules wait by lines alone.
    stopping.PATIENCE_S, syntax.SPLICE_S = math.inf, 10.0
    cases = [case for case in _load(options.cases) if options.half in ("both", _half(case))]
    if options.overruns == "own":
        cases = [case | {"streams": overruns.streams_of(case)} for case in cases]
    _print_refusals(cases)
    for name in options.rules.split(","):
        clock = Clock()
        results = asyncio.run(_run_all(cases, name, clock))
        _print_tables(name, results, clock)
        if options.answers:
            _write(options.answers, results)
        if options.show:
            _show(results, options.show)
    return 0


def _print_refusals(cases: list[dict[str, Any]]) -> None:
    """What would not even be asked where nobody asks by hand: rightly where nothing is missing, else wrongly."""
    n_empty = sum(_is_empty(case) for case in cases)
    totals = {"rightly": n_empty, "wrongly": len(cases) - n_empty}
    print(f"refused unless asked by hand; nothing is missing in {n_empty} cases, something in {totals['wrongly']}")
    for in_comments in (False, True):
        counts = Counter(row for case in cases for row in _refusals(case, in_comments))
        print(f"\n{'comments ' + ('on' if in_comments else 'off'):<24}" + "".join(f"{c:>18}" for c in totals))
        for code in [*sorted({code for code, _ in counts} - {"all"}), "all"]:
            shares = ((counts[code, column], 100 * counts[code, column] / (n or 1)) for column, n in totals.items())
            print(f"{code:<24}" + "".join(f"{n:>9} {share:>6.1f} %" for n, share in shares))


def _refusals(case: dict[str, Any], in_comments: bool) -> Iterator[tuple[str, str]]:
    """The rows of the table, and the column, that the case counts in."""
    text, offset = case["prefix"] + case["suffix"], len(case["prefix"])
    scopes = Syntax(case["language"]).parse(text) or Indentation(text, language(case["language"]))
    if refusal := decide(text, offset, scopes, False, in_comments=in_comments).refusal:
        column = "rightly" if _is_empty(case) else "wrongly"
        yield from ((refusal.code, column), ("all", column))


def _is_empty(case: dict[str, Any]) -> bool:
    return not case["middle"].strip()


async def _run_all(cases: list[dict[str, Any]], rules: str, clock: Clock) -> list[Result]:
    with_syntax = rules not in ("no-syntax", "line", "indent", "none")
    restore = pipeline.stopping.first_stop, pipeline.postprocess.FILTERS
    chosen = RULES_BY_NAME.get(rules)
    stopping.first_stop = clock.timed(chosen or restore[0])
    if chosen:
        pipeline.postprocess.FILTERS = ()
    try:
        return [result for number, case in enumerate(cases) for result in await _run(case, number, with_syntax)]
    finally:
        stopping.first_stop, pipeline.postprocess.FILTERS = restore


async def _run(case: dict[str, Any], number: int, with_syntax: bool) -> list[Result]:
    text, offset = case["prefix"] + case["suffix"], len(case["prefix"])
    snapshot = Snapshot("file:///case", "", case["language"], 1, text, offset, invoked=True)
    tree = Syntax(case["language"]).parse(text) if with_syntax else None
    may_break = not _n_errors(case["language"], case["expected"])
    results = []
    for stream, says in case["streams"].items():
        answer = await complete(engine_saying(says), snapshot, tree, None)
        insert, n_replaced = "", 0
        if answer.completion:
            insert, n_replaced = answer.completion.text, answer.completion.replace_until - offset
        reason = answer.trace.reason.code if answer.trace.reason else ""
        class_ = classes.classify(case, insert, n_replaced)
        n_kept = classes.n_common(insert, case["middle"])
        document = case["prefix"] + insert + case["suffix"][n_replaced:]
        is_broken = may_break and class_ != "exact" and insert != "" and _n_errors(case["language"], document) > 0
        number_ = case.get("number", number)
        results.append(Result(case, number_, stream, insert, n_replaced, reason, class_, n_kept, is_broken))
    return results


def engine_saying(says: str) -> Engine:
    return Engine(Scripted(says), lambda line: len(line) // 3 + 1, WindowBudget(8_192), NO_LIMITS, MODEL)


def _n_errors(language: str, text: str) -> int:
    tree = Syntax(language).parse(text)
    return tree.n_errors(0, len(text)) if tree else 0


def _print_tables(name: str, results: list[Result], clock: Clock) -> None:
    piece_us = sorted(clock.piece_us)
    print(f"\n## {name}: {len(results)} answers, {len({r.number for r in results})} cases; ", end="")
    print(f"µs per piece p50 {piece_us[len(piece_us) // 2]:.0f}, p99 {piece_us[len(piece_us) * 99 // 100]:.0f}")
    by: tuple[tuple[str, Callable[[Result], str]], ...] = (
        ("stream", lambda result: result.stream),
        ("kind", lambda result: result.case["kind"]),
        ("language", lambda result: result.case["language"]),
    )
    for title, key in by:
        print(f"{title:<20}{'n':>6}" + "".join(f"{c:>9}" for c in ("good", *CLASSES[:5], "broken", "kept", "noise")))
        for group in sorted({key(result) for result in results}) + (["all"] if title == "stream" else []):
            chosen = [r for r in results if group in (key(r), "all")]
            print(f"{group:<20}{_row(chosen)}")


def _row(results: list[Result]) -> str:
    written = [result for result in results if result.case["kind"] != "empty"]
    silent = [result for result in results if result.case["kind"] == "empty" and result.stream != "exact"]
    count = Counter(result.class_ for result in written)
    n = len(written) or 1
    shares = [count["exact"] + count["short"], *(count[c] for c in CLASSES[:5]), sum(r.is_broken for r in written)]
    kept = sum(r.n_kept for r in written) / (sum(len(r.case["middle"]) for r in written) or 1)
    noise = sum(r.class_ == "noise" for r in silent) / (len(silent) or 1)
    return (
        f"{len(written):>6}"
        + "".join(f"{100 * share / n:>9.2f}" for share in shares)
        + f"{100 * kept:>9.2f}{100 * noise:>9.2f}"
    )


def _show(results: list[Result], pattern: str) -> None:
    """CLASS[:STREAM[:KIND]]: print these, as they would stand in the document."""
    class_, stream, kind, *_ = [*pattern.split(":"), "", "", ""]
    for r in results:
        if r.class_ == class_ and stream in r.stream and kind in r.case["kind"]:
            print("-" * 100)
            print(r.number, r.case["id"], r.case["language"], r.case["kind"], r.stream, r.reason)
            print(r.case["prefix"][-250:] + "┃" + r.case["suffix"][:200])
            print("says  ", repr(r.case["streams"][r.stream][: len(r.case["middle"]) + 300]))
            print("wanted", repr(r.case["middle"]))
            print("got   ", repr(r.insert), r.n_replaced)


def _write(path: str, results: Iterable[Result]) -> None:
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "wt", encoding="utf-8") as file:
        for r in results:
            row = {"i": r.number, "id": r.case["id"], "stream": r.stream, "insert": r.insert, "replace": r.n_replaced}
            file.write(json.dumps(row) + "\n")


def _load(path: str) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        for number, line in enumerate(line for line in file.read().split("\n") if line):
            yield {**json.loads(line), "number": number}


def _half(case: dict[str, Any]) -> str:
    """Rules are fitted on the projects of one half, and believed where the other half agrees."""
    project = case["id"].split("@")[0]
    return "fit" if zlib.crc32(project.encode()) % 2 else "report"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", metavar="CASES")
    parser.add_argument("--rules", default="all", help="none, line, indent, no-syntax, all; several with commas")
    parser.add_argument(
        "--overruns", default="given", choices=("given", "own"), help="the streams of the cases, or own"
    )
    parser.add_argument("--half", default="both", choices=("both", "fit", "report"), help="by a hash of the project")
    parser.add_argument("--answers", metavar="OUT", help="write the answers there")
    parser.add_argument("--show", metavar="CLASS[:STREAM[:KIND]]", help="print the answers of this class")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
