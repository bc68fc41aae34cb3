"""The program behind tests/bench/typing.py, which says what is printed."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from tests.bench.desk import OWN_CASES, Desk, load_cases
from tests.bench.keystrokes import ACCEPT, AFTER_A_LOOK, BELOW, DELETE, JUMP, OPEN, SWITCH, TYPE
from tests.bench.replay import MODEL, REFUSED, TAKEN_BACK, Keyboard, Request, replay
from tests.bench.serving import add_model_options, load, memory_mb, model_file, running
from tests.wire import Server

KINDS = {TYPE: "typing on", DELETE: "deleting", ACCEPT: "accept", BELOW: "edit below"} | {
    kind + how: kind + how for kind in (JUMP, SWITCH, OPEN) for how in ("", AFTER_A_LOOK)
}
HEADER = (
    f"{'':<20}{'requests':>9}{'model':>7}{'cache':>7}{'refused':>9}{'taken back':>12} │{'prompt':>7}"
    f"{'evaluated':>11}{'mean %':>8} │{'to suggestion p50':>19}{'p95':>8}{'p99':>8} ms │{'wasted':>8}"
)


def main(description: str | None) -> int:
    options = parse(description)
    with ExitStack() as cleanup:
        servers = [cleanup.enter_context(running(options)) for _ in range(options.servers)]
        with ThreadPoolExecutor(len(servers)) as at_once:
            found = list(at_once.map(lambda number: typed(servers[number], options, number), range(len(servers))))
        memory = [memory_mb(server) for server in servers]
    for requests, used in zip(found, memory, strict=True):
        print_table(requests)
        print(f"memory: {used['resident']:.0f} MB, of which {used['own']:.0f} MB shared with no other process\n")
    if options.plot:
        from tests.bench.keystroke_plot import plot

        plot([request for requests in found for request in requests], KINDS, options.plot)
    results = [{**summary(requests), "memory_mb": used} for requests, used in zip(found, memory, strict=True)]
    result = {
        "bench": "typing", "cases": options.cases.name, "model": model_file(options).stem, "set": options.set,
        "seed": options.seed, "speed": options.speed, "waits": options.waits, "load": load(), "servers": results,
    }  # fmt: skip
    if options.json:
        rows = [[request.as_json() for request in requests] for requests in found]
        options.json.write_text(json.dumps({**result, "requests": rows}) + "\n", "utf-8")
    print(json.dumps(rounded(result)))
    return 0


def typed(server: Server, options: argparse.Namespace, number: int) -> list[Request]:
    """What the author of the server with this number asked for."""
    desk = Desk(load_cases(options.cases), options.seed + number)
    keyboard = Keyboard(server, speed=options.speed, waits=options.waits)
    return list(islice(replay(keyboard, desk), options.requests))


def summary(requests: Sequence[Request]) -> dict[str, Any]:
    """Figures by kind, and of all."""
    kinds = {kind: [request for request in requests if request.kind == kind] for kind in KINDS}
    return {kind: figures(of) for kind, of in {**kinds, "all": list(requests)}.items() if of}


def figures(requests: Sequence[Request]) -> dict[str, Any]:
    answered = [request for request in requests if request.was_answered]
    by_model = [request for request in answered if request.source == MODEL]
    outcomes = Counter(request.outcome for request in requests)
    sources = Counter(request.source for request in answered)
    return {
        "requests": len(requests),
        "answered": dict(sources),
        "refused": outcomes[REFUSED],
        "taken_back": outcomes[TAKEN_BACK],
        "prompt_tokens": median_of([request.n_prompt for request in by_model]),
        "evaluated_tokens": median_of([request.n_evaluated for request in by_model]),
        "evaluated_share": mean_of([request.n_evaluated / request.n_prompt for request in by_model]),
        **percentiles([request.answer_ms for request in answered]),
        "from_cache": percentiles([request.answer_ms for request in answered if request.is_cached]),
        "wasted_tokens": sum(request.n_wasted for request in requests),
        "computed_tokens": sum(request.n_computed for request in requests),
    }  # fmt: skip


def median_of(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def mean_of(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def percentiles(values: Sequence[float | None]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys(("p50_ms", "p95_ms", "p99_ms"))
    found = np.percentile(np.array(values, dtype=float), (50, 95, 99))
    return dict(zip(("p50_ms", "p95_ms", "p99_ms"), map(float, found), strict=True))


def print_table(requests: Sequence[Request]) -> None:
    print(HEADER)
    for kind, of in summary(requests).items():
        by_model = of["answered"].get(MODEL, 0)
        cached = sum(of["answered"].values()) - by_model
        share = None if of["evaluated_share"] is None else 100 * of["evaluated_share"]
        print(
            f"{KINDS.get(kind, kind):<20}{of['requests']:>9}{by_model:>7}{cached:>7}{of['refused']:>9}"
            f"{of['taken_back']:>12} │{number(of['prompt_tokens'], 7, 0)}{number(of['evaluated_tokens'], 11, 0)}"
            f"{number(share, 8, 1)} │{number(of['p50_ms'], 19, 1)}{number(of['p95_ms'], 8, 1)}"
            f"{number(of['p99_ms'], 8, 1)}    │{of['wasted_tokens']:>8}"
        )


def number(value: float | None, width: int, digits: int) -> str:
    return " " * (width - 1) + "–" if value is None else f"{value:>{width}.{digits}f}"


def rounded(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: rounded(of) for name, of in found.items()}
    if isinstance(found, list):
        return [rounded(of) for of in found]
    return float(f"{found:.4g}") if isinstance(found, float) else found


def parse(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=Path, default=OWN_CASES, metavar="CASES.jsonl[.gz]")
    add_model_options(parser)
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="strokes, each with a request (300)")
    parser.add_argument("--seed", type=int, default=0, help="of what the author does (0)")
    parser.add_argument("--speed", type=float, default=1.0, metavar="FACTOR", help="by which pauses are shorter (1)")
    parser.add_argument("--waits", action="store_true", help="go on only when the answer is there")
    parser.add_argument("--servers", type=int, default=1, metavar="N", help="as many editors at the same time (1)")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="everything, request by request")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="a picture")
    options = parser.parse_args()
    if options.plot and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install 'infill-ls[bench]'")
    return options
