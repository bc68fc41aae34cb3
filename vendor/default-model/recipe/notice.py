"""The licence texts of all code that the default model has learned from, or is measured on, in one file.

    python vendor/default-model/recipe/notice.py --pinned packages.txt FOLDER... > vendor/default-model/NOTICE

The pinned packages are downloaded as prepare.py does; those of the measuring stick, always. The model was first trained
on what was installed on a machine (PACKAGES.txt): the folders are those of that machine, with `*.dist-info`, or with a
folder and a licence file for each package. A text that several packages share is given once.
"""

from __future__ import annotations

import argparse
import email
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import stick
from prepare import standard_library
from sources import LICENCE_FILE, fetch, licence_of, normalised, read_wheel

FIRST_PACKAGES = Path(__file__).parent.parent / "PACKAGES.txt"
Licensed = tuple[str, str, str]  # package, licence, a text of it


def main() -> int:
    options = _parse()
    wanted = {normalised(line.split("\t")[1]) for line in FIRST_PACKAGES.read_text("utf-8").splitlines()[1:]}
    licensed = [*_downloaded(options.pinned), *(each for each in _installed(options.folders) if each[0] in wanted)]
    packages_by_text: defaultdict[str, set[str]] = defaultdict(set)
    texts: dict[str, str] = {}
    for package, licence, text in licensed:
        texts.setdefault(_key(text), text.strip())
        packages_by_text[_key(text)].add(f"{package} ({licence})" if licence else package)
    for key, packages in sorted(packages_by_text.items(), key=lambda item: sorted(item[1])):
        print(f"{'=' * 80}\n{', '.join(sorted(packages))}\n{'=' * 80}\n\n{texts[key]}\n\n")
    missing = wanted - {package for package, _, _ in licensed}
    print(f"{len(texts)} texts; none for {', '.join(sorted(missing))}", file=sys.stderr)
    return 0


def _downloaded(pinned: Iterable[Path]) -> Iterator[Licensed]:
    paths = [path for requirements in (stick.PINNED, *pinned) for path in fetch(requirements, stick.DOWNLOADS)]
    for package in (*map(read_wheel, paths), standard_library()):
        for text in package.licence_texts:
            yield package.name, package.licence, text


def _installed(folders: Iterable[Path]) -> Iterator[Licensed]:
    for folder in folders:
        for metadata in sorted(folder.glob("*.dist-info/METADATA")):
            message = email.message_from_string(metadata.read_text("utf-8", "replace"))
            texts = list(_texts_in(metadata.parent))
            for text in texts:
                yield normalised(message["Name"]), licence_of(message, texts), text
        for package in sorted(path for path in folder.iterdir() if path.is_dir() and path.suffix != ".dist-info"):
            for text in _texts_in(package, deep=False):
                yield normalised(package.name), "", text


def _texts_in(folder: Path, deep: bool = True) -> Iterator[str]:
    for path in sorted(folder.rglob("*") if deep else folder.glob("*")):
        if path.is_file() and LICENCE_FILE.search(path.name) and path.suffix != ".py":
            yield path.read_text("utf-8", "replace")


def _key(text: str) -> str:
    return re.sub(r"\W+", " ", text).lower().strip()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--pinned", type=Path, action="append", default=[], help="requirements of more packages")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
