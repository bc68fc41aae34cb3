"""One suggestion at line after line of ten files of Python's own standard library, with the model in the package.

    python tests/bench/stdlib.py                 every 25th line of each file, and three of each by the command
    python tests/bench/stdlib.py --every 1       every line (some minutes)
    python tests/bench/stdlib.py --model M.gguf  another model

Prints a table by file (answers, milliseconds, reasons) and one line of JSON. Exits with 1 if any request failed.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from statistics import median, quantiles

from lsp_server.assemble import load_engine
from lsp_server.once import Place, snapshot_at, suggest
from lsp_server.pipeline import Engine
from lsp_server.settings import Settings, merge

FILES = (
    "argparse.py", "ast.py", "bisect.py", "calendar.py", "csv.py",
    "dataclasses.py", "heapq.py", "inspect.py", "pathlib.py", "typing.py",
)  # fmt: skip


def main() -> int:
    options = _parse()
    settings, _ = merge(Settings(), {"model.path": options.model})
    engine = load_engine(settings)
    folder = Path(sysconfig.get_paths()["stdlib"])
    print(f"{'file':<16}{'lines':>7}{'asked':>7}{'said':>6}{'none':>6}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}  reasons")
    times: list[float] = []
    n_failed = 0
    for name in FILES:
        path = next(p for p in (folder / name, folder / name.removesuffix(".py") / "__init__.py") if p.exists())
        row = _bench_file(engine, path, options.every)
        n_failed += _ask_the_command(path, options.model)
        times += row
    print(json.dumps({
        "bench": "stdlib", "asked": len(times), "p50_ms": round(median(times), 1),
        "p99_ms": round(quantiles(times, n=100)[98], 1), "max_ms": round(max(times), 1), "commands_failed": n_failed,
    }))  # fmt: skip
    return 1 if n_failed else 0


def _bench_file(engine: Engine, path: Path, every: int) -> list[float]:
    n_lines = path.read_text("utf-8").count("\n")
    times: list[float] = []
    reasons: collections.Counter[str] = collections.Counter()
    n_said = 0
    for line in range(1, n_lines + 1, every):
        snapshot = snapshot_at(Place(path, line, None))
        start = time.perf_counter()
        answer = suggest(engine, snapshot)
        times.append((time.perf_counter() - start) * 1000)
        n_said += answer.completion is not None
        reasons[answer.trace.reason.code if answer.trace.reason else "?"] += 1
    told = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
    p99 = quantiles(times, n=100)[98] if len(times) > 1 else times[0]
    print(
        f"{path.name if path.name != '__init__.py' else path.parent.name:<16}{n_lines:>7}{len(times):>7}{n_said:>6}"
        f"{len(times) - n_said:>6}{median(times):>8.1f}{p99:>8.1f}{max(times):>8.1f}  {told}"
    )
    return times


def _ask_the_command(path: Path, model: str) -> int:
    """Three lines by the real command: its exit code has to be 0 or 1. Returns how many were something else."""
    n_lines = path.read_text("utf-8").count("\n")
    model_options = ["--model", model] if model else []
    n_failed = 0
    for line in (1, n_lines // 2, n_lines):
        command = [sys.executable, "-m", "lsp_server", "complete", f"{path}:{line}", *model_options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            n_failed += 1
            print(f"  {path}:{line}: exit code {done.returncode}: {done.stderr.strip()}")
    return n_failed


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=25, metavar="N", help="ask at every Nth line (25)")
    parser.add_argument("--model", default="", help="a GGUF file instead of the model in the package")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
