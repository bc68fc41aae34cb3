"""The measuring stick: half-written code from packages that no training set here holds.

    python vendor/default-model/recipe/stick.py build OUT.jsonl.gz     the cases, from the pinned packages
    python vendor/default-model/recipe/stick.py sample                 the few cases that are kept beside this file
    python vendor/default-model/recipe/stick.py cut TRAINING.jsonl...  choose the holes anew, away from training text

stick.txt pins the packages, and stick.tsv the holes: they were cut once, with a fixed seed, where no training text has
the same lines. So anyone who builds the cases has the same ones, without any training text.

A case is a line of JSON: {id, language, package, path, kind, prefix, middle, suffix}.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from holes import Code, Hole, hole_of
from sources import N_SHINGLE_LINES, Package, Source, fetch, is_permissive, read_wheel, shingles

HERE = Path(__file__).parent
PINNED, HOLES, SAMPLE = HERE / "stick.txt", HERE / "stick.tsv", HERE / "stick-sample.jsonl.gz"
DOWNLOADS = HERE / "work" / "wheels"
N_CASES = {
    "rest-of-line": 320, "whole-line": 120, "brackets": 120, "half-word": 160, "block": 80, "nothing-missing": 120,
}  # fmt: skip
SEED = 20_261_121
N_TRIES = 200
KNOWN_SHARE = 0.2  # of a file's shingles in training text: then none of it is used
MAX_PREFIX_CHARS, MAX_SUFFIX_CHARS = 12_000, 6_000
SAMPLE_EVERY = 9  # not a multiple of the number of packages
SAMPLE_PREFIX_CHARS, SAMPLE_SUFFIX_CHARS = 2_400, 1_200

Case = dict[str, Any]
Sources = dict[tuple[str, str], str]  # (package, path) → text


def main() -> int:
    options = _parse()
    packages = [read_wheel(path) for path in fetch(PINNED, DOWNLOADS)]
    texts = {(source.package, source.path): source.text for package in packages for source in package.sources}
    options.run(options, packages, texts)
    return 0


def build(options: argparse.Namespace, packages: list[Package], texts: Sources) -> None:
    cases = [case_of(*place, texts, MAX_PREFIX_CHARS, MAX_SUFFIX_CHARS) for place in read_holes()]
    write_cases(options.out, cases)
    print(f"{len(cases)} cases from {len(packages)} packages in {options.out}")


def sample(options: argparse.Namespace, packages: list[Package], texts: Sources) -> None:
    places = read_holes()[::SAMPLE_EVERY]
    write_cases(SAMPLE, [case_of(*place, texts, SAMPLE_PREFIX_CHARS, SAMPLE_SUFFIX_CHARS) for place in places])
    print(f"{len(places)} cases in {SAMPLE}")


def cut(options: argparse.Namespace, packages: list[Package], texts: Sources) -> None:
    if wrong := [package.name for package in packages if not is_permissive(package.licence)]:
        raise SystemExit(f"{', '.join(wrong)}: no permissive licence")
    known = shingles_of_files(options.training)
    usable = [Source(*place, text) for place, text in texts.items() if _share_known(text, known) <= KNOWN_SHARE]
    print(f"{len(texts) - len(usable)} of {len(texts)} files are known to the training text and left out")
    holes = list(choose(usable, lambda text, hole: not is_known(text, hole, known)))
    rows = (f"{i}\t{source.package}\t{source.path}\t{h.kind}\t{h.start}\t{h.end}\n" for i, source, h in holes)
    HOLES.write_text("# id\tpackage\tpath\tkind\tstart\tend\n" + "".join(rows), "utf-8")


def choose(sources: list[Source], is_fresh: Callable[[str, Hole], bool]) -> Iterator[tuple[int, Source, Hole]]:
    """Holes of each kind, from the packages by turns, and from the files of one by their length."""
    rng = random.Random(SEED)
    packages = sorted({source.package for source in sources})
    files = {name: [source for source in sources if source.package == name] for name in packages}
    taken: set[tuple[str, str, int]] = set()
    number = 0
    for kind, n_wanted in N_CASES.items():
        for i in range(n_wanted):
            source, hole = _fresh_hole(kind, files[packages[i % len(packages)]], rng, is_fresh, taken)
            taken.add((source.package, source.path, hole.start))
            yield number, source, hole
            number += 1


def _fresh_hole(
    kind: str,
    sources: list[Source],
    rng: random.Random,
    is_fresh: Callable[[str, Hole], bool],
    taken: set[tuple[str, str, int]],
) -> tuple[Source, Hole]:
    for source in rng.choices(sources, [len(source.text) for source in sources], k=N_TRIES):
        hole = hole_of(kind, Code(source.text), rng)
        if hole and (source.package, source.path, hole.start) not in taken and is_fresh(source.text, hole):
            return source, hole
    raise SystemExit(f"{sources[0].package}: no place for one more {kind}")


def is_known(text: str, hole: Hole, known: set[int]) -> bool:
    """Does any training text hold the hole's first line together with its neighbours?"""
    end_of_line = (text + "\n").index("\n", hole.start)
    above = _lines_with_text(reversed(text[: hole.start].split("\n")[:-1]))[::-1]
    line = text[text.rfind("\n", 0, hole.start) + 1 : end_of_line]
    below = _lines_with_text(text[end_of_line + 1 :].split("\n"))
    return bool(shingles("\n".join([*above, line, *below])) & known)


def _lines_with_text(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if len(found) == N_SHINGLE_LINES - 1:
            break
        if len(line.strip()) > 2 and not line.strip().startswith("#"):
            found.append(line)
    return found


def _share_known(text: str, known: set[int]) -> float:
    own = shingles(text)
    return len(own & known) / len(own)


def shingles_of_files(paths: Iterable[Path]) -> set[int]:
    """Of training text: lines of JSON with a `text`."""
    known: set[int] = set()
    for path in paths:
        for row in read_cases(path):
            known |= shingles(row["text"])
    return known


def read_holes() -> list[tuple[str, str, str, Hole]]:
    """(id, package, path, hole) as they stand in stick.tsv."""
    rows = (line.split("\t") for line in HOLES.read_text("utf-8").splitlines() if not line.startswith("#"))
    return [(id, package, path, Hole(kind, int(start), int(end))) for id, package, path, kind, start, end in rows]


def case_of(id: str, package: str, path: str, hole: Hole, texts: Sources, n_before: int, n_after: int) -> Case:
    """The file around the hole, in whole lines but for the cursor's, at most so many characters before and after."""
    text = texts[package, path]
    first = text.find("\n", hole.start - n_before) + 1 if hole.start > n_before else 0
    last = text.rfind("\n", 0, hole.end + n_after) + 1 if len(text) > hole.end + n_after else len(text)
    return {
        "id": int(id),
        "language": "python",
        "package": package,
        "path": path,
        "kind": hole.kind,
        "prefix": text[first : hole.start],
        "middle": text[hole.start : hole.end],
        "suffix": text[hole.end : last],
    }


def read_cases(path: Path) -> list[Case]:
    """Lines of JSON, gzipped or not."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in io.StringIO(data.decode())]


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """The same cases make the same file: no time and no name go into its header."""
    data = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("build")
    command.add_argument("out", type=Path)
    command.set_defaults(run=build)
    commands.add_parser("sample").set_defaults(run=sample)
    command = commands.add_parser("cut")
    command.add_argument("training", type=Path, nargs="+")
    command.set_defaults(run=cut)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
