"""How much the user's files should weigh beside a model: the numbers of Mixing, fitted to code that it never saw.

    python tests/bench/fit_mixing.py FOLDER... [--model FILE.gguf] [--n 100]

Each folder is a package of Python code: none that the model was trained on, and none that figures are reported of. From
each, holes on one line are cut as vendor/default-model/recipe/holes.py has them, and what the author wrote there is
written token by token. The numbers are those under which it is most probable. What they are worth is told by two more
fits, each to one half of the folders, on the half that it has not seen.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, fields, replace
from itertools import accumulate, groupby, product
from pathlib import Path
from statistics import mean
from typing import cast

import numpy as np

from lsp_server.assemble import load_engine
from lsp_server.backends.local import LocalBackend
from lsp_server.context import gather
from lsp_server.inference.base import Logits
from lsp_server.inference.mixing import Mixing
from lsp_server.inference.ngram import Followers, Found
from lsp_server.models.files import read_model
from lsp_server.models.packaged import packaged_model
from lsp_server.pipeline import Engine
from lsp_server.prompt import fit, open_files
from lsp_server.settings import Settings, merge
from lsp_server.syntax import Syntax
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Limits, Snapshot

sys.path.insert(0, str(Path(__file__).parents[2] / "vendor" / "default-model" / "recipe"))

from holes import SINGLE_LINE, Code, hole_of  # found by the line above

LIMITS = Limits(64, 60)
MIN_FILE_CHARS = 800
STEPS = (0.4, 0.2, 0.1)  # that each number is moved by, as long as that helps
ALONE, AS_IT_IS = Mixing(bias=-500), Mixing()


@dataclass(frozen=True, slots=True)
class Token:
    """One that the author wrote, and what was known when it was due."""

    folder: str
    hole: int
    id: int
    logits: Logits  # as half floats, of which there are many
    found: Found

    def next(self) -> Found:
        return self.found


@dataclass
class Author:
    """Takes the place of Mixing, and writes what the author wrote."""

    folder: str
    hole: int
    ids: list[int]

    def __post_init__(self) -> None:
        self.written: list[Token] = []

    def into(self, logits: Logits, followers: Followers, ends: Sequence[int]) -> None:
        id = self.ids[len(self.written)]
        # Where the vocabulary cuts it in another way, healing may rule it out; then the hole is of no use any more.
        is_possible = logits[id] > -np.inf
        if is_possible:
            self.written.append(Token(self.folder, self.hole, id, logits.astype(np.float16), followers.next()))
        logits[:] = -np.inf
        logits[id if is_possible else ends[0]] = 0


def main() -> int:
    options = _parse()
    tokenizer = Tokenizer.from_gguf(read_model(options.model or packaged_model()).metadata)
    engine = load_engine(merge(Settings(), {"model.path": str(options.model or ""), "model.threads": 1})[0])
    tokens = [token for folder in options.folders for token in _tokens_of(folder, engine, tokenizer, options.n)]
    ends = sorted(cast(LocalBackend, engine.backend)._ends)
    engine.backend.close()
    names = sorted({token.folder for token in tokens})
    halves = [[token for token in tokens if (names.index(token.folder) % 2 == 0) is even] for even in (True, False)]
    for seen, unseen in (halves, halves[::-1]):
        _tell("fitted to the other half", unseen, fitted(seen, ends), ends)
    _tell("fitted to all", tokens, fitted(tokens, ends), ends)
    return 0


def _tell(label: str, tokens: list[Token], mixing: Mixing, ends: Sequence[int]) -> None:
    print(f"{label}: {', '.join(sorted({token.folder for token in tokens}))}")
    for name, each in (("alone", ALONE), ("as it is", AS_IT_IS), ("fitted", mixing)):
        print(f"  {name:<9}{exact(tokens, each, ends):>6.1f} % exact, nats per token {_nats(tokens, each, ends):.3f}")
    print("  " + ", ".join(f"{name} = {value:.2f}" for name, value in asdict(mixing).items()), flush=True)


def fitted(tokens: list[Token], ends: Sequence[int], start: Mixing = AS_IT_IS) -> Mixing:
    """Each number moved up and down in turn."""
    mixing, least = start, _nats(tokens, start, ends)
    for step in STEPS:
        moved = True
        while moved:
            moved = False
            for field, sign in product(fields(Mixing), (1, -1)):
                tried = replace(mixing, **{field.name: getattr(mixing, field.name) + sign * step})
                if (nats := _nats(tokens, tried, ends)) < least:
                    mixing, least, moved = tried, nats, True
    return mixing


def _nats(tokens: list[Token], mixing: Mixing, ends: Sequence[int]) -> float:
    return mean(-float(np.log(max(_mixed(token, mixing, ends)[token.id], 1e-9))) for token in tokens)


def exact(tokens: list[Token], mixing: Mixing, ends: Sequence[int]) -> float:
    """Of the holes, those in which each token is the most probable one."""
    holes = groupby(tokens, key=lambda token: (token.folder, token.hole))
    return 100 * mean(all(_mixed(t, mixing, ends).argmax() == t.id for t in hole) for _, hole in holes)


def _mixed(token: Token, mixing: Mixing, ends: Sequence[int]) -> Logits:
    logits = token.logits.astype(np.float32)
    mixing.into(logits, cast(Followers, token), ends)
    scores: Logits = np.exp(logits - logits.max())
    return scores / scores.sum()


def _tokens_of(folder: Path, engine: Engine, tokenizer: Tokenizer, n: int) -> list[Token]:
    chance = random.Random(folder.name)
    texts = [text for path in sorted(folder.rglob("*.py")) if len(text := path.read_text("utf-8")) >= MIN_FILE_CHARS]
    kinds = list(SINGLE_LINE)
    tokens: list[Token] = []
    for number in range(n):
        (text,) = chance.choices(texts, [len(text) for text in texts])
        hole = hole_of(kinds[number % len(kinds)], Code(text), chance)
        if hole:
            tokens += asyncio.run(_written(engine, tokenizer, folder.name, number, text, hole.start, hole.end))
    return tokens


async def _written(
    engine: Engine, tokenizer: Tokenizer, folder: str, number: int, text: str, start: int, end: int
) -> list[Token]:
    backend = cast(LocalBackend, engine.backend)
    line_end = (text + "\n").index("\n", end)
    snapshot = Snapshot("file:///hole.py", "", "python", 0, text[:start] + text[end:], start, invoked=True)
    tree = Syntax("python").parse(snapshot.text)
    context = gather(snapshot, tree, engine.budget, engine.count_line, None)
    prompt = fit(context.window, open_files(snapshot))
    _, owed = backend.encoder.encode(prompt)
    first, last = len(text[:start].encode()) - len(owed), len(text[:end].encode())
    author = Author(folder, number, list(_ids_between(tokenizer, text[: line_end + 200], first, last)))
    backend._mixing = cast(Mixing, author)
    async with aclosing(backend.stream(prompt, LIMITS)) as events:
        async for _ in events:
            if len(author.written) == len(author.ids):
                break
    return author.written


def _ids_between(tokenizer: Tokenizer, text: str, first: int, last: int) -> Iterator[int]:
    """The tokens from byte `first` on, up to the one that ends the hole; none where no token begins there."""
    ids = tokenizer.encode(text)
    starts = list(accumulate((len(tokenizer.piece(id)) for id in ids), initial=0))
    if first in starts:
        yield from (id for id, start in zip(ids, starts, strict=False) if first <= start <= last)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, help="a model file instead of the one in the package")
    parser.add_argument("--n", type=int, default=100, help="holes in each folder (default: 100)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
