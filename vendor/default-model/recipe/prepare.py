"""Training text and rows: the pinned packages and the standard library → work/corpus.jsonl.gz → work/{train,val}.npz.

    python vendor/default-model/recipe/prepare.py collect
    python vendor/default-model/recipe/prepare.py rows --tokens 20e6

`collect` downloads the wheels of packages.txt, keeps what is permissively licensed and no copy of what it has seen, and
puts the licence texts together. The files of the measuring stick count as seen, so no near-duplicate of them is kept.

`rows` cuts holes as people type, and has the project itself cut the window around each and heal the cursor, so that the
model learns from what it will be asked. A row is 513 ids, of several examples where they fit:

    <fim_prefix><fim_suffix>S<fim_middle>P M <|endoftext|>
"""

from __future__ import annotations

import argparse
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stick
from holes import Code, Hole, hole_of
from numpy.typing import NDArray
from sources import (
    Package,
    Source,
    cleaned,
    fetch,
    is_permissive,
    is_usable,
    read_wheel,
    shingles,
    without_copies,
)

from lsp_server.backends.encoding import PromptEncoder
from lsp_server.context import WindowBudget, gather
from lsp_server.fim import recognise
from lsp_server.formats.gguf import read_gguf
from lsp_server.models.packaged import packaged_model
from lsp_server.prompt import fit
from lsp_server.syntax import Syntax
from lsp_server.tokenization import Tokenizer
from lsp_server.values import Snapshot

HERE = Path(__file__).parent
WORK = HERE / "work"
PINNED, CORPUS, LICENCES = HERE / "packages.txt", WORK / "corpus.jsonl.gz", WORK / "LICENCES.txt"
# Whole packages, for the loss on code that is not trained on; small ones, since loss needs little.
VALIDATION = frozenset({"loguru", "praw", "quart", "toolz"})
SKIPPED_FOLDERS = {"test", "tests", "idlelib", "site-packages", "lib2to3", "turtledemo", "__pycache__"}

ROW_TOKENS = 512  # and one more, since the targets are the inputs moved by one
MAX_EXAMPLE_TOKENS = ROW_TOKENS + 1
BUDGETS = (64, 96, 128, 256, 400)  # tokens of context; small ones give more holes for the same work
EXCERPT_CHARS = 8_000
HOLES_PER_EXCERPT = 6
EVEN_CHARS = 1_000_000  # a package's share grows with the square root of what it has beyond this
KINDS = {
    "rest-of-line": 40, "whole-line": 12, "half-word": 13, "brackets": 10, "block": 12, "nothing-missing": 13,
}  # fmt: skip
N_OPEN_ROWS = 32  # rows that a short example may still be put into
CONTEXT, MIDDLE = 1, 2  # what a target belongs to; 0 is padding
VALIDATION_TOKENS = 250_000
SEED = 8


