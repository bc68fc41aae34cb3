"""How sure the model was of its first tokens, and how often it was right: shown and exact by threshold.

    python tests/bench/confidence.py                 the model in the package, in the standard library
    python tests/bench/confidence.py --every 5       at more lines
    python tests/bench/confidence.py --model M.gguf  another model

In lines of ten files the cursor is put behind a word or an opening bracket, the rest of the line is taken away, and one
suggestion is asked for. It is exact if its first line is what stood there. Confidence is the geometric mean of the
probabilities of the first three tokens. At each threshold:

    shown      of all that the model would have said          precision  exact, of those shown
    exact      shown and exact, of all places asked at        lost       exact, of those that are not shown any more

The two halves of the table are files whose name has an even and an odd checksum: a threshold that is chosen on one has
to hold on the other. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import sysconfig
import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lsp_server.assemble import load_engine
from lsp_server.backends.base import Backend
from lsp_server.pipeline import Engine, complete
from lsp_server.settings import Settings, merge
from lsp_server.stopping.confidence import mean_of_first
from lsp_server.syntax import Syntax
from lsp_server.values import Event, FimPrompt, Limits, Piece, Snapshot

FILES = (
    "argparse.py", "ast.py", "bisect.py", "calendar.py", "csv.py",
    "dataclasses.py", "heapq.py", "inspect.py", "pathlib.py", "typing.py",
)  # fmt: skip
THRESHOLDS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)  # per cent
PLACES = re.compile(r"(?<=\w)(?=\W)|(?<=[(\[{=,.])|(?<=[=,] )")


@dataclass(frozen=True, slots=True)
class Asked:
    half: str
    said: str
    confidence: float
    is_exact: bool


@dataclass(slots=True)
class Listener:
    """A backend that remembers how sure the other one was."""

    backend: Backend
    probabilities: list[float] = field(default_factory=list)

    async def stream(self, prompt: FimPrompt, limits: Limits) -> AsyncGenerator[Event, None]:
        self.probabilities = []
        events = self.backend.stream(prompt, limits)
        try:
            async for event in events:
                if isinstance(event, Piece) and event.probability is not None:
                    self.probabilities.append(event.probability)
                yield event
        finally:
            await events.aclose()


def main() -> int:
    options = _parse()
    settings, _ = merge(Settings(), {"model.path": options.model})
    engine = load_engine(settings)
    listener = Listener(engine.backend)
    asked = asyncio.run(_ask_all(replace(engine, backend=listener), listener, options.every))
    print(f"{'threshold':>9}" + "".join(f"{half + ' ' + column:>17}" for half in ("even", "odd") for column in COLUMNS))
    rows = [{"threshold": threshold} | _figures(asked, threshold) for threshold in THRESHOLDS]
    for row in rows:
        cells = (row[half][column] for half in ("even", "odd") for column in COLUMNS)
        print(f"{row['threshold']:>8}%" + "".join(f"{cell:>16.1f}%" for cell in cells))
    print(json.dumps({"bench": "confidence", "asked": len(asked), "rows": rows}))
    return 0


COLUMNS = ("shown", "exact", "precision", "lost")


async def _ask_all(engine: Engine, listener: Listener, every: int) -> list[Asked]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    asked: list[Asked] = []
    for name in FILES:
        path = next(p for p in (folder / name, folder / name.removesuffix(".py") / "__init__.py") if p.exists())
        text = path.read_text("utf-8")
        half = "odd" if zlib.crc32(name.encode()) % 2 else "even"
        for at, rest in _holes(text, every):
            document = text[:at] + text[at + len(rest) :]
            snapshot = Snapshot(path.as_uri(), str(path), "python", 1, document, at, invoked=True)
            answer = await complete(engine, snapshot, Syntax("python").parse(document), None)
            said = answer.completion.text.split("\n")[0] if answer.completion else ""
            asked.append(Asked(half, said, mean_of_first(listener.probabilities), said.rstrip() == rest.rstrip()))
    return asked


def _holes(text: str, every: int) -> list[tuple[int, str]]:
    """Offsets of cursors, and what stands between each and its line's end."""
    found, start = [], 0
    for number, line in enumerate(text.split("\n")):
        code = line.strip()
        places = [match.start() for match in PLACES.finditer(line.rstrip()) if line[: match.start()].strip()]
        places = [place for place in places if line[place:].strip()]
        if number % every == 0 and places and not code.startswith(("#", '"', "'")):
            place = random.Random(zlib.crc32(line.encode())).choice(places)
            found.append((start + place, line[place:]))
        start += len(line) + 1
    return found


def _figures(asked: list[Asked], threshold: int) -> dict[str, dict[str, float]]:
    return {half: _of([one for one in asked if one.half == half], threshold / 100) for half in ("even", "odd")}


def _of(asked: list[Asked], threshold: float) -> dict[str, float]:
    said = [one for one in asked if one.said.strip()]
    shown = [one for one in said if one.confidence >= threshold]
    n_exact = sum(one.is_exact for one in shown)
    n_ever = sum(one.is_exact for one in said)
    counts = (len(shown), len(said)), (n_exact, len(asked)), (n_exact, len(shown)), (n_ever - n_exact, n_ever)
    return {name: round(100 * part / (whole or 1), 1) for name, (part, whole) in zip(COLUMNS, counts, strict=True)}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=20, metavar="N", help="ask in every Nth line (20)")
    parser.add_argument("--model", default="", help="a GGUF file instead of the model in the package")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
