"""The same keystrokes for this server and for llama.cpp's own, with the same model file, one after the other.

    python -m tests.bench.side_by_side                                 the model in the package, the own cases
    python -m tests.bench.side_by_side CASES.jsonl.gz --dimensions 1b --requests 60

Asked are, in turns with each stroke of the author in tests/bench/keystrokes.py:

    infill-ls        the real server over stdio, in the model's own order (the suffix first, for most)
    infill-ls, PSM   the same, for models that know the prefix first only
    /infill          llama.cpp's server with cache_prompt: prefix and suffix as they are
    as llama.vim     the same server as llama.vim drives it: --cache-reuse 256, the line typed in `prompt`, which
                     the server puts at the end of the prefix

All have one thread less than there are cores, evaluate 32 tokens at a time, write 16 greedily, and are waited for;
infill-ls computes nothing ahead. What llama.cpp's server is sent is the window that infill-ls chose, so that prompts
are equally long; llama.vim would cut it anew with every line. Milliseconds are from the first byte sent to the last
byte of the answer. Strokes at which infill-ls suggests nothing are left out. Aims: a fifth of the tokens and a third of
the p95 of /infill; with PSM, no more than llama.vim. The last line is everything as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TypeAlias

import numpy as np

from lsp_server.context import WindowBudget, gather
from lsp_server.inference.llama_cpp import DEFAULT_N_BATCH
from lsp_server.inference.opening import default_threads
from lsp_server.models.files import read_model
from lsp_server.syntax import Syntax
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Snapshot, Window
from tests.bench.desk import OWN_CASES, Desk, Tab, load_cases
from tests.bench.infill_server import running_infill
from tests.bench.keystroke_costs import rounded
from tests.bench.keystrokes import DELETE, TYPE, Change, Stroke
from tests.bench.replay import Keyboard, Request
from tests.bench.serving import N_RANDOM_TOKENS, add_model_options, load, model_file, running

OURS, OURS_PSM, INFILL, LLAMA_VIM = "infill-ls", "infill-ls, PSM", "/infill", "as llama.vim"
# Nothing is made smaller or put off to be in time, which the others do not either; and nothing is computed ahead, which
# would take the processor from them in their turn.
PLAIN = {"latency.targetMs": 0, "latency.debounceMs": 0, "suggest.ahead": False}
MARGIN = 256  # tokens of llama.cpp's context beyond the window: its own sentinels, what is written, a longer encoding


@dataclass(frozen=True, slots=True)
class Asked:
    who: str
    kind: str  # of the stroke
    n_prompt: int  # tokens; 0 where the model was not asked, since the suggestion was being typed
    n_evaluated: int
    ms: float


Fill: TypeAlias = Callable[[str, str], dict[str, float]]  # prefix, suffix → n_prompt, n_evaluated, ms


class Windows:
    """What infill-ls would show to the model, kept from stroke to stroke as it keeps it."""

    def __init__(self, model: Path) -> None:
        self._count_line = Tokenizer.from_gguf(read_model(model).metadata).count_line
        self._last: dict[str, Window] = {}

    def at(self, tab: Tab, stroke: Stroke, n_tokens: int) -> Window:
        author = tab.author
        snapshot = Snapshot(tab.uri, "", author.language, 0, author.text, stroke.cursor, invoked=True)
        tree = Syntax(author.language).parse(author.text)
        window = gather(snapshot, tree, WindowBudget(n_tokens), self._count_line, self._last.get(tab.uri)).window
        self._last[tab.uri] = window
        return window


class Contest:
    def __init__(self, ours: Mapping[str, Keyboard], others: Mapping[str, Fill], windows: Windows) -> None:
        self._ours = ours
        self._others = others
        self._windows = windows

    def run(self, desk: Desk, n_strokes: int) -> Iterable[Asked]:
        shown: Change | None = None
        while n_strokes:
            tab, stroke = desk.next(shown)
            shown = None
            if stroke is None:
                for keyboard in self._ours.values():
                    keyboard.close(tab)
                continue
            found, shown = self._ask_ours(tab, stroke)
            if all(request.was_answered for request in found.values()):
                n_strokes -= 1
                yield from (_of_ours(who, request) for who, request in found.items())
                yield from self._ask_others(
                    stroke, self._windows.at(tab, stroke, self._ours[OURS].trace["tokens"]["budget"])
                )

    def _ask_ours(self, tab: Tab, stroke: Stroke) -> tuple[dict[str, Request], Change | None]:
        """The first one's suggestion is the one that the author sees."""
        made = {who: keyboard.make(tab, stroke) for who, keyboard in self._ours.items()}
        return {who: request for who, (request, _) in made.items()}, made[OURS][1]

    def _ask_others(self, stroke: Stroke, window: Window) -> Iterable[Asked]:
        for who, fill in self._others.items():
            found = fill(window.prefix, window.suffix)
            yield Asked(who, stroke.kind, int(found["n_prompt"]), int(found["n_evaluated"]), found["ms"])


