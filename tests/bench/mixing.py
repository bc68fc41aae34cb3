"""What the user's own files add to a model: the model alone, mixed with them, and a completer that only copies.

    python tests/bench/mixing.py [CASES.jsonl[.gz]] [--model FILE.gguf] [--code CORPUS.jsonl.gz]

Cases are built by vendor/default-model/recipe/stick.py; without any, its sample is used. --code gives the copying
completer other code beside the file's own. The whole pipeline runs, as while somebody types; exact is what one would
accept without a change. Then what mixing costs in documents of some lengths: the time of the processor for a key that
was typed and for a token that is chosen, and the memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from lsp_server.assemble import load_engine
from lsp_server.backends.own_code import OwnCode
from lsp_server.inference.base import Logits
from lsp_server.inference.mixing import Mixing
from lsp_server.inference.ngram import Followers
from lsp_server.models.files import read_model
from lsp_server.models.packaged import packaged_model
from lsp_server.pipeline import Engine, complete
from lsp_server.prompt import open_files
from lsp_server.settings import Settings, merge
from lsp_server.syntax import Syntax
from lsp_server.tokenization import Tokenizer
from lsp_server.values import OpenFiles, Snapshot

RECIPE = Path(__file__).parents[2] / "vendor" / "default-model" / "recipe"
sys.path.insert(0, str(RECIPE))

import evaluate  # noqa: E402  # found by the line above
from scoring import BLOCK, NOTHING_MISSING, Outcome, percent  # noqa: E402
from stick import SAMPLE, Case, read_cases  # noqa: E402

N_LINES = (300, 3_000, 30_000)
LINE = "        self.{name}_{i} = self.{name}({i}, other={name}_{j}) or None\n"
NAMES = ("total", "price", "render", "find_all", "cache", "result")


def main() -> int:
    options = _parse()
    cases = read_cases(options.cases)
    columns = {f"mixing {mixing}": _answered(options.model, mixing, cases) for mixing in ("off", "on")}
    other = evaluate.OtherCode(evaluate.texts_of(options.code)) if options.code else None
    columns["copying"] = [evaluate.copied(case, other, raw=False) for case in cases]
    exact = _print_exact(columns)
    tokenizer = Tokenizer.from_gguf(read_model(options.model or packaged_model()).metadata)
    print(f"\n{'lines':>7}{'tokens':>8}{'first':>9}{'a key':>8}{'a token':>9}   (µs of the processor){'MB':>6}")
    costs = [_cost(tokenizer, n_lines) for n_lines in N_LINES]
    print(json.dumps({"exact": exact, "costs": costs}))
    return 0


def _answered(model: Path | None, mixing: str, cases: list[Case]) -> list[Outcome]:
    values = {"model.path": str(model or ""), "model.threads": 1, "model.mixing": mixing}
    engine = load_engine(merge(Settings(), values)[0])
    try:
        return [asyncio.run(_outcome(engine, case)) for case in cases]
    finally:
        engine.backend.close()


async def _outcome(engine: Engine, case: Case) -> Outcome:
    snapshot = evaluate.snapshot_of(case, invoked=False)
    tree, start = Syntax(snapshot.language_id).parse(snapshot.text), process_time()
    completion = (await complete(engine, snapshot, tree, None)).completion
    cpu_ms = (process_time() - start) * 1000
    replaced = snapshot.text[snapshot.offset : completion.replace_until] if completion else ""
    said = completion.text.removesuffix(replaced).rstrip() if completion else ""
    return Outcome(case["kind"], case["package"], case["middle"], said, cpu_ms, cpu_ms)


def _print_exact(columns: dict[str, list[Outcome]]) -> dict[str, dict[str, float]]:
    """Exact matches in percent, by kind; where nothing is missing, silence is."""
    outcomes = next(iter(columns.values()))
    kinds = list(dict.fromkeys(outcome.kind for outcome in outcomes))
    groups: dict[str, tuple[str, ...]] = {
        "single lines": tuple(kind for kind in kinds if kind not in (BLOCK, NOTHING_MISSING)),
        **{kind: (kind,) for kind in kinds},
    }
    print(f"{'exact %':<18}{'n':>5}" + "".join(f"{name:>12}" for name in columns))
    table = {}
    for label, chosen in groups.items():
        shares = {name: _exact(found, chosen) for name, found in columns.items()}
        n = sum(outcome.kind in chosen for outcome in outcomes)
        print(f"{label:<18}{n:>5}" + "".join(f"{share:>12.1f}" for share in shares.values()))
        table[label] = shares
    for name, found in columns.items():
        print(f"{name}: {median(outcome.cpu_ms for outcome in found):.0f} ms of the processor for a suggestion")
    return table


def _exact(outcomes: list[Outcome], kinds: tuple[str, ...]) -> float:
    return percent(outcome.is_exact for outcome in outcomes if outcome.kind in kinds)


def _cost(tokenizer: Tokenizer, n_lines: int) -> dict[str, float]:
    """Of a key in the middle of a long document, and of a token there."""
    text = "".join(LINE.format(name=NAMES[i % len(NAMES)], i=i % 97, j=i % 13) for i in range(n_lines))
    cursor = len(text) // 2 // len(LINE) * len(LINE)
    typed = "        self.total_1 = self.price(self.render_2, "
    logits = np.random.default_rng(0).normal(size=tokenizer.n_vocab).astype(np.float32)
    own_code = OwnCode(tokenizer)
    start = process_time()
    followers = own_code.followers(_files(text, cursor, ""), b"")
    first_us = _us_since(start)
    keys = [_files(text, cursor, typed[: i + 1]) for i in range(len(typed))]
    key_us = median(_timed(partial(own_code.followers, files, b"")) for files in keys)
    token_us = median(_token_us(followers, id, logits) for id in tokenizer.encode(typed * 4))
    tracemalloc.start()
    kept = OwnCode(tokenizer), OwnCode(tokenizer).followers(keys[0], b"")
    for files in keys:
        kept[0].followers(files, b"")
    n_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_tokens = followers.n_tokens
    print(f"{n_lines:>7}{n_tokens:>8}{first_us:>9.0f}{key_us:>8.0f}{token_us:>9.0f}{n_bytes / 1e6:>29.1f}")
    return {"lines": n_lines, "first_us": first_us, "key_us": key_us, "token_us": token_us, "bytes": n_bytes}


def _files(text: str, cursor: int, typed: str) -> OpenFiles:
    """The document with something typed at the cursor."""
    whole = text[:cursor] + typed + text[cursor:]
    return open_files(Snapshot("file:///long.py", "", "python", 0, whole, cursor + len(typed), invoked=False))


def _token_us(followers: Followers, id: int, logits: Logits) -> float:
    followers.append(id)
    return _timed(partial(Mixing().into, logits.copy(), followers, ()))


def _timed(job: Callable[[], object]) -> float:
    start = process_time()
    job()
    return _us_since(start)


def _us_since(start: float) -> float:
    return (process_time() - start) * 1e6


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--model", type=Path, help="a model file instead of the one in the package")
    parser.add_argument("--code", type=Path, help="prepare.py's corpus, for the copying completer")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
