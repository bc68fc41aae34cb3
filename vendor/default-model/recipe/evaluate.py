"""How good are a model's suggestions? Any model file on the measuring stick, beside a completer that only copies.

    python vendor/default-model/recipe/evaluate.py                      the model in the package, on the sample
    python vendor/default-model/recipe/evaluate.py --model FILE.gguf --cases stick.jsonl.gz     (stick.py builds it)
    python vendor/default-model/recipe/evaluate.py --raw                what the model writes by itself
    python vendor/default-model/recipe/evaluate.py --no-suffix          without what stands below the cursor
    python vendor/default-model/recipe/evaluate.py --mixing off         without what the user's own files say

Greedy, on one thread. The whole pipeline runs, as while somebody types: exact is what the user would see and accept
without a change. With --raw nothing stops or filters the model; its text is cut after as many lines as are missing, and
what stands right of the cursor may be written again. --code gives the copying completer other code than the file's own.

Times are of the wall clock, and of the processor in brackets, which other programs do not disturb.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles

from copying import Copier, OtherCode
from scoring import (
    LENGTHS,
    Outcome,
    applied,
    first_lines,
    of_length,
    percent,
    row_of,
    summary_of,
    without_closers,
)
from stick import SAMPLE, Case, read_cases

from lsp_server.assemble import load_engine
from lsp_server.backends.base import Backend
from lsp_server.context import gather
from lsp_server.pipeline import Engine, complete
from lsp_server.prompt import fit
from lsp_server.settings import Settings, merge
from lsp_server.syntax import Syntax, Tree
from lsp_server.values import Event, FimPrompt, Limits, Piece, Reason, Snapshot

N_SAMPLES = 20
CODE_CHARS = 25_000_000
RAW_LIMITS = Limits(max_tokens=64, max_time_s=60)


@dataclass(frozen=True, slots=True)
class WithoutSuffix:
    """A backend whose prompts end at the cursor."""

    inner: Backend

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        files = prompt.files and replace(prompt.files, below="")
        async with aclosing(self.inner.stream(replace(prompt, suffix="", files=files), limits)) as events:
            async for event in events:
                yield event

    def close(self) -> None:
        self.inner.close()


def main() -> int:
    options = _parse()
    cases = read_cases(options.cases)
    engine = open_engine(options.model, options.mixing)
    if options.no_suffix:
        engine = replace(engine, backend=WithoutSuffix(engine.backend))
    outcomes = asyncio.run(_run(engine, cases, options.raw))
    engine.backend.close()
    other = OtherCode(texts_of(options.code)) if options.code else None
    columns = {engine.model.name: outcomes, "copying": [copied(case, other, options.raw) for case in cases]}
    report(columns, cases)
    if options.answers:
        write_answers(options.answers, columns, cases)
    return 0


def open_engine(model: Path | None, mixing: str = "auto") -> Engine:
    values = {"model.path": str(model or ""), "model.threads": 1, "model.mixing": mixing}
    settings, complaints = merge(Settings(), values)
    if complaints:
        raise SystemExit("\n".join(complaints))
    return load_engine(settings)


async def _run(engine: Engine, cases: Sequence[Case], raw: bool) -> list[Outcome]:
    ask = _raw if raw else _suggested
    outcomes = []
    for number, case in enumerate(cases):
        tree = Syntax(case["language"]).parse(case["prefix"] + case["suffix"])
        wall, cpu = time.perf_counter(), time.process_time()
        said, ended = await ask(engine, case, tree)
        wall_ms, cpu_ms = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
        outcomes.append(Outcome(case["kind"], case["package"], case["middle"], said.rstrip(), wall_ms, cpu_ms, ended))
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {len(cases)}", end="", file=sys.stderr)
    return outcomes


async def _suggested(engine: Engine, case: Case, tree: Tree | None) -> tuple[str, bool]:
    """What the user would see, as a middle of the document, and whether the model ended it."""
    snapshot = snapshot_of(case, invoked=False)
    answer = await complete(engine, snapshot, tree, None)
    ended = answer.trace.reason is Reason.END_OF_TEXT
    if answer.completion is None:
        return "", ended
    n_replaced = answer.completion.replace_until - snapshot.offset
    return applied(answer.completion.text, case["suffix"][:n_replaced]), ended


async def _raw(engine: Engine, case: Case, tree: Tree | None) -> tuple[str, bool]:
    """What the model writes by itself, cut after as many lines as are missing, and whether it ended there."""
    n_lines = case["middle"].count("\n") + 1
    context = gather(snapshot_of(case, invoked=True), tree, engine.budget, engine.count_line, None)
    limits = replace(RAW_LIMITS, max_tokens=RAW_LIMITS.max_tokens * n_lines)
    text, n_tokens = "", 0
    async with aclosing(engine.backend.stream(fit(context.window), limits)) as events:
        async for event in events:
            if isinstance(event, Piece):
                text, n_tokens = text + event.text, n_tokens + 1
            if text.count("\n") >= n_lines:
                break
    ended = text.count("\n") < n_lines and n_tokens < limits.hard_max_tokens
    return without_closers(first_lines(text, n_lines), context.line_suffix), ended


def snapshot_of(case: Case, invoked: bool) -> Snapshot:
    text, offset = case["prefix"] + case["suffix"], len(case["prefix"])
    return Snapshot("file:///case.py", "", case["language"], 0, text, offset, invoked)


def copied(case: Case, other: OtherCode | None, raw: bool) -> Outcome:
    """One line, or with `raw` as many as are missing."""
    wall, cpu = time.perf_counter(), time.process_time()
    n_lines = case["middle"].count("\n") + 1 if raw else 1
    said = Copier(case["prefix"], case["suffix"], other).complete(n_lines)
    said = without_closers(said, case["suffix"].partition("\n")[0])
    wall_ms, cpu_ms = (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000
    return Outcome(case["kind"], case["package"], case["middle"], said, wall_ms, cpu_ms)


def report(columns: dict[str, list[Outcome]], cases: Sequence[Case]) -> None:
    for name, outcomes in columns.items():
        print(f"\n{name}\n{'':<20}{'n':>5}{'exact':>8}{'first':>8}{'similar':>9}{'silent':>8}   (%)")
        for label, chosen in _groups(outcomes):
            row = row_of(chosen)
            print(f"{label:<20}{row.n:>5}{row.exact:>8.1f}{row.first:>8.1f}{row.similarity:>9.1f}{row.silent:>8.1f}")
        print(_sentence(outcomes))
    _print_pairs(*columns.values())
    _print_samples(columns, cases)
    print(json.dumps({name: asdict(summary_of(outcomes)) for name, outcomes in columns.items()}))


def _groups(outcomes: Sequence[Outcome]) -> list[tuple[str, Sequence[Outcome]]]:
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    groups = [("single lines", of_length(outcomes, 0, 9_999))]
    groups += [(kind, [outcome for outcome in outcomes if outcome.kind == kind]) for kind in kinds]
    groups += [(f"{low}-{high} lexemes", of_length(outcomes, low, high)) for low, high in LENGTHS[:-1]]
    groups += [(f"{LENGTHS[-1][0]} and more", of_length(outcomes, *LENGTHS[-1]))]
    return [(label, chosen) for label, chosen in groups if chosen]


def _sentence(outcomes: Sequence[Outcome]) -> str:
    summary = summary_of(outcomes)
    wall, cpu = ([each(outcome) for outcome in outcomes] for each in (lambda o: o.wall_ms, lambda o: o.cpu_ms))
    return (
        f"{summary.saved:.1f} characters saved of 100; {summary.precision:.1f} % of what it says is exact; "
        f"silent where nothing is missing {summary.rightly_silent:.1f} %; "
        f"ends by itself {percent(outcome.ended for outcome in outcomes):.1f} %; "
        f"{median(wall):.0f} ms ({median(cpu):.0f}), p95 {_p95(wall):.0f} ({_p95(cpu):.0f})"
    )


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[18] if len(values) > 1 else values[0]


def _print_pairs(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> None:
    pairs = [
        (our.is_exact, their.is_exact)
        for our, their in zip(ours, theirs, strict=True)
        if our in of_length([our], 0, 9_999)
    ]
    wins, losses = pairs.count((True, False)), pairs.count((False, True))
    either = wins + losses + pairs.count((True, True))
    print(
        f"\nsingle lines exact in the first alone {wins}, in the second alone {losses}, in either {either}/{len(pairs)}"
    )


def _print_samples(columns: dict[str, list[Outcome]], cases: Sequence[Case]) -> None:
    print(f"\n{N_SAMPLES} samples, unselected")
    for i in sorted(random.Random(N_SAMPLES).sample(range(len(cases)), min(N_SAMPLES, len(cases)))):
        case = cases[i]
        print(f"{case['package']:<12}{case['prefix'].rpartition(chr(10))[2].lstrip()[-60:]}┃{case['middle']!r}")
        for name, outcomes in columns.items():
            print(f"{'':<12}{'=' if outcomes[i].is_exact else ' '} {name[:16]:<16} {outcomes[i].said!r}")


def write_answers(path: Path, columns: dict[str, list[Outcome]], cases: Sequence[Case]) -> None:
    """A line of JSON for each case: what each column said."""
    with path.open("w", encoding="utf-8") as file:
        for i, case in enumerate(cases):
            said = {name: outcomes[i].said for name, outcomes in columns.items()}
            file.write(json.dumps({"id": case["id"], "kind": case["kind"], "wanted": case["middle"], **said}) + "\n")


def texts_of(path: Path) -> list[str]:
    texts, n_chars = [row["text"] for row in read_cases(path) if row["split"] == "train"], 0
    random.Random(0).shuffle(texts)
    for i, text in enumerate(texts):
        n_chars += len(text)
        if n_chars > CODE_CHARS:
            return texts[:i]
    return texts


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model file instead of the one in the package")
    parser.add_argument("--cases", type=Path, default=SAMPLE, help="instead of the sample beside this file")
    parser.add_argument("--raw", action="store_true", help="the model's own text, neither stopped nor filtered")
    parser.add_argument("--no-suffix", action="store_true", help="keep what is right of and below the cursor from it")
    parser.add_argument("--mixing", choices=("auto", "on", "off"), default="auto", help="as the setting (auto)")
    parser.add_argument("--code", type=Path, help="prepare.py's corpus, for the copying completer")
    parser.add_argument("--answers", type=Path, help="write all answers there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