def _of_ours(who: str, request: Request) -> Asked:
    return Asked(who, request.kind, request.n_prompt, request.n_evaluated, request.answer_ms or 0.0)


def main() -> int:
    options = parse()
    with ExitStack() as cleanup:
        contest = started(options, cleanup)
        found = []
        for asked in contest.run(Desk(load_cases(options.cases), options.seed), options.requests):
            found.append(asked)
            if options.verbose:
                print(asdict(asked), file=sys.stderr, flush=True)
    tables = {"all strokes": found, "typing on and deleting": [a for a in found if a.kind in (TYPE, DELETE)]}
    results = {
        name: {who: figures([a for a in of if a.who == who]) for who in dict.fromkeys(a.who for a in of)}
        for name, of in tables.items()
        if of
    }
    for name, result in results.items():
        print_table(name, result)
    result = {"bench": "side by side", "model": model_file(options).stem, "cases": options.cases.name,
              "seed": options.seed, "load": load(), "results": results}  # fmt: skip
    print(json.dumps(rounded(result)))
    return 0


def started(options: argparse.Namespace, cleanup: ExitStack) -> Contest:
    orders: dict[str, dict[str, str]] = {OURS: {}, OURS_PSM: {"model.order": "psm"}}
    ours = {}
    for who, settings in orders.items():
        server = cleanup.enter_context(running(options, N_RANDOM_TOKENS, **PLAIN, **settings))
        ours[who] = Keyboard(server, speed=options.speed, waits=True)
    numbers = (options.context + MARGIN, DEFAULT_N_BATCH, default_threads())
    plain, vim = (
        cleanup.enter_context(running_infill(model_file(options), numbers, N_RANDOM_TOKENS)) for _ in range(2)
    )
    return Contest(ours, {INFILL: plain.fill, LLAMA_VIM: vim.fill_as_llama_vim}, Windows(model_file(options)))


def figures(asked: list[Asked]) -> dict[str, float]:
    p50, p95 = np.percentile([a.ms for a in asked], (50, 95))
    return {
        "strokes": len(asked),
        "prompt_tokens": median([a.n_prompt for a in asked if a.n_prompt] or [0]),
        "evaluated_p50": median(a.n_evaluated for a in asked),
        "evaluated_mean": fmean(a.n_evaluated for a in asked),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
    }


def print_table(name: str, results: Mapping[str, Mapping[str, float]]) -> None:
    print(
        f"{name:<26}{'strokes':>8}{'prompt':>8} │{'evaluated p50':>14}{'mean':>8} │{'to suggestion p50':>18}{'p95':>9}"
    )
    for who, of in results.items():
        print(
            f"{who:<26}{of['strokes']:>8}{of['prompt_tokens']:>8.0f} │{of['evaluated_p50']:>14.0f}"
            f"{of['evaluated_mean']:>8.1f} │{of['p50_ms']:>15.1f} ms{of['p95_ms']:>6.0f} ms"
        )
    for other, ours in ((INFILL, OURS), (INFILL, OURS_PSM), (LLAMA_VIM, OURS), (LLAMA_VIM, OURS_PSM)):
        tokens = results[other]["evaluated_mean"] / max(
            results[ours]["evaluated_mean"], 0.1
        )  # none where typed through
        p50, p95 = (results[other][of] / results[ours][of] for of in ("p50_ms", "p95_ms"))
        print(f"{other} ÷ {ours}: {tokens:.1f} × the tokens evaluated, {p50:.1f} × the p50, {p95:.1f} × the p95")
    print()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.side_by_side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="?", type=Path, default=OWN_CASES, metavar="CASES.jsonl[.gz]")
    add_model_options(parser)
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="strokes (200)")
    parser.add_argument("--seed", type=int, default=0, help="of what the author does (0)")
    parser.add_argument("--speed", type=float, default=20.0, metavar="FACTOR", help="by which pauses are shorter (20)")
    parser.add_argument("--context", type=int, default=2048, metavar="TOKENS", help="of llama.cpp's server (2048)")
    parser.add_argument("--verbose", action="store_true", help="every stroke, to stderr")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
