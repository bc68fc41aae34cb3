"""Would it pay to draft? Tokens that the user's files suggest, several verified by the model in one evaluation.

    python tests/bench/drafting.py [CASES.jsonl[.gz]] [--model FILE.gguf] [--threads N]

Prompt lookup: what followed the longest run of the last tokens elsewhere in the file is drafted, and what the model
would not have written itself is thrown away. The author's own text stands for what a good model writes, which is the
best case. Printed for each way to draft: tokens per verification, the share of the draft that is right, and the time of
writing compared with writing token by token, from what evaluating one to eight tokens takes here with this model.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from lsp_server.inference import open_model
from lsp_server.inference.base import Inference
from lsp_server.inference.ngram import Followers, Ids
from lsp_server.models.files import read_model
from lsp_server.models.packaged import packaged_model
from lsp_server.tokenization import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "vendor" / "default-model" / "recipe"))

from stick import SAMPLE, Case, read_cases  # found by the line above

MIN_RUNS, MOST = (1, 2, 4, 6), (1, 2, 4, 7)
N_TIMES = 15
N_PROMPT = 64


@dataclass(frozen=True, slots=True)
class Written:
    """A middle as its author wrote it, between the ids of what stands above and below."""

    above: Ids
    middle: Sequence[int]
    below: Ids


def main() -> int:
    options = _parse()
    path = options.model or packaged_model()
    tokenizer = Tokenizer.from_gguf(read_model(path).metadata)
    texts = [_written(tokenizer, case) for case in read_cases(options.cases) if case["middle"].strip()]
    model = open_model(path, n_context=512, n_threads=options.threads)
    costs_ms = _costs_ms(model, max(MOST) + 1)
    model.close()
    print("tokens evaluated at once: " + ", ".join(f"{n}: {ms:.1f} ms" for n, ms in costs_ms.items()))
    print(f"{'run at least':>12}{'drafted':>9}{'per verification':>18}{'right %':>9}{'time':>7}")
    rows = [_row(texts, costs_ms, min_run, most) for min_run in MIN_RUNS for most in MOST]
    print(json.dumps({"costs_ms": costs_ms, "rows": rows}))
    return 0


def _row(texts: list[Written], costs_ms: dict[int, float], min_run: int, most: int) -> dict[str, float]:
    sizes: Counter[int] = Counter()
    for text in texts:
        sizes += evaluations(text, min_run, most)
    n_evaluations, n_tokens = sizes.total(), sum(len(text.middle) for text in texts)
    n_drafted = sum((n - 1) * times for n, times in sizes.items())
    n_right = n_tokens - n_evaluations
    row = {
        "min_run": min_run,
        "most": most,
        "per_verification": n_tokens / n_evaluations,
        "right": n_right / max(1, n_drafted),
        "time": sum(costs_ms[n] * times for n, times in sizes.items()) / (n_tokens * costs_ms[1]),
    }
    print("{min_run:>12}{most:>9}{per_verification:>18.2f}{right:>9.0%}{time:>7.2f}".format(**row))
    return row


def evaluations(text: Written, min_run: int, most: int) -> Counter[int]:
    """How many tokens are evaluated at once, and how often."""
    followers, sizes, at = Followers(text.above, text.below), Counter[int](), 0
    while at < len(text.middle):
        followers.append(text.middle[at])
        at += 1
        draft = followers.draft(min_run, most)
        sizes[1 + len(draft)] += 1
        for id in draft:
            if at == len(text.middle) or text.middle[at] != id:
                break
            followers.append(id)
            at += 1
    return sizes


def _written(tokenizer: Tokenizer, case: Case) -> Written:
    above, whole = (tokenizer.encode(case["prefix"] + more) for more in ("", case["middle"] + "\n"))
    n_above = next((i for i, (a, b) in enumerate(zip(above, whole, strict=False)) if a != b), len(above))
    below = np.array(tokenizer.encode(case["suffix"]), np.int32)
    return Written(np.array(whole[:n_above], np.int32), whole[n_above:], below)


def _costs_ms(model: Inference, most: int) -> dict[int, float]:
    """What it takes the processor to evaluate so many tokens behind a prompt."""
    model.evaluate(list(range(N_PROMPT)), lambda: False)
    times: dict[int, list[float]] = {n: [] for n in range(1, most + 1)}
    for _ in range(N_TIMES):
        for n, found in times.items():
            start = process_time()
            model.evaluate(list(range(n)), lambda: False)
            found.append((process_time() - start) * 1000)
            model.rewind(N_PROMPT)
    return {n: median(found) for n, found in times.items()}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--model", type=Path, help="a model file instead of the one in the package")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