@dataclass(frozen=True, slots=True)
class Example:
    ids: list[int]
    n_context: int  # of the ids; the others are the middle and the end


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the project itself makes prompts with."""

    tokenizer: Tokenizer
    encoder: PromptEncoder
    end: int
    pad: int

    @classmethod
    def of(cls, model: Path) -> Vocabulary:
        tokenizer = Tokenizer.from_gguf(read_gguf(model).metadata)
        end, pad = tokenizer.id_of("<|endoftext|>"), tokenizer.id_of("<fim_pad>")
        if end is None or pad is None:
            raise SystemExit(f"{model}: the vocabulary lacks <|endoftext|> or <fim_pad>")
        template = recognise("llama", "", tokenizer.id_of, tokenizer.n_vocab, order="spm2")
        return cls(tokenizer, PromptEncoder(tokenizer, template), end, pad)


def main() -> int:
    options = _parse()
    WORK.mkdir(exist_ok=True)
    options.run(options)
    return 0


def collect(options: argparse.Namespace) -> None:
    packages = [read_wheel(path) for path in fetch(PINNED, stick.DOWNLOADS)]
    refused = [package for package in packages if not is_permissive(package.licence)]
    for package in refused:
        print(f"left out: {package.name} ({package.licence or 'no licence'})")
    kept = [standard_library(), *(package for package in packages if package not in refused)]
    # What is held out comes first, so that it is the copy in the training text that goes.
    kept.sort(key=lambda package: (package.name not in VALIDATION, package.name))
    sources = list(without_copies(_usable(kept), _shingles_of_the_stick()))
    stick.write_cases(CORPUS, [_row(source) for source in sources])
    LICENCES.write_text("\n".join(_notice(package) for package in kept), "utf-8")
    _report(kept, sources)


def standard_library() -> Package:
    """Of the Python that runs this, without its tests."""
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = (path for path in sorted(root.rglob("*.py")) if not SKIPPED_FOLDERS & set(path.relative_to(root).parts))
    texts = ((str(path.relative_to(root)), path.read_bytes().decode("utf-8", "replace")) for path in paths)
    sources = tuple(Source("python", path, text.replace("\r\n", "\n")) for path, text in texts)
    licence = root / "LICENSE.txt"
    words = (licence.read_text("utf-8"),) if licence.exists() else ()
    return Package("python", sys.version.split()[0], "PSF-2.0", words, sources)


def _usable(packages: Iterable[Package]) -> Iterator[Source]:
    for package in packages:
        for source in package.sources:
            if is_usable(source.text):
                yield Source(source.package, source.path, cleaned(source.text))


def _shingles_of_the_stick() -> set[int]:
    wheels = fetch(stick.PINNED, stick.DOWNLOADS)
    return {hash for path in wheels for source in read_wheel(path).sources for hash in shingles(source.text)}


def _row(source: Source) -> stick.Case:
    split = "val" if source.package in VALIDATION else "train"
    return {"split": split, "package": source.package, "path": source.path, "text": source.text}


def _notice(package: Package) -> str:
    texts = "\n\n".join(text.strip() for text in package.licence_texts) or "(its package holds no licence text)"
    return f"{'=' * 80}\n{package.name} {package.version}: {package.licence}\n{'=' * 80}\n{texts}\n"


def _report(packages: list[Package], sources: list[Source]) -> None:
    n_chars, n_files = Counter[str](), Counter[str]()
    for source in sources:
        n_chars[source.package] += len(source.text)
        n_files[source.package] += 1
    rows = [f"{p.name}\t{p.version}\t{p.licence}\t{n_files[p.name]}\t{n_chars[p.name]}" for p in packages]
    (WORK / "packages.tsv").write_text("# package\tversion\tlicence\tfiles\tcharacters\n" + "\n".join(rows) + "\n")
    print(f"{len(sources)} files of {len(packages)} packages, {n_chars.total() / 1e6:.1f} million characters: {CORPUS}")


def rows(options: argparse.Namespace) -> None:
    vocabulary = Vocabulary.of(options.vocabulary or packaged_model())
    corpus = stick.read_cases(CORPUS)
    splits = [("val", VALIDATION_TOKENS)] if options.part == 0 else []
    for split, n_tokens in (*splits, ("train", options.tokens)):
        texts = [(row["package"], row["text"]) for row in corpus if row["split"] == split]
        examples = examples_of(texts, vocabulary, random.Random(f"{SEED} {split} {options.part}"))
        ids, parts = packed(examples, int(n_tokens) // ROW_TOKENS, vocabulary.pad)
        name = WORK / (f"{split}-{options.part}.npz" if split == "train" else f"{split}.npz")
        np.savez(name, ids=ids, parts=parts)
        share = [f"{(parts == part).mean():.1%}" for part in (CONTEXT, MIDDLE, 0)]
        print(f"{name}: {len(ids)} rows; context, middle, padding {', '.join(share)}", flush=True)


def examples_of(texts: list[tuple[str, str]], vocabulary: Vocabulary, rng: random.Random) -> Iterator[Example]:
    """Endlessly, new holes each time."""
    size = Counter[str]()
    for package, text in texts:
        size[package] += len(text)
    weights = [len(text) * min(1.0, (EVEN_CHARS / size[package]) ** 0.5) for package, text in texts]
    while True:
        for _, text in rng.choices(texts, weights, k=1_000):
            code = Code(excerpt(text, rng))
            for kind in rng.choices(list(KINDS), list(KINDS.values()), k=HOLES_PER_EXCERPT):
                hole = hole_of(kind, code, rng)
                example = hole and example_of(code.text, hole, vocabulary, rng)
                if example:
                    yield example


def excerpt(text: str, rng: random.Random) -> str:
    """Whole lines from anywhere in the text."""
    if len(text) <= EXCERPT_CHARS:
        return text
    start = text.rfind("\n", 0, rng.randrange(len(text) - EXCERPT_CHARS // 2) + 1) + 1
    return text[start : text.rfind("\n", 0, start + EXCERPT_CHARS) + 1 or None]


def example_of(text: str, hole: Hole, vocabulary: Vocabulary, rng: random.Random) -> Example | None:
    """What the model will see at that hole, then the middle and the end; None where that is too long."""
    prefix, middle, suffix = text[: hole.start], text[hole.start : hole.end], text[hole.end :]
    if middle:
        suffix = half_written(suffix, rng)
    snapshot = Snapshot("", "", "python", 0, prefix + suffix, len(prefix), invoked=True)
    tree = Syntax("python").parse(snapshot.text)
    window = gather(snapshot, tree, WindowBudget(rng.choice(BUDGETS)), vocabulary.tokenizer.count_line, None).window
    prompt = fit(window)
    seen, owed = vocabulary.encoder.encode(prompt)
    left_out = window.suffix.removesuffix(prompt.suffix)  # closers of the editor's, which the model writes itself
    ids = [*seen, *vocabulary.tokenizer.encode(owed.decode() + middle + left_out), vocabulary.end]
    return Example(ids, len(seen)) if len(ids) <= MAX_EXAMPLE_TOKENS else None


def half_written(suffix: str, rng: random.Random) -> str:
    """Sometimes the code below the cursor is not written yet, or not all of it."""
    line, newline, below = suffix.partition("\n")
    dice = rng.random()
    if dice < 0.10:
        return line
    lines = below.split("\n")
    if dice < 0.20:
        lines = lines[rng.randint(1, 12) :]
    elif dice < 0.30:
        lines = [each for each in lines if rng.random() > 0.25]
    return line + newline + "\n".join(lines)


def packed(examples: Iterator[Example], n_rows: int, pad: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """(n_rows, 513) ids and what they belong to. Each example goes into the open row that it fills best."""
    ids = np.full((n_rows, ROW_TOKENS + 1), pad, np.uint16)
    parts = np.zeros((n_rows, ROW_TOKENS + 1), np.uint8)
    used = np.zeros(n_rows, np.int64)
    open_rows, next_row = list(range(min(N_OPEN_ROWS, n_rows))), N_OPEN_ROWS
    while open_rows:
        example = next(examples)
        n = len(example.ids)
        fitting = [row for row in open_rows if used[row] + n <= ROW_TOKENS + 1]
        if not fitting:
            fullest = max(open_rows, key=lambda row: int(used[row]))
            open_rows.remove(fullest)
            if next_row < n_rows:
                open_rows.append(next_row)
                next_row += 1
            continue
        row = max(fitting, key=lambda row: int(used[row]))
        start = used[row]
        ids[row, start : start + n] = example.ids
        parts[row, start : start + example.n_context] = CONTEXT
        parts[row, start + example.n_context : start + n] = MIDDLE
        used[row] += n
    return ids, parts


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("collect").set_defaults(run=collect)
    command = commands.add_parser("rows")
    command.add_argument("--tokens", type=float, default=20e6, help="of the training rows (20e6)")
    command.add_argument("--part", type=int, default=0, help="which part of an endless stream: new holes for each")
    command.add_argument("--vocabulary", type=Path, help="a model file with another than the packaged model's")
    command.set_defaults(run=rows)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
